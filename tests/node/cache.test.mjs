// What loads keep: a model is downloaded once, goes on where a load stopped, and is never a wrong one.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync, statfsSync, writeFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { Plume } from "../../build/plume-lm/dist/node.js";
import { at, bytesSent, hub } from "../hub.mjs";
import { split } from "../gguf.mjs";
import { storyFrom } from "../replies.mjs";
import { gguf, model } from "../support.mjs";

const folder = process.env.PLUME_CACHE; // Of support.mjs.

const name = "plm-tiny-F16.gguf";
const file = readFileSync(gguf("F16"));
const other = readFileSync(gguf("Q8_0"));
const sha256 = createHash("sha256").update(file).digest("hex");
const safetensors = Object.fromEntries(
  readdirSync(model)
    .filter((file) => /\.(json|safetensors)$/.test(file))
    .map((file) => [file, readFileSync(path.join(model, file))]),
);

const reply = (source, options) => storyFrom(Plume, source, options);

const expected = await reply(gguf("F16"));
/** Bytes that this load had sent. */
async function sent(server, source, options) {
  server.log.length = 0;
  assert.equal(await reply(source, options), expected);
  return bytesSent(server.log);
}

test("a model is downloaded once, and its version is asked for again", async (t) => {
  await Plume.cache.delete();
  const server = await hub({ [name]: file });
  t.after(server.close);
  const url = `${server.origin}/${name}`;
  const phases = new Set();
  const first = await sent(server, url, { onProgress: ({ phase }) => phases.add(phase) });
  assert.ok(first >= file.length && first < file.length * 1.01, `${first} bytes`);
  assert.deepEqual([...phases], ["download", "ready"]);
  phases.clear();
  assert.ok((await sent(server, url, { onProgress: ({ phase }) => phases.add(phase) })) <= 1);
  assert.deepEqual([...phases], ["read", "ready"]);
  assert.deepEqual(await Plume.cache.list(), [{ url, size: file.length, stored: file.length, complete: true }]);
  assert.equal(await Plume.cache.size(), file.length);
  assert.deepEqual(Buffer.from(await (await Plume.cache.export(url)).arrayBuffer()), file);
  // Without a server.
  server.close();
  assert.equal(await reply(url), expected);
  await Plume.cache.delete(url);
  assert.deepEqual(await Plume.cache.list(), []);
  await assert.rejects(Plume.cache.export(url), { code: "missing" });
  await assert.rejects(reply(url, { patience: 1 }), { code: "io" });
  await Plume.cache.delete();
  assert.deepEqual(readdirSync(folder), []);
});

test("a file larger than the disk is refused before the download, with the figures", async (t) => {
  await Plume.cache.delete();
  const { bavail, bsize } = statfsSync(folder);
  const size = 1.09e12; // The largest that is believed is little more.
  if (bavail * bsize > size) return t.skip("this disk has room for a terabyte");
  const server = await hub({ [name]: file }, () => ({ size }));
  t.after(server.close);
  const message = /takes 1090000\.0 MB; of \d+\.\d MB that may be kept here \d+\.\d MB are free/;
  await assert.rejects(reply(`${server.origin}/${name}`), { code: "quota", message });
  assert.deepEqual(await Plume.cache.list(), []);
});

test("a load that was cut goes on where it stopped", async (t) => {
  await Plume.cache.delete();
  const server = await hub({ [name]: file }, at({ 1: { stall: 2.5e6 }, 2: { stall: 1e5 } }));
  t.after(server.close);
  const url = `${server.origin}/${name}`;
  const aborting = new AbortController();
  setTimeout(() => aborting.abort(), 1500);
  await assert.rejects(reply(url, { signal: aborting.signal }), { code: "aborted" });
  const [{ stored, complete }] = await Plume.cache.list();
  assert.ok(stored > 0 && stored < file.length && !complete);
  await assert.rejects(Plume.cache.export(url), { code: "missing", message: /MB of it are kept/ });
  assert.ok((await sent(server, url)) <= file.length - stored + 1);
});

test("a new version takes the old one's place", async (t) => {
  await Plume.cache.delete();
  let version = "1";
  const files = { [name]: other };
  const server = await hub(files, () => ({ version }));
  t.after(server.close);
  const url = `${server.origin}/${name}`;
  await reply(url);
  files[name] = file;
  version = "2";
  assert.ok((await sent(server, url)) >= file.length);
  assert.equal((await Plume.cache.list())[0].size, file.length);
});

test("what is damaged on the disk is downloaded again", async (t) => {
  await Plume.cache.delete();
  const server = await hub({ [name]: file });
  t.after(server.close);
  const url = `${server.origin}/${name}`;
  await reply(url);
  const data = path.join(
    folder,
    readdirSync(folder).find((file) => file.endsWith(".data")),
  );
  const damage = (bytes) => writeFileSync(data, bytes);
  const bytes = readFileSync(data);
  assert.deepEqual(bytes, file);
  bytes[3 << 20] ^= 1;
  damage(bytes);
  const again = await sent(server, url);
  assert.ok(again >= 1 << 20 && again <= (1 << 20) + 1, `${again} bytes`);
  assert.deepEqual(readFileSync(data), file);
  bytes[5] ^= 1;
  damage(bytes.subarray(0, bytes.length - 7));
  const last = file.length % (1 << 20);
  assert.deepEqual(await Plume.cache.verify(), [{ url, bad: 2 * (1 << 20) + last }]);
  assert.equal((await Plume.cache.list())[0].stored, file.length - 2 * (1 << 20) - last);
  assert.deepEqual(await Plume.cache.verify(url), [{ url, bad: 0 }]);
  // Also where what tells of the blocks is damaged.
  for (const part of ["checksums", "head"]) {
    const at = data.replace(/data$/, part);
    writeFileSync(at, readFileSync(at).subarray(0, statSync(at).size / 2));
    await sent(server, url);
  }
  assert.deepEqual(readFileSync(data), file);
});

test("SHA-256: a wrong byte is found, and nothing of it is kept", async (t) => {
  await Plume.cache.delete();
  const server = await hub({ [name]: file }, at({ 1: { wrong: 4321 } }));
  t.after(server.close);
  const url = `${server.origin}/${name}`;
  await assert.rejects(reply(url, { sha256 }), { code: "corrupt", message: /load it again/ });
  assert.deepEqual(await Plume.cache.list(), []);
  assert.ok((await sent(server, url, { sha256: sha256.toUpperCase() })) >= file.length);
  assert.ok((await sent(server, url, { sha256 })) <= 1);
  assert.equal((await Plume.cache.list())[0].sha256, sha256);
  await assert.rejects(reply(url, { sha256: "0".repeat(64), cache: false }), { code: "corrupt" });
  for (const options of [{ sha256: "0" }, { sha256: 1 }, { cache: 1 }])
    await assert.rejects(reply(url, options), { code: "invalid_request" });
});

test("a name on a hub: verified, kept by content, and there without a network", async (t) => {
  await Plume.cache.delete();
  const parts = Object.fromEntries(
    ["plm-00001-of-00002.gguf", "plm-00002-of-00002.gguf"].map((name) => [name, split(file, 2)[0]]),
  );
  const files = { [name]: file, ...parts, ...safetensors };
  const models = {
    "plm/tiny": [name],
    "plm/folder": Object.keys(safetensors),
    "plm/mirror": [name],
    "plm/same": Object.keys(parts),
  };
  let faults = () => undefined;
  const server = await hub(files, (request) => faults(request), { models });
  t.after(server.close);
  const options = { hub: server.origin };
  faults = at({ 1: { wrong: 99 } });
  await assert.rejects(reply("plm/tiny", options), { code: "corrupt" });
  assert.ok((await sent(server, "plm/tiny", options)) >= file.length);
  assert.equal(await sent(server, "plm/tiny", options), 0);
  assert.equal(await sent(server, "plm/mirror:F16", options), 0);
  // A block that the disk has spoilt comes again, and the whole is checked again.
  const kept = readdirSync(process.env.PLUME_CACHE).map((file) => path.join(process.env.PLUME_CACHE, file));
  const data = kept.find((path) => path.endsWith(".data") && statSync(path).size === file.length);
  const bytes = readFileSync(data);
  bytes[2 << 20] ^= 1;
  writeFileSync(data, bytes);
  assert.equal(await sent(server, "plm/tiny", options), 1 << 20);
  assert.equal((await Plume.cache.list())[0].sha256, sha256);
  bytes[2 << 20] ^= 2;
  writeFileSync(data, bytes);
  faults = () => ({ wrong: 7 });
  await assert.rejects(reply("plm/tiny", options), { code: "corrupt" });
  faults = () => undefined;
  assert.equal(await reply("plm/tiny", options), expected);
  // What the caller names counts, too, and is never ignored.
  await assert.rejects(reply("plm/tiny", { ...options, sha256: "0".repeat(64) }), { code: "corrupt" });
  await assert.rejects(reply("plm/folder", { ...options, sha256 }), { code: "invalid_request" });
  await assert.rejects(reply(gguf("F16"), { sha256 }), { code: "invalid_request" });
  // Files that are equal do not wait for each other.
  await assert.rejects(reply("plm/same", options), { code: "malformed" });
  const folder = await reply("plm/folder", options);
  server.close();
  assert.equal(await reply("plm/tiny", options), expected);
  assert.equal(await reply("plm/folder", options), folder);
  await assert.rejects(reply("plm/none", { ...options, patience: 1 }), { code: "io" });
});

test("loads at the same time share one download", async (t) => {
  await Plume.cache.delete();
  const server = await hub({ [name]: file });
  t.after(server.close);
  const url = `${server.origin}/${name}`;
  assert.deepEqual(await Promise.all([reply(url), reply(url), reply(url)]), [expected, expected, expected]);
  assert.ok(bytesSent(server.log) < file.length * 1.01, `${bytesSent(server.log)} bytes`);
});

test("processes share one download, and one that is killed holds nobody up", async (t) => {
  await Plume.cache.delete();
  let rate = 5e5;
  const server = await hub({ [name]: file }, () => ({ rate }));
  t.after(server.close);
  const url = `${server.origin}/${name}`;
  const program = `
    import { Plume } from ${JSON.stringify(new URL("../../build/plume-lm/dist/node.js", import.meta.url).href)};
    const lm = await Plume.load(${JSON.stringify(url)}, { device: "cpu" });
    lm.dispose();
    console.log("loaded");`;
  const other = () =>
    spawn(process.execPath, ["--input-type=module", "--eval", program], { stdio: ["ignore", "pipe", "inherit"] });
  const killed = other();
  t.after(() => killed.kill("SIGKILL"));
  while (bytesSent(server.log) < 2e6) {
    assert.equal(killed.exitCode, null);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const mine = reply(url);
  // It waits, and does not download beside the other.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  assert.equal(server.log.filter(({ first }) => first === 0).length, 1);
  killed.kill("SIGKILL");
  rate = 4e6;
  assert.equal(await mine, expected);
  assert.ok(bytesSent(server.log) < file.length + (3 << 20), `${bytesSent(server.log)} bytes`);
  await Plume.cache.delete();
  server.log.length = 0;
  const both = [other(), other()];
  const said = await Promise.all(both.map(async ({ stdout }) => (await stdout.toArray()).join("")));
  assert.deepEqual(said, ["loaded\n", "loaded\n"]);
  assert.ok(bytesSent(server.log) < file.length * 1.01, `${bytesSent(server.log)} bytes`);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.endsWith(".lock")),
    [],
  );
});

test("without a cache nothing is kept; another folder is another cache", async (t) => {
  await Plume.cache.delete();
  const server = await hub({ [name]: file });
  t.after(server.close);
  const url = `${server.origin}/${name}`;
  await sent(server, url, { cache: false });
  assert.deepEqual(await Plume.cache.list(), []);
  const elsewhere = path.join(folder, "elsewhere");
  assert.ok((await sent(server, url, { cache: elsewhere })) >= file.length);
  assert.ok((await sent(server, url, { cache: elsewhere })) <= 1);
  assert.deepEqual(await Plume.cache.list(), []);
});
