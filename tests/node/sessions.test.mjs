// Conversations with caches of their own: nothing pushes them out, what they share is computed once, and they can be saved.
import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout } from "node:timers/promises";
import { Plume } from "../../build/plume-lm/dist/node.js";
import { rejects } from "../rejects.mjs";
import { config, gguf } from "../support.mjs";

const system = { role: "system", content: "You are a friendly assistant who tells short stories to children." };
const story = [system, { role: "user", content: "Tell me a story about a brave fox named Pip." }];
const question = [system, { role: "user", content: "What is the capital of Japan?" }];
const lm = await Plume.load(undefined, { device: "cpu" });
test.after(() => lm.dispose());

const ask = (to, messages, request = {}, options) =>
  to.chat.completions.create({ messages, temperature: 0, ...request }, options);
const text = (reply) => reply.choices[0].message.content;
const cached = (reply) => reply.usage.prompt_tokens_details.cached_tokens;
const [fox, tokyo] = [text(await ask(lm, story)), text(await ask(lm, question))];

test("a session keeps its conversation, whatever else is asked in between", async () => {
  const session = await lm.session();
  const first = await ask(session, story);
  assert.equal(text(first), fox);
  for (const messages of [question, [{ role: "user", content: "word ".repeat(200) }]])
    await ask(lm, messages, { max_tokens: 2 });
  const next = [...story, first.choices[0].message, { role: "user", content: "Thank you!" }];
  const second = await ask(session, next);
  assert.ok(cached(second) >= first.usage.total_tokens - 1, `${cached(second)} of ${second.usage.prompt_tokens}`);
  // The same without a session has lost it by then, but takes it from the session.
  assert.equal(text(await ask(lm, next)), text(second));
  session.dispose();
});

test("a system prompt that many chats share is computed once", async () => {
  const other = await Plume.load(undefined, { device: "cpu" });
  const sessions = [await other.session(), await other.session(), await other.session()];
  const counts = [];
  for (const [index, session] of sessions.entries()) {
    const messages = [
      system,
      { role: "user", content: ["Hello!", "Who are you?", "What is the capital of Japan?"][index] },
    ];
    counts.push(cached(await ask(session, messages, { max_tokens: 1 })));
  }
  const { prompt_tokens } = (await ask(other, [system, { role: "user", content: "" }], { max_tokens: 1 })).usage;
  assert.equal(counts[0], 0);
  for (const count of counts.slice(1)) assert.ok(count > prompt_tokens - 12, `${count} of ${prompt_tokens}`);
  other.dispose();
});

test("replies of several sessions come side by side, each right", async () => {
  const sessions = await Promise.all(Array.from({ length: 3 }, () => lm.session()));
  const order = [];
  const read = async (session, index) => {
    let text = "";
    for await (const part of await ask(session, story, { stream: true, n: 4 })) {
      text += part.choices[0].delta.content ?? "";
      order.push(index);
      // However fast the machine is, each has longer to do than one turn lasts.
      await setTimeout(1);
    }
    return text;
  };
  const texts = await Promise.all(sessions.map(read));
  for (const text of texts) assert.equal(text, fox.repeat(4));
  // None waits for all of another.
  assert.ok(order.indexOf(2) < order.lastIndexOf(0), "they take turns");
  sessions.forEach((session) => session.dispose());
});

test("a saved session goes on as if nothing had been, also in another process's model", async () => {
  const session = await lm.session();
  const first = await ask(session, story);
  const bytes = await session.save();
  assert.ok(bytes instanceof Uint8Array);
  session.dispose();
  const next = [...story, first.choices[0].message, { role: "user", content: "What was the fox's name?" }];
  const other = await Plume.load(undefined, { device: "cpu" });
  const expected = text(await ask(other, next));
  for (const from of [bytes, bytes.buffer]) {
    const fresh = await Plume.load(undefined, { device: "cpu" });
    const restored = await fresh.session({ from });
    const reply = await ask(restored, next);
    assert.ok(cached(reply) >= first.usage.total_tokens - 1, `${cached(reply)} tokens`);
    assert.equal(text(reply), expected);
    fresh.dispose();
  }
  // The cache is the latent: of 4 layers 64 + 16 values a token, in blocks of 32 integers of 16 bits with a scale of 32.
  const records = Math.ceil((first.usage.total_tokens - 1) / 32);
  assert.ok(bytes.length <= (records + 1) * 4 * 3 * 32 * 68 + 4 * 600, `${bytes.length} bytes`);
  other.dispose();
});

test("what was saved on the CPU is computed again on a GPU, and the reply is right", async (t) => {
  const session = await lm.session();
  await ask(session, question);
  const bytes = await session.save();
  session.dispose();
  const gpu = await Plume.load(undefined, { device: "gpu" }).catch((error) => {
    if (process.env.PLUME_REQUIRE_GPU) throw error;
    return t.skip(`no GPU: ${error.message}`);
  });
  if (!gpu) return;
  const restored = await gpu.session({ from: bytes });
  const reply = await ask(restored, question);
  assert.equal(cached(reply), 0);
  assert.equal(text(reply), tokyo);
  // Its own bytes it takes.
  const own = await gpu.session({ from: await restored.save() });
  const again = await ask(own, question);
  assert.equal(cached(again), again.usage.prompt_tokens - 1);
  assert.equal(text(again), tokyo);
  gpu.dispose();
});

test("bytes that are no session of this model are refused, and no memory is kept for them", async () => {
  const session = await lm.session();
  await ask(session, question, { max_tokens: 2 });
  const bytes = await session.save();
  session.dispose();
  const { cache_bytes } = await lm.stats();
  for (const from of [
    new Uint8Array(0),
    bytes.slice(0, 20),
    bytes.slice(0, 100),
    bytes.slice(0, -4),
    bytes.slice(0, -12),
  ])
    await rejects(lm.session({ from }), "invalid_request", /not the bytes of a session/);
  const changed = (at) => bytes.map((byte, index) => (index === at ? byte ^ 255 : byte));
  await rejects(lm.session({ from: changed(bytes.length - 5000) }), "invalid_request", /is not what was saved/);
  await rejects(lm.session({ from: changed(0) }), "invalid_request", /begin otherwise/);
  await rejects(lm.session({ from: changed(13) }), "invalid_request", /another model/);
  await rejects(
    lm.session({ from: changed(30) }),
    "context_full",
    new RegExp(`context holds ${config.max_position_embeddings}`),
  );
  await rejects(lm.session({ from: "bytes" }), "invalid_request", /from is of type string/);
  const other = await Plume.load(gguf("Q4_0"), { device: "cpu" });
  await rejects(other.session({ from: bytes }), "invalid_request", /another model/);
  other.dispose();
  assert.equal((await lm.stats()).cache_bytes, cache_bytes);
});

test("a session that was disposed of says so, and lets go of its cache", async () => {
  const session = await lm.session();
  const reading = (async () => {
    for await (const _ of await ask(session, story, { stream: true })) session.dispose();
  })();
  await rejects(reading, "disposed", /session/);
  await rejects(ask(session, story), "disposed", /session/);
  await rejects(session.save(), "disposed", /session/);
  session.dispose();
  const before = (await lm.stats()).cache_bytes;
  {
    // `using`, where there is no syntax for it yet.
    const short = await lm.session();
    await ask(short, question, { max_tokens: 1 });
    assert.ok((await lm.stats()).cache_bytes > before);
    short[Symbol.dispose ?? "dispose"]?.() ?? short.dispose();
  }
  assert.equal((await lm.stats()).cache_bytes, before);
  assert.equal(text(await ask(lm, question)), tokyo);
});

test("a session lives through a reload of its model", async () => {
  const other = await Plume.load(undefined, { device: "cpu" });
  const session = await other.session();
  await ask(session, story, { max_tokens: 2 });
  await other.reload();
  assert.equal(text(await ask(session, story)), fox);
  assert.equal(cached(await ask(session, story)), (await ask(session, story)).usage.prompt_tokens - 1);
  other.dispose();
});

test("clients of OpenAI's interface can have a session too", async () => {
  const session = await lm.session();
  const body = JSON.stringify({ messages: question, temperature: 0 });
  const answer = await (await session.fetch("https://any/v1/chat/completions", { method: "POST", body })).json();
  assert.equal(text(answer), tokyo);
  const again = await ask(session, question);
  assert.equal(cached(again), again.usage.prompt_tokens - 1);
  session.dispose();
});
