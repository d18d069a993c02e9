// npm run build: the package plume-lm in build/plume-lm. Prints what it cost and what a page downloads.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import { root, setupNode, setupRust } from "./setup.mjs";

const out = path.join(root, "build/plume-lm");
const wasmOut = path.join(root, "pkg-templates/src/wasm");
const run = (command, args, cwd = root) => execFileSync(command, args, { cwd, stdio: "inherit" });
const target = (folder) => process.env.CARGO_TARGET_DIR ?? path.join(folder, "target");

/** The newest change below these paths, in milliseconds. */
function newest(...paths) {
  return Math.max(
    ...paths.map((entry) => {
      const stat = statSync(entry);
      if (!stat.isDirectory()) return stat.mtimeMs;
      return Math.max(stat.mtimeMs, ...readdirSync(entry).filter((name) => !["node_modules", "target", "wasm"].includes(name)).map((name) => newest(path.join(entry, name))));
    }),
  );
}

function current(product, ...inputs) {
  return existsSync(product) && statSync(product).mtimeMs >= newest(...inputs.map((input) => path.join(root, input)));
}

function buildWasm() {
  if (current(path.join(wasmOut, "plume_bg.wasm"), "src", "shaders", "Cargo.toml", "Cargo.lock", "scripts/bindgen/src")) return;
  const bindgen = path.join(root, "scripts/bindgen");
  run("cargo", ["build", "--release", "--locked"], bindgen);
  run("cargo", ["build", "--release", "--lib", "--locked", "--target", "wasm32-unknown-unknown"]);
  rmSync(wasmOut, { recursive: true, force: true });
  mkdirSync(wasmOut, { recursive: true });
  run(path.join(target(bindgen), "release/plume-bindgen"), [path.join(target(root), "wasm32-unknown-unknown/release/plume.wasm"), wasmOut]);
  const wasm = path.join(wasmOut, "plume_bg.wasm");
  // What every browser with WebGPU and Node 20 know, no more.
  const features = ["bulk-memory", "mutable-globals", "nontrapping-float-to-int", "reference-types", "sign-ext", "multivalue"];
  run("node", [path.join(root, "node_modules/binaryen/bin/wasm-opt"), "-O3", ...features.map((name) => `--enable-${name}`), wasm, "-o", wasm]);
}

function buildPackage() {
  const templates = path.join(root, "pkg-templates");
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  run("node", [path.join(root, "node_modules/typescript/bin/tsc"), "-p", templates, "--outDir", path.join(out, "dist")]);
  cpSync(wasmOut, path.join(out, "dist/wasm"), { recursive: true });
  for (const file of ["package.json", "README.md"]) cpSync(path.join(templates, file), path.join(out, file));
  for (const file of ["LICENSE-MIT", "LICENSE-APACHE"]) cpSync(path.join(root, file), path.join(out, file));
  const model = path.join(root, "www/models/plm-tiny");
  for (const file of readdirSync(model).filter((name) => !name.startsWith("goldens") && name !== "training"))
    cpSync(path.join(model, file), path.join(out, "models/plm-tiny", file));
  writeFileSync(path.join(out, ".built"), "");
}

function report() {
  const dist = path.join(out, "dist");
  const sizes = { wasm: 0, JavaScript: 0 };
  const sum = (folder) => {
    for (const name of readdirSync(folder)) {
      const file = path.join(folder, name);
      if (statSync(file).isDirectory()) sum(file);
      else if (/\.(wasm|js)$/.test(name) && name !== "node.js") {
        const bytes = readFileSync(file);
        const params = { [constants.BROTLI_PARAM_QUALITY]: name.endsWith("wasm") ? 9 : 11 };
        sizes[name.endsWith("wasm") ? "wasm" : "JavaScript"] += brotliCompressSync(bytes, { params }).length;
      }
    }
  };
  sum(dist);
  console.log(`a page downloads, with brotli: ${Object.entries(sizes).map(([kind, bytes]) => `${kind} ${(bytes / 1000).toFixed(0)} kB`).join(", ")}`);
}

/** Builds what is missing or out of date. */
export function build() {
  const started = Date.now();
  setupRust();
  setupNode();
  buildWasm();
  const inputs = ["pkg-templates", "www/models/plm-tiny/model.safetensors", "scripts/build.mjs"];
  if (current(path.join(out, ".built"), ...inputs) && statSync(path.join(out, ".built")).mtimeMs >= statSync(path.join(wasmOut, "plume_bg.wasm")).mtimeMs) {
    console.log("build/plume-lm is up to date");
    return;
  }
  buildPackage();
  report();
  console.log(`built ${path.relative(root, out)} in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) build();
