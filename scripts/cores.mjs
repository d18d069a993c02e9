// The compiled cores: from Rust to what the package's sources import, pkg-templates/src/wasm.
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { at, make, start, targets } from "./make.mjs";
import { root } from "./setup.mjs";

/** What is made here, and only here: for each core plume-NAME.wasm, bindings-NAME.js and their types. */
export const wasmFolder = at("pkg-templates/src/wasm");

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

/** The cores, of which a page downloads one. Those that are `inline` are there as JavaScript, too, for bundlers that copy no files. */
export const cores = {
  gpu: { features: "gpu", inline: true },
  cpu: { features: "cpu", inline: true },
  "cpu-relaxed": { features: "bytes", relaxed: true },
  "cpu-threads": { features: "cpu", shared: true },
  "cpu-relaxed-threads": { features: "bytes", shared: true, relaxed: true },
  /** No core, but what constrains one to a schema or a grammar. */
  grammar: { package: "plume-grammar", inline: true },
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
  const { package: crate = "plume-lm", features, shared, relaxed, inline } = cores[name];
  // What is compiled with other flags has a folder of its own, so that neither makes the other out of date.
  const target = shared ? path.join(targets, "shared-memory") : targets;
  // Products have the same name: Cargo must not take another core's for this one's.
  const product = `${crate.replace("-", "_").replace("plume_lm", "plume")}.wasm`;
  const compiled = path.join(target, "wasm32-unknown-unknown/release", product);
  for (const file of [compiled, path.join(path.dirname(compiled), "deps", product)]) rmSync(file, { force: true });
  const cargo = ["rustc", "--release", "--locked", "--lib", "--target", "wasm32-unknown-unknown", "--package", crate];
  cargo.push("--target-dir", target);
  if (features) cargo.push("--no-default-features", "--features", features);
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
  const folder = at("build/cores", name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await bindgen;
  await start(path.join(targets, "bindgen/release/plume-bindgen"), [compiled, folder]);
  const wasm = path.join(folder, "plume_bg.wasm");
  const more = [...(shared ? ["threads"] : []), ...(relaxed ? ["relaxed-simd"] : [])];
  const enable = [...wasmFeatures, ...more].map((feature) => `--enable-${feature}`);
  // More than -O1 takes five times as long and comes out larger, once compressed.
  await start("node", [at("node_modules/binaryen/bin/wasm-opt"), "-O1", ...enable, wasm, "-o", wasm]);
  mkdirSync(wasmFolder, { recursive: true });
  const file = (name) => path.join(wasmFolder, name);
  await writeBindings(name, path.join(folder, "plume.js"));
  cpSync(path.join(folder, "plume.d.ts"), file(`plume-${name}.d.ts`));
  if (inline) writeInline(name, readFileSync(wasm));
  // Last, since it tells that the core is there.
  renameSync(wasm, file(`plume-${name}.wasm`));
}

/**
 * Makes a function of the generated bindings, which are a module with one instance in its variables: each call gives bindings
 * that have no instance yet, so that a core can be had anew after it has crashed.
 */
async function writeBindings(name, generated) {
  const { transform } = await import("esbuild"); // Not there before the packages of npm are.
  const options = { format: "iife", globalName: "bound", legalComments: "none" };
  const { code } = await transform(readFileSync(generated, "utf8"), options);
  writeFileSync(
    path.join(wasmFolder, `bindings-${name}.js`),
    `export function bindings() {\n${code.replace('"use strict";\n', "")}return bound;\n}\n`,
  );
  writeFileSync(
    path.join(wasmFolder, `bindings-${name}.d.ts`),
    `/** New bindings of the core "${name}". */\nexport declare function bindings(): typeof import("./plume-${name}.js");\n`,
  );
}

/** Writes a core as JavaScript, in two files: bundlers warn of any that has more than 500 kB. */
function writeInline(name, wasm) {
  const text = gzipSync(wasm, { level: 9 }).toString("base64");
  const half = text.length >> 1;
  for (const [index, part] of [text.slice(0, half), text.slice(half)].entries()) {
    const file = path.join(wasmFolder, `inline-${name}-${index + 1}`);
    writeFileSync(`${file}.js`, `export default "${part}";\n`);
    writeFileSync(
      `${file}.d.ts`,
      `/** A half of plume-${name}.wasm, compressed by gzip, in base64. */\ndeclare const base64: string;\nexport default base64;\n`,
    );
  }
}

/** Builds the cores that are missing or out of date. */
export async function buildCores() {
  const sources = [
    "Cargo.toml",
    "Cargo.lock",
    ".cargo/config.toml",
    "src",
    "shaders",
    "scripts/bindgen",
    "scripts/cores.mjs",
    "scripts/shaders.rs",
  ];
  const bindgen = path.join(targets, "bindgen");
  const bindgenMade = make(path.join(bindgen, "release/plume-bindgen"), ["scripts/bindgen"], () =>
    start("cargo", ["build", "--release", "--locked", "--target-dir", bindgen], at("scripts/bindgen")),
  );
  const makeCore = (name) =>
    make(path.join(wasmFolder, `plume-${name}.wasm`), sources, () => buildCore(name, bindgenMade));
  // Most of a core's compiling keeps one processor busy. Those that share a folder of Cargo's take turns.
  const inTurns = async (...names) => {
    for (const name of names) await makeCore(name);
  };
  const made = [
    inTurns("gpu", "cpu", "cpu-relaxed", "grammar"),
    inTurns("cpu-threads", "cpu-relaxed-threads"),
    bindgenMade,
  ];
  await Promise.allSettled(made); // Where one fails, the others' work is not left behind half done.
  await Promise.all(made);
}
