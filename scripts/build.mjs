// npm run build: the npm package in build/plume-lm and the demo, a static folder, in build/site. What is up to date stays.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import { root, setupNode, setupRust } from "./setup.mjs";

const at = (...parts) => path.join(root, ...parts);
const wasmFolder = at("pkg-templates/src/wasm");
const wasmFile = path.join(wasmFolder, "plume_bg.wasm");
const packageFolder = at("build/plume-lm");
const siteFolder = at("build/site");
const run = (command, args, cwd = root) => execFileSync(command, args, { cwd, stdio: "inherit" });
const tsc = (...args) => run("node", [at("node_modules/typescript/bin/tsc"), ...args]);

/** The files below a folder, or the file itself. */
function files(entry) {
  if (!statSync(entry).isDirectory()) return [entry];
  return readdirSync(entry).flatMap((name) =>
    name === "target" || name === "node_modules" ? [] : files(path.join(entry, name)),
  );
}

/** Makes `product` where it is missing or older than one of `inputs`. Tells whether it had to. */
function make(product, inputs, build) {
  const newest = Math.max(...inputs.flatMap((input) => files(at(input))).map((file) => statSync(file).mtimeMs));
  if (existsSync(product) && statSync(product).mtimeMs >= newest) return;
  const started = Date.now();
  build();
  console.log(`built ${path.relative(root, product)} in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

/** What every browser with WebGPU and Node 20 know, no more. */
const wasmFeatures = [
  "bulk-memory",
  "multivalue",
  "mutable-globals",
  "nontrapping-float-to-int",
  "reference-types",
  "sign-ext",
];

function buildWasm() {
  const bindgen = at("scripts/bindgen");
  const target = (folder) => process.env.CARGO_TARGET_DIR ?? path.join(folder, "target");
  run("cargo", ["build", "--release", "--locked"], bindgen);
  run("cargo", ["build", "--release", "--locked", "--lib", "--target", "wasm32-unknown-unknown"]);
  rmSync(wasmFolder, { recursive: true, force: true });
  mkdirSync(wasmFolder, { recursive: true });
  const compiled = path.join(target(root), "wasm32-unknown-unknown/release/plume.wasm");
  run(path.join(target(bindgen), "release/plume-bindgen"), [compiled, wasmFolder]);
  const enable = wasmFeatures.map((name) => `--enable-${name}`);
  run("node", [at("node_modules/binaryen/bin/wasm-opt"), "-O3", ...enable, wasmFile, "-o", wasmFile]);
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
const NODE_ONLY = /\/(node|store-files|disk-file|lock-file)\.js$/;

/** Prints the bytes of what a page downloads, compressed as a server would. */
function report() {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11 };
  const total = (wanted) =>
    files(path.join(packageFolder, "dist"))
      .filter((file) => wanted.test(file) && !NODE_ONLY.test(file))
      .reduce((sum, file) => sum + brotliCompressSync(readFileSync(file), { params }).length, 0);
  const [wasm, script] = [total(/\.wasm$/), total(/\.js$/)].map((bytes) => `${(bytes / 1000).toFixed(0)} kB`);
  console.log(`a page downloads, with brotli: wasm ${wasm}, JavaScript ${script}`);
}

/** Builds what is missing or out of date. */
export function build() {
  setupRust();
  setupNode();
  const core = [
    "Cargo.toml",
    "Cargo.lock",
    "src",
    "shaders",
    "scripts/bindgen",
    "scripts/build.mjs",
    "scripts/shaders.rs",
  ];
  make(wasmFile, core, buildWasm);
  const stamp = path.join(packageFolder, "dist/index.js");
  make(stamp, ["pkg-templates", ...modelFiles.map((name) => path.join(model, name))], () => (buildPackage(), report()));
  make(
    path.join(siteFolder, "main.js"),
    ["www/index.html", "www/style.css", "www/icon.svg", "www/src", "www/tsconfig.json", stamp.slice(root.length)],
    buildSite,
  );
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) build();
