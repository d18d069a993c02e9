// Downloads over links that break: a load ends with the right model or with a typed error.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LoadControl, Plume } from "../../build/plume-lm/dist/node.js";
import { at, bytesSent, hub } from "../hub.mjs";
import { storyFrom } from "../replies.mjs";
import { gguf } from "../support.mjs";

const name = "plm-tiny.gguf";
const file = readFileSync(gguf("Q8_0"));
const reply = (source, options) => storyFrom(Plume, source, { cache: false, ...options }, 8);
const expected = await reply(gguf("Q8_0"));

/** Loads over a hub with these faults. Gives what was sent. */
async function load(fault, options, kind) {
  const server = await hub({ [name]: file }, fault, kind);
  try {
    assert.equal(await reply(`${server.origin}/${name}`, options), expected);
    return server.log;
  } finally {
    server.close();
  }
}

test("a download goes on where it stopped, and fetches no byte twice", async () => {
  const whole = bytesSent(await load(() => undefined));
  const faults = { 0: { status: 503 }, 1: { reset: 100 }, 2: { reset: 7 }, 4: { short: 50 }, 5: { stall: 1.5e6 } };
  const sent = bytesSent(await load(at(faults), { patience: 4 }));
  // What a connection that was reset had still under way is lost.
  assert.ok(sent <= whole + 107, `${sent} bytes instead of ${whole}`);
});

test("a server that asks for patience gets it, and who waits is told", async () => {
  const started = Date.now();
  const seen = [];
  await load(at({ 1: { status: 429, retryAfter: 2 } }), { onProgress: (progress) => seen.push(progress) });
  assert.ok(Date.now() - started >= 2000);
  assert.ok(
    seen.some(({ retrying }) => /429/.test(retrying)),
    JSON.stringify(seen),
  );
  for (const [index, { loaded }] of seen.entries()) assert.ok(loaded >= (seen[index - 1]?.loaded ?? 0));
  assert.ok(seen.at(-1).phase === "ready" && seen.at(-1).retrying === undefined);
});

test("patience ends, with the last error and how long it took", async () => {
  const server = await hub({ [name]: file }, () => ({ status: 503 }));
  const seen = [];
  const options = { device: "cpu", cache: false, patience: 1, onProgress: (progress) => seen.push(progress) };
  const error = await Plume.load(`${server.origin}/${name}`, options).catch((error) => error);
  assert.ok(seen.length > 0 && seen.every(({ phase, retrying }) => phase === "download" && /503/.test(retrying)));
  assert.equal(error.code, "http");
  assert.match(error.message, /503.*given up after \d+ s without a byte/);
  const stalled = await hub({ [name]: file }, at([undefined, { stall: 5 }, ...Array(99).fill({ stall: 0 })]));
  await assert.rejects(Plume.load(`${stalled.origin}/${name}`, { device: "cpu", cache: false, patience: 1 }), {
    code: "io",
  });
  server.close();
  stalled.close();
});

test("an abort ends a wait at once", async () => {
  const server = await hub({ [name]: file }, () => ({ status: 503, retryAfter: 60 }));
  const aborting = new AbortController();
  setTimeout(() => aborting.abort(), 300);
  const started = Date.now();
  const loading = Plume.load(`${server.origin}/${name}`, { device: "cpu", cache: false, signal: aborting.signal });
  await assert.rejects(loading, { code: "aborted" });
  assert.ok(Date.now() - started < 5000);
  server.close();
});

test("a download can be paused for longer than its patience, resumed, and aborted while it is paused", async () => {
  const server = await hub({ [name]: file }, () => undefined, { link: 2e6 });
  const control = new LoadControl();
  let loaded = 0;
  const onProgress = (progress) => {
    if (loaded === 0 && progress.loaded > 0) control.pause();
    loaded = progress.loaded;
  };
  const waiting = reply(`${server.origin}/${name}`, { control, onProgress, patience: 1 });
  while (!control.paused) await sleep(10);
  await sleep(500);
  const before = loaded;
  await sleep(2000);
  assert.ok(control.paused && loaded === before && loaded < file.length, `${before}, ${loaded}`);
  control.resume();
  assert.equal(await waiting, expected);
  const aborting = new AbortController();
  control.pause();
  const paused = reply(`${server.origin}/${name}`, { control, signal: aborting.signal });
  await sleep(300);
  aborting.abort();
  await assert.rejects(paused, { code: "aborted" });
  await assert.rejects(reply(gguf("Q8_0"), { control: {} }), { code: "invalid_request" });
  server.close();
});

test("two versions of a file never mix", async () => {
  const server = await hub({ [name]: file }, at({ 1: { reset: 2e6 }, 2: { version: "2" } }));
  await assert.rejects(Plume.load(`${server.origin}/${name}`, { device: "cpu", cache: false }), {
    code: "http",
    message: /changed while it was loading/,
  });
  server.close();
});

test("servers without ranges, and without a length", async () => {
  for (const [server, faults] of [
    [{ ranges: false }, {}],
    [{ ranges: false }, { 0: { reset: 1.5e6 }, 1: { status: 502 }, 2: { short: 3e6 }, 3: { reset: 10 } }],
    [{ ranges: false, length: false }, {}],
    [
      { ranges: false, length: false },
      { 0: { reset: 1.5e6 }, 1: { status: 502 } },
    ],
    [{ length: false }, { 1: { reset: 1.5e6 } }],
  ])
    await load(at(faults), {}, server);
});

/** Another version of the file, of the same size: its last tensors are others. */
const changed = Buffer.from(file);
for (let i = 0; i < 1e6; i++) changed[changed.length - 1 - i] ^= i % 34 < 2 ? 0 : 16;
const sha256 = createHash("sha256").update(file).digest("hex");

/** One load under random faults: the right model or a typed error; then, from what was kept of it, the right model. */
async function schedule(seed, replies) {
  // A linear congruential generator: the same faults each time.
  let state = seed;
  const random = (below) => ((state = (state * 1103515245 + 12345) % 2 ** 31) / 2 ** 31) * below;
  const chance = (share) => random(1) < share;
  const server = { ranges: chance(0.8), length: chance(0.8) };
  const options = {
    patience: 3,
    cache: chance(0.6) && path.join(process.env.PLUME_CACHE, `seed-${seed}`),
    ...(chance(0.5) && { sha256 }),
  };
  const anywhere = () => Math.floor(random(1.1) ** 3 * file.length);
  const kinds = [
    () => ({ status: [408, 429, 500, 502, 503, 504][Math.floor(random(6))], retryAfter: chance(0.2) ? 1 : undefined }),
    () => ({ reset: anywhere() }),
    () => ({ short: anywhere() }),
    () => ({ stall: anywhere() }),
    () => ({ version: "2", body: changed }),
    ...(options.sha256 ? [() => ({ wrong: anywhere() })] : []),
  ];
  let healed = false;
  const fault = () => (!healed && chance(0.5) ? kinds[Math.floor(random(kinds.length))]() : undefined);
  const { origin, close } = await hub({ [name]: file }, fault, server);
  const url = `${origin}/${name}`;
  try {
    const found = await reply(url, options).catch((error) => error);
    if (found instanceof Error)
      assert.match(found.code, options.sha256 ? /^(?!crashed)/ : /^(http|io|truncated)$/, `seed ${seed}: ${found}`);
    else assert.ok(replies.includes(found), `seed ${seed}: ${found}`);
    if (options.sha256 && !(found instanceof Error)) assert.equal(found, replies[0], `seed ${seed}`);
    healed = true;
    assert.equal(await reply(url, options), replies[0], `seed ${seed}, the second load`);
    return found instanceof Error ? found.code : found === replies[0] ? "loaded" : "the other version";
  } finally {
    close();
  }
}

// PLUME_FULL=1 takes more.
const SCHEDULES = process.env.PLUME_FULL ? 400 : 120;

test(`${SCHEDULES} random schedules of faults never give a wrong model`, async (t) => {
  const replies = [expected, await reply(changed)];
  assert.notEqual(...replies);
  const counts = {};
  let next = 1;
  // Most of the time is spent waiting.
  const some = async () => {
    while (next <= SCHEDULES) {
      const outcome = await schedule(next++, replies);
      counts[outcome] = (counts[outcome] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: 16 }, some));
  t.diagnostic(JSON.stringify(counts));
});
