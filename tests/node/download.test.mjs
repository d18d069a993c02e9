// Downloads over links that break: a load ends with the right model or with a typed error.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { Plume } from "../../build/plume-lm/dist/node.js";
import { hub } from "../hub.mjs";
import { gguf } from "../support.mjs";

const name = "plm-tiny.gguf";
const file = readFileSync(gguf("Q4_0"));
const question = [{ role: "user", content: "Tell me a story about a brave fox named Pip." }];
const expected = await reply(gguf("Q4_0"));

async function reply(source, options) {
  const lm = await Plume.load(source, { device: "cpu", ...options });
  const { choices } = await lm.chat.completions.create({ messages: question, temperature: 0, max_tokens: 24 });
  lm.dispose();
  return choices[0].message.content;
}

/** Loads over a hub with these faults. Gives what was sent. */
async function load(fault, options) {
  const server = await hub({ [name]: file }, fault);
  try {
    assert.equal(await reply(`${server.origin}/${name}`, options), expected);
    return server.log;
  } finally {
    server.close();
  }
}

/** Faults by the number of the request, from 0. */
const at = (faults) => {
  let request = 0;
  return () => faults[request++];
};

test("a download goes on where it stopped, and fetches no byte twice", async () => {
  const sum = (log) => log.reduce((sum, { sent }) => sum + sent, 0);
  const whole = sum(await load(() => undefined));
  const faults = { 0: { status: 503 }, 3: { reset: 100 }, 4: { reset: 7 }, 6: { short: 50 }, 9: { stall: 20 } };
  const sent = sum(await load(at(faults), { patience: 4 }));
  // What a connection that was reset had still under way is lost.
  assert.ok(sent <= whole + 107, `${sent} bytes instead of ${whole}`);
});

test("a server that asks for patience gets it", async () => {
  const started = Date.now();
  await load(at({ 2: { status: 429, retryAfter: 2 } }));
  assert.ok(Date.now() - started >= 2000);
});

test("patience ends, with the last error and how long it took", async () => {
  const server = await hub({ [name]: file }, () => ({ status: 503 }));
  const error = await Plume.load(`${server.origin}/${name}`, { device: "cpu", patience: 1 }).catch((error) => error);
  assert.equal(error.code, "http");
  assert.match(error.message, /503.*given up after \d+ s without a byte/);
  const stalled = await hub(
    { [name]: file },
    at({ 3: { stall: 5 }, 4: { stall: 0 }, 5: { stall: 0 }, ...Array(99).fill({ stall: 0 }) }),
  );
  await assert.rejects(Plume.load(`${stalled.origin}/${name}`, { device: "cpu", patience: 1 }), { code: "io" });
  server.close();
  stalled.close();
});

test("an abort ends a wait at once", async () => {
  const server = await hub({ [name]: file }, () => ({ status: 503, retryAfter: 60 }));
  const aborting = new AbortController();
  setTimeout(() => aborting.abort(), 300);
  const started = Date.now();
  const loading = Plume.load(`${server.origin}/${name}`, { device: "cpu", signal: aborting.signal });
  await assert.rejects(loading, { code: "aborted" });
  assert.ok(Date.now() - started < 5000);
  server.close();
});

test("two versions of a file never mix", async () => {
  const server = await hub({ [name]: file }, at({ 7: { reset: 9 }, 8: { version: "2" } }));
  await assert.rejects(Plume.load(`${server.origin}/${name}`, { device: "cpu" }), {
    code: "http",
    message: /changed while it was loading/,
  });
  server.close();
});

for (let seed = 1; seed <= 12; seed++)
  test(`random faults, seed ${seed}`, async () => {
    // A linear congruential generator: the same faults each time.
    let state = seed;
    const random = (below) => ((state = (state * 1103515245 + 12345) % 2 ** 31) / 2 ** 31) * below;
    const kinds = [
      () => ({ status: [408, 429, 500, 502, 503, 504][Math.floor(random(6))] }),
      () => ({ reset: Math.floor(random(5000)) }),
      () => ({ short: Math.floor(random(5000)) }),
      () => ({ stall: Math.floor(random(5000)) }),
    ];
    await load(() => (random(1) < 0.12 ? kinds[Math.floor(random(kinds.length))]() : undefined), { patience: 3 });
  });
