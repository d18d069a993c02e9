// From www/ and the package to the demo: a static folder, which any server can serve from any path.
import { createHash } from "node:crypto";
import { cpSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { at, files } from "./make.mjs";
import { packageFolder, tsc } from "./package.mjs";

export const siteFolder = at("build/site");
const source = (name) => at("www", name);

const assets = ["index.html", "manifest.webmanifest", "icon.svg", "icon-192.png", "icon-512.png", "icon-maskable.png"];
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
  await bundle({ ...options, entryPoints: { style: source("style/main.css") }, outdir: siteFolder });
  await bundle({
    ...options,
    entryPoints: [source("service-worker/service-worker.ts")],
    outdir: siteFolder,
    format: "iife",
    define: offlineFiles(),
  });
}

/** What the service worker has to know of the other files. */
function offlineFiles() {
  const sha256 = (content) => createHash("sha256").update(content).digest("hex");
  const names = files(siteFolder)
    .map((file) => path.relative(siteFolder, file).replaceAll(path.sep, "/"))
    .sort();
  const hashes = names.map((name) => [name, sha256(readFileSync(path.join(siteFolder, name)))]);
  const bundled = names.filter((name) => /^[^/]+\.(js|css)$/.test(name));
  const shell = [...assets.filter((name) => !isForInstalling(name)), ...bundled];
  shell.push(...library.filter(isScript).map((name) => `plume-lm/${name}`));
  const all = Object.fromEntries(hashes);
  const first = Object.fromEntries(shell.map((name) => [name, all[name]]));
  const later = Object.fromEntries(hashes.filter(([name]) => name.endsWith(".wasm")));
  return {
    VERSION: JSON.stringify(sha256(JSON.stringify(hashes)).slice(0, 16)),
    FILES: JSON.stringify({ "./": all["index.html"], ...first }),
    LATER: JSON.stringify(later),
  };
}

const isScript = (name) => name.endsWith(".js");
/** Only a browser that installs the page asks for these. */
const isForInstalling = (name) => /^icon-(512|maskable)/.test(name);
