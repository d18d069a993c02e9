// From TypeScript to the npm package. build/modules has one JavaScript file for each source, for tests of what the package keeps
// to itself; the package has one for each entry point.
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { cores, wasmFolder } from "./cores.mjs";
import { at, run } from "./make.mjs";

export const packageFolder = at("build/plume-lm");
const modulesFolder = at("build/modules");
const source = (name) => at("pkg-templates/src", name);

export const tsc = (...args) => run("node", [at("node_modules/typescript/bin/tsc"), ...args]);

/** The embedded model is the file that tests compare with the reference, too. */
const model = { from: at("tests/data/plm-tiny-Q8_0.gguf"), to: "models/plm-tiny.gguf" };

/** What each of the package's files is made of, and where it runs. */
const entries = {
  index: "browser",
  local: "browser",
  worker: "browser",
  node: "node",
  "helper-node": "node",
};

const options = { bundle: true, minify: true, target: "es2022", legalComments: "none", logLevel: "warning" };

/** The worker as text, for where its file is not to be had: a classic script, since it has no place to import from. */
async function inlineWorker(bundle) {
  const { outputFiles } = await bundle({
    ...options,
    entryPoints: [source("worker.ts")],
    write: false,
    format: "iife",
    define: { "import.meta.url": "self.location.href" },
  });
  return `// worker.js\nexport default ${JSON.stringify(outputFiles[0].text)};\n`;
}

/** The declarations that a program needs which imports `names`, those that they import included. */
function declarations(...names) {
  const found = new Set();
  const visit = (file) => {
    if (found.has(file)) return;
    found.add(file);
    const text = readFileSync(path.join(modulesFolder, "dist", file), "utf8");
    for (const [, name] of text.matchAll(/(?:from |import\()"\.\/([^"]+)\.js"/g))
      visit(path.join(path.dirname(file), `${name}.d.ts`));
  };
  for (const name of names) visit(`${name}.d.ts`);
  return found;
}

export async function buildPackage() {
  rmSync(packageFolder, { recursive: true, force: true });
  rmSync(modulesFolder, { recursive: true, force: true });
  const { build: bundle } = await import("esbuild"); // Not there before the packages of npm are.
  tsc("-p", at("pkg-templates"), "--outDir", path.join(modulesFolder, "dist"));
  const dist = path.join(packageFolder, "dist");
  for (const [name, platform] of Object.entries(entries))
    await bundle({
      ...options,
      entryPoints: [source(`${name}.ts`)],
      outfile: path.join(dist, `${name}.js`),
      format: "esm",
      platform,
      // Downloaded only where they are needed.
      external: ["./wasm/inline-*", "./inline-worker.js"],
    });
  const worker = await inlineWorker(bundle);
  for (const folder of [packageFolder, modulesFolder])
    writeFileSync(path.join(folder, "dist/inline-worker.js"), worker);
  mkdirSync(path.join(dist, "wasm"), { recursive: true });
  cpSync(wasmFolder, path.join(modulesFolder, "dist/wasm"), { recursive: true });
  const files = readdirSync(wasmFolder).filter((name) => name.endsWith(".wasm") || /^inline-.*\.js$/.test(name));
  for (const name of files) cpSync(path.join(wasmFolder, name), path.join(dist, "wasm", name));
  for (const file of declarations("index", "local", "node"))
    cpSync(path.join(modulesFolder, "dist", file), path.join(dist, file));
  for (const name of ["package.json", "README.md", "CHANGELOG.md", "local.js", "local.d.ts"])
    cpSync(at("pkg-templates", name), path.join(packageFolder, name));
  cpSync(at("pkg-templates/docs"), path.join(packageFolder, "docs"), { recursive: true });
  for (const name of ["LICENSE-MIT", "LICENSE-APACHE"]) cpSync(at(name), path.join(packageFolder, name));
  for (const folder of [packageFolder, modulesFolder]) cpSync(model.from, path.join(folder, model.to));
}

/** Prints the bytes of what a page downloads, compressed as a server would: the page's part, the worker, and one core. */
export function report() {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11 };
  const kilobytes = (file) =>
    brotliCompressSync(readFileSync(path.join(packageFolder, "dist", file)), { params }).length / 1000;
  const [page, worker] = ["index.js", "worker.js"].map(kilobytes);
  console.log(
    `a page downloads, with brotli: ${page.toFixed(1)} kB of index.js, ${worker.toFixed(1)} kB of worker.js, and`,
  );
  for (const name of Object.keys(cores).filter((name) => name !== "grammar")) {
    const wasm = kilobytes(`wasm/plume-${name}.wasm`);
    console.log(`  ${name}: ${wasm.toFixed(0)} kB of wasm, ${(page + worker + wasm).toFixed(0)} kB together`);
  }
  console.log(
    `  and where a reply is to keep to a schema, ${kilobytes("wasm/plume-grammar.wasm").toFixed(0)} kB of wasm`,
  );
}
