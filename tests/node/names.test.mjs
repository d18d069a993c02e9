// Models by the names that people use: on a hub, as URLs, as files, as bytes.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "node:test";
import { Plume } from "../../build/plume-lm/dist/node.js";
import { hub } from "../hub.mjs";
import { split } from "../gguf.mjs";
import { storyFrom } from "../replies.mjs";
import { gguf, model } from "../support.mjs";

const [q8, q4] = ["Q8_0", "Q4_0"].map((kind) => readFileSync(gguf(kind)));
const parts = ["plm-Q4_0-00001-of-00003.gguf", "plm-Q4_0-00002-of-00003.gguf", "plm-Q4_0-00003-of-00003.gguf"];
const pieces = Object.fromEntries(split(q4, 3).map((bytes, index) => [parts[index], bytes]));
const folder = Object.fromEntries(
  readdirSync(model)
    .filter((file) => /\.(json|safetensors)$/.test(file))
    .map((file) => [file, readFileSync(path.join(model, file))]),
);
const files = { "plm-Q8_0.gguf": q8, "plm-Q4_0.gguf": q4, ...pieces, ...folder };
const models = {
  "plm/two": ["README.md", "plm-Q8_0.gguf", "plm-Q4_0.gguf"].filter((file) => files[file]),
  "plm/split": parts,
  "plm/folder": Object.keys(folder),
  "plm/none": ["config.json"],
};

const reply = (source, options) => storyFrom(Plume, source, { cache: false, patience: 2, ...options });

const expected = {
  BF16: await reply(model + path.sep),
  Q8_0: await reply(gguf("Q8_0")),
  Q4_0: await reply(gguf("Q4_0")),
};

test("names on a hub", async (t) => {
  const server = await hub(files, undefined, { models });
  t.after(server.close);
  const at = server.origin;
  for (const [name, kind] of [
    ["plm/two:Q8_0", "Q8_0"],
    ["plm/two:plm-Q4_0.gguf", "Q4_0"],
    ["plm/two@v1.0:q4_0", "Q4_0"],
    ["plm/split", "Q4_0"],
    ["plm/folder", "BF16"],
    [`${at}/plm/folder`, "BF16"],
    [`${at}/plm/two/resolve/main/plm-Q8_0.gguf?download=true`, "Q8_0"],
    [new URL(`${at}/plm/two/blob/main/plm-Q4_0.gguf`), "Q4_0"],
  ])
    assert.equal(await reply(name, { hub: at }), expected[kind], String(name));
  const asked = new Set(server.log.map(({ name }) => name));
  assert.ok(!asked.has("README.md"));
  await assert.rejects(reply("plm/two", { hub: at }), {
    code: "invalid_request",
    message: /plm-Q8_0.gguf, plm-Q4_0.gguf$/,
  });
  await assert.rejects(reply("plm/two:Q2_K", { hub: at }), {
    code: "missing",
    message: /no Q2_K GGUF; there is plm-Q8/,
  });
  await assert.rejects(reply("plm/none", { hub: at }), { code: "missing" });
  await assert.rejects(reply("plm/two@none", { hub: at }), { code: "missing", message: /no such model or revision/ });
  await assert.rejects(reply("plm", { hub: at }), { code: "io" }); // A path, in Node.
});

test("URLs of parts, of a folder and of files in it", async (t) => {
  const server = await hub(files);
  t.after(server.close);
  for (const [file, kind] of [
    [parts[0], "Q4_0"],
    [parts[1], "Q4_0"],
    ["", "BF16"],
    ["model.safetensors", "BF16"],
    ["model.safetensors.index.json", "BF16"],
  ])
    assert.equal(await reply(`${server.origin}/${file}`), expected[kind], file);
});

test("a token is shown to the hub and to nobody else", async (t) => {
  const server = await hub(files, undefined, { models, token: "hf_secret" });
  t.after(server.close);
  const at = server.origin;
  assert.equal(await reply("plm/two:Q8_0", { hub: `${at}/`, token: "hf_secret" }), expected.Q8_0);
  assert.ok(server.tokens.hub.length > 1 && server.tokens.hub.every((token) => token === "Bearer hf_secret"));
  assert.ok(server.tokens.storage.length > 0 && server.tokens.storage.every((token) => token === undefined));
  await assert.rejects(reply("plm/two:Q8_0", { hub: at }), { code: "http", message: /401.*gated.*give a token/ });
  const wrong = await reply("plm/two:Q8_0", { hub: at, token: "hf_wrong" }).catch((error) => error);
  assert.match(wrong.message, /403.*not allowed/);
  assert.doesNotMatch(wrong.message, /hf_wrong/);
  // Another server gets no token.
  const other = await hub(files);
  t.after(other.close);
  assert.equal(await reply(`${other.origin}/plm-Q8_0.gguf`, { hub: at, token: "hf_secret" }), expected.Q8_0);
  assert.ok(other.tokens.hub.every((token) => token === undefined));
  for (const options of [{ token: "a\nb" }, { token: 3 }, { token: "" }, { hub: "hub.example" }, { hub: 3 }])
    await assert.rejects(reply("plm/two", options), { code: "invalid_request" });
});

test("bytes, Files, and paths of parts", async (t) => {
  const bytes = new Uint8Array(q4.length + 1);
  bytes.set(q4, 1);
  assert.equal(await reply(bytes.subarray(1)), expected.Q4_0);
  assert.equal(await reply(bytes.buffer.slice(1)), expected.Q4_0);
  const given = parts.map((file) => new File([pieces[file]], file));
  assert.equal(await reply(given.reverse()), expected.Q4_0);
  await assert.rejects(reply(given.slice(1)), { code: "missing", message: /one of 3 parts; 2 were given/ });
  await assert.rejects(reply(given[0]), { code: "missing", message: /one of 3 parts; 1 were given/ });
  const folder = mkdtempSync(path.join(tmpdir(), "plume-parts-"));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const file of parts) writeFileSync(path.join(folder, file), pieces[file]);
  assert.equal(await reply(path.join(folder, parts[1])), expected.Q4_0);
});
