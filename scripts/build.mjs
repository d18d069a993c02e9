// npm run build: the npm package in build/plume-lm and the demo, a static folder, in build/site. What is up to date stays.
import { cpSync, rmSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { buildCores } from "./cores.mjs";
import { at, make } from "./make.mjs";
import { buildPackage, packageFolder, report, tsc } from "./package.mjs";
import { setupNode, setupRust } from "./setup.mjs";

const siteFolder = at("build/site");

function buildSite() {
  rmSync(siteFolder, { recursive: true, force: true });
  for (const name of ["dist", "models"])
    cpSync(`${packageFolder}/${name}`, `${siteFolder}/plume-lm/${name}`, { recursive: true });
  for (const name of ["index.html", "style.css", "icon.svg"]) cpSync(at("www", name), `${siteFolder}/${name}`);
  tsc("-p", at("www"));
}

/** Builds what is missing or out of date. */
export async function build() {
  setupRust();
  setupNode();
  await buildCores();
  const stamp = `${packageFolder}/dist/index.js`;
  if (await make(stamp, ["pkg-templates", "scripts/package.mjs"], buildPackage)) report();
  const page = ["www/index.html", "www/style.css", "www/icon.svg", "www/src", "www/tsconfig.json"];
  await make(`${siteFolder}/main.js`, [...page, "build/plume-lm/dist/index.js"], buildSite);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await build();
