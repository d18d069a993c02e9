// node scripts/screenshot.mjs: the README's picture, taken of the real page after a real reply.
import path from "node:path";
import { build } from "./build.mjs";
import { launch } from "./chromium.mjs";
import { serve } from "./serve.mjs";
import { root } from "./setup.mjs";

await build();
const site = await serve({ "/": path.join(root, "build/site") });
const browser = await launch();
const page = await browser.newPage({ viewport: { width: 860, height: 740 } });
await page.goto(`${site.origin}/?device=gpu`);
await page.locator("#send:enabled").waitFor();
await page.evaluate(() => (document.getElementById("temperature").value = "0"));
for (const question of ["Tell me a story about a brave fox named Pip.", "What is the capital of Japan?"]) {
  await page.getByLabel("Your message").fill(question);
  await page.keyboard.press("Enter");
  await page.locator("#send:enabled").waitFor({ timeout: 120_000 });
}
await page.screenshot({ path: path.join(root, "www/screenshot.png") });
await browser.close();
await site.close();
