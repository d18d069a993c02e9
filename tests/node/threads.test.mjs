// The CPU's threads in Node: models share them, they do not keep the process, and a core that crashes gets others.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import test from "node:test";
import { Plume } from "../../build/plume-lm/dist/node.js";
import { gguf } from "../support.mjs";

const request = {
  messages: [{ role: "user", content: "Tell me a story about a brave fox named Pip." }],
  temperature: 0,
};
const storyOf = async (lm) => (await lm.chat.completions.create(request)).choices[0].message.content;

test("models with other numbers of threads write the same, in turns and at once", async (t) => {
  const load = (threads) => Plume.load(gguf("Q8_0"), { device: "cpu", threads, kernels: "plain" });
  const loads = [1, 2, 4, undefined].map(load);
  const models = await Promise.all(loads);
  t.after(() => models.forEach((lm) => lm.dispose()));
  const names = await Promise.all(models.map(async (lm) => (await lm.stats()).adapter));
  assert.deepEqual(names.slice(0, 3), ["CPU, SIMD", "CPU, SIMD, 2 threads", "CPU, SIMD, 4 threads"]);
  const expected = await storyOf(models[0]);
  assert.match(expected, /Pip/);
  for (const lm of models) assert.equal(await storyOf(lm), expected);
  for (const story of await Promise.all(models.map(storyOf))) assert.equal(story, expected);
});

test("a process whose model was not disposed of ends when its work does", () => {
  const program = `
    import { Plume } from ${JSON.stringify(new URL("../../build/plume-lm/dist/node.js", import.meta.url).href)};
    const lm = await Plume.load(undefined, { device: "cpu", threads: 3 });
    console.log((await lm.stats()).adapter);
  `;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^CPU, (relaxed )?SIMD, 3 threads\n$/);
});

test("a number of threads that is none is refused", async () => {
  for (const threads of [0, -1, 1.5, 65, "2", null])
    await assert.rejects(Plume.load(undefined, { device: "cpu", threads }), {
      code: "invalid_request",
      message: /threads/,
    });
});
