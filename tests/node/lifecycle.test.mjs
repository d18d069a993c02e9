// A model's whole life, many times over: nothing is left behind, and nothing gets stuck.
import assert from "node:assert/strict";
import test from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Plume } from "../../build/plume-lm/dist/node.js";
import { soak } from "../soak.mjs";
import { certain, EMBEDDED } from "../support.mjs";

const ask = (lm) =>
  lm.chat.completions.create({ messages: [{ role: "user", content: "Hello" }], temperature: 0, max_tokens: 4 });

test("50 loads take no more of the core's memory than the first few", async () => {
  const taken = [];
  for (let load = 0; load < 50; load++) {
    const lm = await Plume.load(undefined, { device: "cpu" });
    const session = await lm.session();
    await ask(session);
    taken.push((await lm.stats()).memory_bytes);
    // A model that is let go of with all that it has, in the middle of a reply.
    const stream = await lm.chat.completions.create({ messages: [{ role: "user", content: "Hello" }], stream: true });
    await stream.next();
    lm.dispose();
  }
  // The first may be under way of being freed while the second loads.
  assert.equal(taken.at(-1), taken[4], taken.join(" "));
});

test("300 requests of mixed sizes with random aborts: none is stuck, none is wrong, the memory stays", async (t) => {
  const lm = await Plume.load(undefined, { device: "cpu" });
  const conversations = certain(EMBEDDED);
  let early;
  const onProgress = async (count) => count === 100 && (early = (await lm.stats()).memory_bytes);
  const done = await soak(lm, conversations, 300, { seed: 7, onProgress });
  assert.ok(
    Object.values(done).every((count) => count > 0),
    JSON.stringify(done),
  );
  assert.equal((await lm.stats()).memory_bytes, early);
  t.diagnostic(JSON.stringify(done));
  lm.dispose();
});

test("a stream that was begun and forgotten is ended, and keeps nobody waiting for ever", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc");
  const lm = await Plume.load(undefined, { device: "cpu" });
  const messages = [{ role: "user", content: "Tell me a story about a brave fox named Pip." }];
  // In a function, so that nothing here remembers it.
  await (async () => void (await (await lm.chat.completions.create({ messages, stream: true })).next()))();
  const started = performance.now();
  const next = ask(lm);
  for (let tries = 0; tries < 20; tries++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await next;
  // Without that it would have waited for a second, in which the reader might have come back.
  assert.ok(performance.now() - started < 900, `${performance.now() - started} ms`);
  lm.dispose();
});

test("a reader that stays away does not make memory grow", async () => {
  const lm = await Plume.load(undefined, { device: "cpu" });
  const messages = [{ role: "user", content: "Tell me a story about a brave fox named Pip." }];
  const before = process.memoryUsage().arrayBuffers;
  const body = JSON.stringify({ messages, temperature: 0, stream: true, n: 128 });
  const answer = await lm.fetch("http://plume/v1/chat/completions", { method: "POST", body });
  const reader = answer.body.getReader();
  await reader.read();
  await new Promise((resolve) => setTimeout(resolve, 500));
  // Nothing has been computed that nobody has asked for: the next replies are not begun.
  const { tokens_per_second } = await lm.stats();
  assert.equal(tokens_per_second, undefined);
  assert.ok(process.memoryUsage().arrayBuffers - before < 1 << 20);
  await reader.cancel();
  lm.dispose();
});
