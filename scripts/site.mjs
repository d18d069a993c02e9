// From www/ and the package to the demo: a static folder, which any server can serve from any path.
import { createHash } from "node:crypto";
import { cpSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { at } from "./make.mjs";
import { packageFolder, tsc } from "./package.mjs";

export const siteFolder = at("build/site");
const source = (name) => at("www", name);

const assets = [
  "index.html",
  "style.css",
  "manifest.webmanifest",
  "icon.svg",
  "icon-192.png",
  "icon-512.png",
  "icon-maskable.png",
];
/** What the page has of the package. */
const library = ["dist/index.js", "dist/worker.js", "models/plm-tiny.gguf"];

const options = { bundle: true, minify: true, target: "es2022", legalComments: "none", logLevel: "warning" };

/** The page imports the package as a program does, but finds it beside itself. */
const beside = {
  name: "the package beside the page",
  setup: ({ onResolve }) =>
    onResolve({ filter: /^plume-lm$/ }, () => ({ path: "./plume-lm/dist/index.js", external: true })),
};

export async function buildSite() {
  rmSync(siteFolder, { recursive: true, force: true });
  const { build: bundle } = await import("esbuild"); // Not there before the packages of npm are.
  tsc("-p", at("www"));
  tsc("-p", at("www/service-worker"));
  for (const name of assets) cpSync(source(name), path.join(siteFolder, name));
  const cores = readdirSync(path.join(packageFolder, "dist/wasm")).filter((name) =>
    /^plume-(gpu|cpu).*\.wasm$/.test(name),
  );
  for (const name of [...library, ...cores.map((name) => `dist/wasm/${name}`)])
    cpSync(path.join(packageFolder, name), path.join(siteFolder, "plume-lm", name));
  await bundle({
    ...options,
    entryPoints: [source("src/main.ts")],
    outdir: siteFolder,
    format: "esm",
    splitting: true,
    chunkNames: "[name]-[hash]",
    plugins: [beside],
  });
  await bundle({
    ...options,
    entryPoints: [source("service-worker/service-worker.ts")],
    outdir: siteFolder,
    format: "iife",
    define: offlineFiles(),
  });
}

/** What the service worker has to know of the other files: a hash of them all, and which the page needs to open. */
function offlineFiles() {
  const hash = createHash("sha256");
  for (const name of readdirSync(siteFolder, { recursive: true }).sort())
    if (/\.\w+$/.test(name)) hash.update(name).update(readFileSync(path.join(siteFolder, name)));
  const scripts = readdirSync(siteFolder).filter((name) => name.endsWith(".js"));
  const files = ["./", ...assets, ...scripts, "plume-lm/dist/index.js", "plume-lm/dist/worker.js"];
  return { VERSION: JSON.stringify(hash.digest("hex").slice(0, 16)), FILES: JSON.stringify(files) };
}
