// The package in a page, in its worker, over HTTP, on WebGPU (SwiftShader) and on the CPU, with threads where the page is
// cross-origin isolated: what the float32 reference writes.
import assert from "node:assert/strict";
import path from "node:path";
import test from "node:test";
import { launch } from "../../scripts/chromium.mjs";
import { serve } from "../../scripts/serve.mjs";
import { root } from "../../scripts/setup.mjs";
import { Plume } from "../../build/plume-lm/dist/node.js";
import { checkGreedy, conversations, KINDS, share } from "../support.mjs";

const folders = {
  "/package/": path.join(root, "build/plume-lm"),
  "/models/": path.join(root, "www/models"),
  "/data/": path.join(root, "tests/data"),
  "/tests/": path.join(root, "tests"),
};
const site = await serve(folders);
const isolated = await serve(folders, { isolated: true });
const browser = await launch();
test.after(async () => (await browser.close(), await site.close(), await isolated.close()));

/** In a page of `origin`: the replies to `asked`, and what they came from. */
async function repliesIn(t, { origin }, url, options, asked) {
  const page = await browser.newPage();
  t.after(() => page.close());
  await page.goto(`${origin}/tests/browser/blank.html`);
  return page.evaluate(
    async ({ url, options, asked }) => {
      const { Plume } = await import("/package/dist/index.js");
      const { greedyReplies } = await import("/tests/replies.mjs");
      const lm = await Plume.load(url, options);
      const { backend, adapter } = await lm.stats();
      const replies = await greedyReplies(lm, asked);
      lm.dispose();
      return { backend, adapter, replies };
    },
    { url, options, asked },
  );
}

for (const [kind, { url }] of Object.entries(KINDS)) {
  test(`${kind} on the GPU in Chromium: greedy replies equal the reference's`, async (t) => {
    const { backend, adapter, replies } = await repliesIn(t, site, url, { device: "gpu" }, share(kind));
    assert.equal(backend, "gpu");
    t.diagnostic(`${adapter}: ${checkGreedy(kind, share(kind), replies)}`);
  });

  test(`${kind} on the CPU in Chromium, alone and with threads: greedy replies equal the reference's`, async (t) => {
    for (const [server, kernels, expected] of [
      [site, "plain", "CPU, SIMD"],
      [site, "auto", "CPU, relaxed SIMD"],
      [isolated, "auto", "CPU, relaxed SIMD, 3 threads"],
    ]) {
      const options = { device: "cpu", threads: 3, kernels };
      const asked = server === site ? share(kind) : conversations(kind);
      const { adapter, replies } = await repliesIn(t, server, url, options, asked);
      assert.equal(adapter, expected);
      t.diagnostic(`${adapter}: ${checkGreedy(kind, asked, replies)}`);
    }
  });
}

test("the same seed writes the same text in Node on the CPU and in Chromium on the GPU", async (t) => {
  const request = {
    messages: [{ role: "user", content: "Tell me a story about a brave fox named Pip." }],
    ...{ temperature: 0.9, top_k: 40, top_p: 0.95, min_p: 0.02, repetition_penalty: 1.1, seed: 11, max_tokens: 80 },
  };
  const lm = await Plume.load(undefined, { device: "cpu" });
  const expected = (await lm.chat.completions.create(request)).choices[0].message.content;
  lm.dispose();
  const page = await browser.newPage();
  t.after(() => page.close());
  await page.goto(`${site.origin}/tests/browser/blank.html`);
  const found = await page.evaluate(async (request) => {
    const { Plume } = await import("/package/dist/index.js");
    const lm = await Plume.load(undefined, { device: "gpu" });
    const reply = await lm.chat.completions.create(request);
    lm.dispose();
    return reply.choices[0].message.content;
  }, request);
  assert.ok(expected.length > 100, expected);
  assert.equal(found, expected);
});
