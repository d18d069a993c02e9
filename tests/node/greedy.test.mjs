// The package in Node writes what the float32 reference writes, with every core for the CPU, with one thread and with more, and
// through Dawn on SwiftShader.
import assert from "node:assert/strict";
import test from "node:test";
import { Plume } from "../../build/plume-lm/dist/node.js";
import { greedyReplies } from "../replies.mjs";
import { checkGreedy, conversations, KINDS, share } from "../support.mjs";

const TWO = ["BF16", "Q4_K_M"];
const cpu = [1, 3].flatMap((threads) => ["plain", "auto"].map((kernels) => ({ device: "cpu", threads, kernels })));
// Of two kinds on the GPU: the tests in Chromium have them all, through the same Dawn.
for (const { device, threads, kernels } of [...cpu, { device: "gpu" }])
  for (const [kind, { file }] of Object.entries(KINDS).filter(([kind]) => device === "cpu" || TWO.includes(kind)))
    test(`${kind} on the ${[device, threads, kernels].join(" ").trim()}: greedy replies equal the reference's`, async (t) => {
      const lm = await Plume.load(file, { device, threads, kernels });
      t.after(() => lm.dispose());
      const { backend, adapter } = await lm.stats();
      assert.equal(backend, device);
      if (kernels === "auto" && !adapter.includes("relaxed"))
        return t.skip("this Node does not multiply bytes by relaxed SIMD; the tests in Chromium have that core");
      const cpu = kernels === "plain" ? "CPU, SIMD" : "CPU, relaxed SIMD";
      if (threads) assert.equal(adapter, threads > 1 ? `${cpu}, ${threads} threads` : cpu);
      const asked = device === "gpu" ? share(kind) : conversations(kind);
      t.diagnostic(`${adapter}: ${checkGreedy(kind, asked, await greedyReplies(lm, asked))}`);
    });

// Of every kind they are tested in gpu-kernels.test.mjs, without a device that computes; here their results, of two kinds, since
// a software adapter takes ten seconds and more to compile them.
for (const kind of TWO)
  test(`${kind} with the kernels for a real GPU begins as the reference does`, async (t) => {
    const lm = await Plume.load(KINDS[kind].file, { device: "gpu", kernels: "wide" });
    t.after(() => lm.dispose());
    // A software adapter is slow at them, and the point is that the browser's compiler takes them.
    const { turns, steps } = conversations(kind)[0];
    const messages = [{ role: "user", content: turns[0] }];
    const { choices } = await lm.chat.completions.create({ messages, temperature: 0, max_tokens: 6 });
    assert.ok(steps[0].text.startsWith(choices[0].message.content), choices[0].message.content);
  });
