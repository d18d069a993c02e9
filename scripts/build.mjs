// npm run build: the npm package in build/plume-lm and the demo, a static folder, in build/site. What is up to date stays.
import { execFileSync, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import { root, setupNode, setupRust } from "./setup.mjs";

const at = (...parts) => path.join(root, ...parts);
const wasmFolder = at("pkg-templates/src/wasm");
const packageFolder = at("build/plume-lm");
const siteFolder = at("build/site");
const run = (command, args, cwd = root, environment = {}) =>
  execFileSync(command, args, { cwd, stdio: "inherit", env: { ...process.env, ...environment } });
/** The same, with others beside it. */
const start = (command, args, cwd = root, environment = {}) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: "inherit", env: { ...process.env, ...environment } });
    child.on("error", reject);
    child.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`${command} ${args.join(" ")}: failed`))));
  });
const tsc = (...args) => run("node", [at("node_modules/typescript/bin/tsc"), ...args]);

/** The files below a folder, or the file itself. */
function files(entry) {
  if (!statSync(entry).isDirectory()) return [entry];
  return readdirSync(entry).flatMap((name) =>
    name === "target" || name === "node_modules" ? [] : files(path.join(entry, name)),
  );
}

/** Makes `product` where it is missing or older than one of `inputs`. Tells whether it had to. */
async function make(product, inputs, build) {
  const newest = Math.max(...inputs.flatMap((input) => files(at(input))).map((file) => statSync(file).mtimeMs));
  if (existsSync(product) && statSync(product).mtimeMs >= newest) return false;
  const started = new Date();
  await build();
  // As old as the build's beginning, since what is edited meanwhile may not be in it; and never older, though Cargo leaves it
  // as it is where nothing that matters has changed.
  utimesSync(product, started, started);
  console.log(`built ${path.relative(root, product)} in ${((Date.now() - started) / 1000).toFixed(1)} s`);
  return true;
}

/** What every browser that gets security fixes knows, and Node 20. */
const wasmFeatures = [
  "bulk-memory",
  "multivalue",
  "mutable-globals",
  "nontrapping-float-to-int",
  "reference-types",
  "sign-ext",
  "simd",
];

/** The cores, of which a page downloads one. */
const cores = {
  gpu: { features: "gpu" },
  cpu: { features: "cpu" },
  "cpu-relaxed": { features: "bytes", relaxed: true },
  "cpu-threads": { features: "cpu", shared: true },
  "cpu-relaxed-threads": { features: "bytes", shared: true, relaxed: true },
};

/** What makes a module whose memory several workers share. The most that it may ever have has to be said beforehand. */
const sharedMemory = {
  arguments: ["-Z", "build-std=std,panic_abort"],
  flags: [
    "target-feature=+atomics",
    ...["shared-memory", "import-memory", `max-memory=${2 ** 32}`].map((option) => `link-arg=--${option}`),
    ...["__wasm_init_tls", "__tls_size", "__tls_align", "__tls_base"].map((name) => `link-arg=--export=${name}`),
  ],
};

/** Compiles a core, with bindings by the program that `bindgen` promises. */
async function buildCore(name, bindgen) {
  const { features, shared, relaxed } = cores[name];
  const targets = process.env.CARGO_TARGET_DIR ?? at("target");
  // What is compiled with other flags has a folder of its own, so that neither makes the other out of date.
  const target = shared ? path.join(targets, "shared-memory") : targets;
  // Products have the same name: Cargo must not take another core's for this one's.
  const compiled = path.join(target, "wasm32-unknown-unknown/release/plume.wasm");
  for (const product of [compiled, path.join(path.dirname(compiled), "deps/plume.wasm")])
    rmSync(product, { force: true });
  const cargo = ["rustc", "--release", "--locked", "--lib", "--target", "wasm32-unknown-unknown"];
  cargo.push("--target-dir", target, "--no-default-features", "--features", features);
  if (shared) cargo.push(...sharedMemory.arguments);
  // For this crate alone, since no other has kernels: those it depends on are compiled once.
  if (relaxed) cargo.push("--", "-C", "target-feature=+relaxed-simd");
  const flags = ["target-feature=+simd128", ...(shared ? sharedMemory.flags : [])];
  await start("cargo", cargo, root, {
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS: flags.map((flag) => `-C ${flag}`).join(" "),
    // Either would take the place of these flags.
    RUSTFLAGS: undefined,
    CARGO_ENCODED_RUSTFLAGS: undefined,
    // What shares memory comes from a standard library of our own, which stable Rust does not offer.
    ...(shared && { RUSTC_BOOTSTRAP: "1" }),
  });
  // In its own place only once it is whole.
  const [unfinished, folder] = [at("build/cores", name), path.join(wasmFolder, name)];
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  await bindgen;
  await start(path.join(targets, "bindgen/release/plume-bindgen"), [compiled, unfinished]);
  const wasm = path.join(unfinished, "plume_bg.wasm");
  const more = [...(shared ? ["threads"] : []), ...(relaxed ? ["relaxed-simd"] : [])];
  const enable = [...wasmFeatures, ...more].map((feature) => `--enable-${feature}`);
  // More than -O1 takes five times as long and comes out larger, once compressed.
  await start("node", [at("node_modules/binaryen/bin/wasm-opt"), "-O1", ...enable, wasm, "-o", wasm]);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(wasmFolder, { recursive: true });
  renameSync(unfinished, folder);
}

const model = "www/models/plm-tiny";
const modelFiles = ["README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];

function buildPackage() {
  rmSync(packageFolder, { recursive: true, force: true });
  tsc("-p", at("pkg-templates"), "--outDir", path.join(packageFolder, "dist"));
  cpSync(wasmFolder, path.join(packageFolder, "dist/wasm"), { recursive: true });
  for (const name of ["package.json", "README.md"]) cpSync(at("pkg-templates", name), path.join(packageFolder, name));
  for (const name of ["LICENSE-MIT", "LICENSE-APACHE"]) cpSync(at(name), path.join(packageFolder, name));
  for (const name of modelFiles) cpSync(at(model, name), path.join(packageFolder, "models/plm-tiny", name));
}

function buildSite() {
  rmSync(siteFolder, { recursive: true, force: true });
  for (const name of ["dist", "models"])
    cpSync(path.join(packageFolder, name), path.join(siteFolder, "plume-lm", name), { recursive: true });
  for (const name of ["index.html", "style.css", "icon.svg"]) cpSync(at("www", name), path.join(siteFolder, name));
  tsc("-p", at("www"));
}

/** What of the package no page downloads. */
const NODE_ONLY = /\/(node|cores-node|helper-node|store-files|disk-file|lock-file)\.js$/;

/** Prints the bytes of what a page downloads, compressed as a server would: one core, its bindings and the rest. */
function report() {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11 };
  const kilobytes = (wanted) =>
    files(path.join(packageFolder, "dist"))
      .filter((file) => wanted(path.relative(path.join(packageFolder, "dist"), file)) && !NODE_ONLY.test(`/${file}`))
      .reduce((sum, file) => sum + brotliCompressSync(readFileSync(file), { params }).length, 0) / 1000;
  const rest = kilobytes((file) => file.endsWith(".js") && !file.startsWith("wasm/"));
  for (const name of Object.keys(cores)) {
    const [wasm, bindings] = [`wasm/${name}/plume_bg.wasm`, `wasm/${name}/plume.js`].map((wanted) =>
      kilobytes((file) => file === wanted),
    );
    console.log(
      `a page downloads for ${name}, with brotli: wasm ${wasm.toFixed(0)} kB, JavaScript ${(bindings + rest).toFixed(0)} kB`,
    );
  }
}

/** Builds what is missing or out of date. */
export async function build() {
  setupRust();
  setupNode();
  const core = [
    "Cargo.toml",
    "Cargo.lock",
    ".cargo/config.toml",
    "src",
    "shaders",
    "scripts/bindgen",
    "scripts/build.mjs",
    "scripts/shaders.rs",
  ];
  const bindgen = path.join(process.env.CARGO_TARGET_DIR ?? at("target"), "bindgen");
  const bindgenMade = make(path.join(bindgen, "release/plume-bindgen"), ["scripts/bindgen"], () =>
    start("cargo", ["build", "--release", "--locked", "--target-dir", bindgen], at("scripts/bindgen")),
  );
  const makeCore = (name) =>
    make(path.join(wasmFolder, name, "plume_bg.wasm"), core, () => buildCore(name, bindgenMade));
  // Most of a core's compiling keeps one processor busy. Those that share a folder of Cargo's take turns.
  const inTurns = async (...names) => {
    let any = false;
    for (const name of names) any = (await makeCore(name)) || any;
    return any;
  };
  const made = [inTurns("gpu", "cpu", "cpu-relaxed"), inTurns("cpu-threads", "cpu-relaxed-threads"), bindgenMade];
  await Promise.allSettled(made); // Where one fails, the others' work is not left behind half done.
  const [alone, shared] = await Promise.all(made);
  const stamp = path.join(packageFolder, "dist/index.js");
  await make(stamp, ["pkg-templates", ...modelFiles.map((name) => path.join(model, name))], buildPackage);
  if (alone || shared) report();
  await make(
    path.join(siteFolder, "main.js"),
    ["www/index.html", "www/style.css", "www/icon.svg", "www/src", "www/tsconfig.json", stamp.slice(root.length)],
    buildSite,
  );
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await build();
