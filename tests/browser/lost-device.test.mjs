// Chromium's GPU process is crashed in the middle of a reply, as a driver may do to it.
import assert from "node:assert/strict";
import path from "node:path";
import test from "node:test";
import { launch } from "../../scripts/chromium.mjs";
import { serve } from "../../scripts/serve.mjs";
import { root } from "../../scripts/setup.mjs";
import { EMBEDDED, conversations } from "../support.mjs";

const site = await serve({
  "/package/": path.join(root, "build/plume-lm"),
  "/tests/": path.join(root, "tests"),
});
const browser = await launch();
test.after(async () => (await browser.close(), await site.close()));

test("a GPU process that crashes is a lost device; the same model is loaded again and goes on", async () => {
  const { turns, steps } = conversations(EMBEDDED)[0];
  const page = await browser.newPage();
  await page.goto(`${site.origin}/tests/browser/blank.html`);
  await page.evaluate(async (content) => {
    const { Plume } = await import("/package/dist/index.js");
    window.lm = await Plume.load(undefined, { device: "gpu" });
    window.ask = async () => {
      window.text = "";
      const request = { messages: [{ role: "user", content }], temperature: 0, stream: true };
      for await (const part of await lm.chat.completions.create(request))
        window.text += part.choices[0].delta.content ?? "";
      return window.text;
    };
    window.outcome = ask().then(
      () => "finished",
      ({ code, message }) => `${code}: ${message}`,
    );
  }, turns[0]);
  await page.waitForFunction(() => window.text.length > 0);
  const session = await browser.newBrowserCDPSession();
  await session.send("Browser.crashGpuProcess").catch(() => {}); // It may not live to answer.
  assert.match(await page.evaluate(() => window.outcome), /^device_lost: .*reload/);
  await page.evaluate(() => lm.reload());
  assert.equal(await page.evaluate(() => ask()), steps[0].text);
});
