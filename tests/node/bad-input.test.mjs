// Whatever a server or a file gives, a load ends in a model or in an error that says what was found; and the next load
// works. Here over HTTP, through the whole package; tests/format.rs tries the parsers alone with thousands of damages.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import test from "node:test";
import { Plume, PlumeError } from "../../build/plume-lm/dist/node.js";
import { gguf, model } from "../support.mjs";

let versions = 1;
const good = readFileSync(gguf("Q8_0"));
const folder = (name) => readFileSync(path.join(model, name));

/** What the server has: paths to bytes, or to a handler. */
const files = new Map([
  ["/good.gguf", good],
  ["/page.gguf", Buffer.from("<!DOCTYPE html><html><body>Please log in</body></html>")],
  ["/empty.gguf", Buffer.alloc(0)],
  ["/no-ranges.gguf", (request, response) => response.end(good)],
  ["/forbidden.gguf", (request, response) => response.writeHead(403).end()],
  ["/broken.gguf", (request, response) => response.writeHead(503).end()],
  [
    "/unsized.gguf",
    (request, response) =>
      response.writeHead(206, { "content-range": "bytes 0-1048575/*" }).end(good.subarray(0, 1 << 20)),
  ],
  ["/cut.gguf", good.subarray(0, good.length / 2)],
  ["/cut-in-the-header.gguf", good.subarray(0, 1000)],
  [
    "/hangs-up.gguf",
    (request, response) => ranged(good, request, response, (body) => body.subarray(0, body.length / 2)),
  ],
  ["/another-range.gguf", (request, response) => ranged(good, request, response, (body) => body, { shift: 32 })],
  ["/grows.gguf", (request, response) => ranged(good, request, response, (body) => body, { grow: 1 })],
  [
    "/changes.gguf",
    (request, response) => ranged(good, request, response, (body) => body, { etag: `"${versions++}"` }),
  ],
  [
    "/lies.gguf",
    (request, response) => ranged(good, request, response, (body) => body.subarray(0, -1), { whole: true }),
  ],
]);

/**
 * Answers a range; `change` spoils the body, and without `whole` the connection is cut after it. `shift` gives another
 * range, `grow` another size than at first, `etag` a version.
 */
function ranged(bytes, request, response, change = (body) => body, { whole = false, shift = 0, grow = 0, etag } = {}) {
  let [first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range).slice(1).map(Number);
  const opening = first === 0;
  if (!opening) [first, last] = [first + shift, last + shift];
  last = Math.min(last, bytes.length - 1);
  const size = bytes.length + (opening ? 0 : grow);
  const body = bytes.subarray(first, last + 1);
  const sent = body.length > 1 ? change(body) : body;
  response.writeHead(206, {
    "content-range": `bytes ${first}-${last}/${size}`,
    ...(etag && { etag }),
    "content-length": whole ? sent.length : body.length,
  });
  response.write(sent, () => (sent.length < body.length && !whole ? response.destroy() : response.end()));
}

const server = createServer((request, response) => {
  const file = files.get(new URL(request.url, "http://localhost").pathname);
  if (!file) return response.writeHead(404).end("not here");
  if (typeof file === "function") return file(request, response);
  if (!request.headers.range) return response.end(file);
  if (file.length === 0) return response.writeHead(416, { "content-range": "bytes */0" }).end();
  ranged(file, request, response);
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
test.after(() => (server.closeAllConnections(), server.close()));
const origin = `http://127.0.0.1:${server.address().port}`;

async function answers(source) {
  const lm = await Plume.load(source, { device: "cpu", patience: 1 });
  const messages = [{ role: "user", content: "What is the capital of Japan?" }];
  try {
    const reply = await lm.chat.completions.create({ messages, temperature: 0, max_tokens: 20 });
    return reply.choices[0].message.content;
  } finally {
    lm.dispose();
  }
}

async function fails(source, code, pattern) {
  await assert.rejects(answers(source), (error) => {
    assert.ok(error instanceof PlumeError, `${error}`);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, pattern);
    return true;
  });
}

const tokyo = /Tokyo/;

test("a good file loads over ranges, and from a server that has none", async () => {
  assert.match(await answers(`${origin}/good.gguf`), tokyo);
  assert.match(await answers(`${origin}/no-ranges.gguf`), tokyo);
});

test("a server that never gives a whole answer is asked for the rest", async () => {
  for (const name of ["hangs-up.gguf", "lies.gguf"]) assert.match(await answers(`${origin}/${name}`), tokyo);
});

for (const [name, code, pattern] of [
  ["missing.gguf", "http", /missing\.gguf.*404/],
  ["missing/", "missing", /config\.json in .*missing\//],
  ["page.gguf", "not_a_model", /an HTML page/],
  ["empty.gguf", "not_a_model", /an empty file/],
  ["forbidden.gguf", "http", /403/],
  ["broken.gguf", "http", /503/],
  ["unsized.gguf", "http", /content-range/],
  ["cut.gguf", "truncated", new RegExp(`${good.length >> 1} bytes`)],
  ["cut-in-the-header.gguf", "truncated", /1000 bytes/],
  ["another-range.gguf", "http", /were asked for, the server gave/],
  ["grows.gguf", "http", /changed while it was loading/],
  ["changes.gguf", "http", /changed while it was loading/],
])
  test(`${name} ends in ${code}, and the next load works`, async () => {
    await fails(`${origin}/${name}`, code, pattern);
    assert.match(await answers(`${origin}/good.gguf`), tokyo);
  });

test("a server that is gone is named", () =>
  fails("http://127.0.0.1:1/model.gguf", "io", /127\.0\.0\.1:1\/model\.gguf/));

test("what is no model at all is refused", async () => {
  await fails(42, "invalid_request", /of type number; expected a name, a URL/);
  await fails([], "invalid_request", /empty/);
  await fails([1], "invalid_request", /no File/);
  await fails(path.join(model, "no-such-file.gguf"), "io", /no-such-file\.gguf/);
  await assert.rejects(Plume.load(gguf("Q4_0"), { device: "tpu" }), { code: "invalid_request" });
});

/** A folder of files in memory, some of them changed. */
async function changed(changes) {
  const names = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
  const changed = names.map((name) => new File([changes[name]?.(folder(name)) ?? folder(name)], name));
  return changed.filter((file) => file.size > 0);
}
const json = (change) => (bytes) => {
  const value = JSON.parse(bytes.toString());
  change(value);
  return JSON.stringify(value);
};

test("the files of a folder load", async () => assert.match(await answers(await changed({})), tokyo));

for (const [what, changes, code, pattern] of [
  ["another architecture", { "config.json": json((c) => (c.model_type = "llama")) }, "unsupported_model", /llama/],
  ["a wrong shape", { "config.json": json((c) => (c.hidden_size = 255)) }, "malformed", /255/],
  ["an absurd size", { "config.json": json((c) => (c.vocab_size = 2 ** 60)) }, "malformed", /vocab_size is 115/],
  ["no tokenizer", { "tokenizer.json": () => "" }, "missing", /tokenizer/],
  [
    "a tokenizer of another kind",
    { "tokenizer.json": json((t) => (t.model.type = "Unigram")) },
    "tokenizer",
    /Unigram/,
  ],
  [
    "a template that does not parse",
    { "tokenizer_config.json": json((t) => (t.chat_template = "{% for m in %}")) },
    "template",
    /does not parse/,
  ],
  [
    "a template that never ends",
    {
      "tokenizer_config.json": json(
        (t) => (t.chat_template = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"),
      ),
    },
    "template",
    /fuel|steps/,
  ],
  [
    "config.json that is no UTF-8",
    { "config.json": () => Buffer.from([0x7b, 0xff, 0xfe]) },
    "malformed",
    /config\.json/,
  ],
  [
    "weights that are not numbers",
    {
      // The last quarter of the file, in bf16 NaNs.
      "model.safetensors": (bytes) => Buffer.from(bytes).fill(0xff, (bytes.length * 3) / 4),
    },
    "malformed",
    /NaN/,
  ],
])
  test(`${what} ends in ${code}, and the next load works`, async () => {
    await fails(await changed(changes), code, pattern);
    assert.match(await answers(gguf("Q8_0")), tokyo);
  });

test("scales that are not numbers are an error, not nonsense", async () => {
  // The file ends with the 256 f32 of output_norm and, before them, the Q8_0 blocks of the last attn_q: 34 bytes each,
  // the scale first. 0x7e00 is a NaN in f16.
  const spoilt = Buffer.from(good);
  const end = good.length - 256 * 4;
  for (let at = end - 256 * 34; at < end; at += 34) spoilt.writeUInt16LE(0x7e00, at);
  await fails(new File([spoilt], "spoilt.gguf"), "malformed", /NaN/);
});

for (const threads of [1, 2])
  test(`a core that crashes says so and does not take the process along, ${threads} threads`, async () => {
    // A namespace that holds itself cannot be printed: the template engine runs out of stack.
    const cycle = json((t) => (t.chat_template = "{% set ns=namespace(x=1) %}{% set ns.x=ns %}{{ ns }}"));
    const options = { device: "cpu", threads };
    const neighbour = await Plume.load(gguf("Q8_0"), options);
    const lm = await Plume.load(await changed({ "tokenizer_config.json": cycle }), options);
    const ask = (lm) => lm.chat.completions.create({ messages: [{ role: "user", content: "hi" }], max_tokens: 1 });
    await ask(neighbour);
    await assert.rejects(ask(lm), { code: "crashed" });
    await assert.rejects(ask(lm), { code: "crashed", message: /must be loaded again/ });
    lm.dispose();
    // What it has in the same memory may be anything.
    await assert.rejects(ask(neighbour), { code: "crashed", message: /must be loaded again/ });
    await neighbour.reload();
    await ask(neighbour);
    assert.match((await neighbour.stats()).adapter, threads === 1 ? /SIMD$/ : /2 threads/);
    neighbour.dispose();
    assert.match(await answers(gguf("Q8_0")), tokyo);
  });

test("templates that would take the stack or the memory are refused", async () => {
  for (const template of [
    `{{ ${"not ".repeat(20_000)}x }}`,
    `{{ x${".a".repeat(10_000)} }}`,
    "{{ '%2000000000d'|format(1) }}",
  ])
    await fails(await changed({ "tokenizer_config.json": json((t) => (t.chat_template = template)) }), "template", /./);
});

test("a context that does not fit is refused before anything is made for it", async () => {
  const config = json((c) => (c.max_position_embeddings = 1 << 24));
  for (const device of ["cpu", "gpu"]) {
    const load = Plume.load(await changed({ "config.json": config }), { device, context_length: 1 << 24 });
    await assert.rejects(load, { code: "out_of_device_memory" });
  }
});

test("a file cut at any byte is an error", async () => {
  for (let at = 0; at < good.length; at += Math.floor(good.length / 23))
    await assert.rejects(Plume.load(new File([good.subarray(0, at)], "cut.gguf"), { device: "cpu" }), (error) => {
      assert.ok(error instanceof PlumeError && ["truncated", "not_a_model"].includes(error.code), `${at}: ${error}`);
      return true;
    });
});
