// npm run build: the npm package in build/plume-lm and the demo, a static folder, in build/site. What is up to date stays.
import { pathToFileURL } from "node:url";
import { buildCores } from "./cores.mjs";
import { make } from "./make.mjs";
import { buildPackage, packageFolder, report } from "./package.mjs";
import { setupNode, setupRust } from "./setup.mjs";
import { buildSite, siteFolder } from "./site.mjs";

/** Builds what is missing or out of date. */
export async function build() {
  setupRust();
  setupNode();
  await buildCores();
  const stamp = `${packageFolder}/dist/index.js`;
  if (await make(stamp, ["pkg-templates", "scripts/package.mjs"], buildPackage)) report();
  const page = ["www", "scripts/site.mjs", "build/plume-lm/dist/index.js"];
  await make(`${siteFolder}/main.js`, page, buildSite);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await build();
