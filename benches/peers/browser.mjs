// One page of one Chromium for one engine, with the model at /model.gguf. The peers' packages are installed only here.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { build } from "../../scripts/build.mjs";
import { launch } from "../../scripts/chromium.mjs";
import { serve } from "../../scripts/serve.mjs";
import { root, setupBrowser } from "../../scripts/setup.mjs";

export const here = path.join(root, "benches/peers");

/** Installs the peers, and what `more` says. */
export function installPeers(...more) {
  const options = ["--no-audit", "--no-fund", "--no-package-lock"];
  execFileSync("npm", ["install", ...options, ...more], { cwd: here, stdio: "inherit" });
}

/** Builds Plume, and installs Chromium and the peers where they are missing. */
export async function prepare() {
  await build();
  setupBrowser();
  if (!existsSync(path.join(here, "node_modules"))) installPeers();
}

/** What pages of the benches import. */
export const folders = {
  "/plume-lm/": path.join(root, "build/plume-lm"),
  "/wllama/": path.join(here, "node_modules/@wllama/wllama"),
  "/benches/": path.join(here, "engines"),
};

/** A page in a fresh profile. */
export async function openPage(model) {
  const site = await serve({ "/model.gguf": model, ...folders });
  const browser = await launch();
  const page = await browser.newPage();
  await page.goto(`${site.origin}/benches/blank.html`);
  return { page, close: async () => (await browser.close(), await site.close()) };
}
