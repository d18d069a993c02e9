// Files of more bytes than 32 bits count, and how much memory a load takes.
import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { freemem, tmpdir } from "node:os";
import path from "node:path";
import test from "node:test";
import { Plume } from "../../build/plume-lm/dist/node.js";
import { DiskFile } from "../../build/modules/dist/disk-file.js";
import { BLOCK, Store } from "../../build/modules/dist/store.js";
import { files } from "../../build/modules/dist/store-files.js";
import { spread } from "../gguf.mjs";
import { bytesSent, hub } from "../hub.mjs";
import { provideNullDevice } from "../null-device.mjs";
import { randomModel } from "../random-model.mjs";
import { storyFrom } from "../replies.mjs";
import { gguf } from "../support.mjs";
import { virtualFile } from "../virtual-file.mjs";

const GAP = 2 ** 32;
const large = spread(readFileSync(gguf("Q8_0")), GAP);

function folder(t) {
  const folder = mkdtempSync(path.join(tmpdir(), "plume-large-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const reply = (source) => storyFrom(Plume, source, { cache: false });

test("a file over 4 GB, as a path and as a URL", async (t) => {
  const file = path.join(folder(t), "large.gguf");
  large.save(file);
  const expected = await reply(gguf("Q8_0"));
  assert.equal(await reply(file), expected);
  const server = await hub({ "large.gguf": large });
  t.after(server.close);
  assert.equal(await reply(`${server.origin}/large.gguf`), expected);
  const sent = bytesSent(server.log);
  assert.ok(sent >= GAP && sent < large.length * 1.01, `${sent} bytes`);
});

test("a file over 2 GiB is a Blob like any other", async (t) => {
  const file = path.join(folder(t), "large");
  const size = 2 ** 31 + 5;
  virtualFile([{ at: 2 ** 31, length: 5, pattern: Buffer.from("hello") }], size).save(file);
  const disk = await DiskFile.open(file);
  assert.deepEqual([disk.size, disk.name, Number.isInteger(disk.lastModified)], [size, "large", true]);
  // As slices of a Blob that Node has made.
  const [end, small] = [disk.slice(-5), new Blob(["hello"])];
  for (const range of [[], [1], [-2], [1, -1], [3, 1], [-9, 99], [9]]) {
    const [found, expected] = [end.slice(...range), small.slice(...range)];
    assert.deepEqual([found.size, await found.text()], [expected.size, await expected.text()], String(range));
  }
  assert.equal(await end.slice(1.7, 3.2).text(), "el"); // Of which Node dies.
  let length = 0;
  for await (const part of disk.slice(2 ** 31 - 3e6).stream()) length += part.length;
  assert.equal(length, 3e6 + 5);
  const reader = end.stream().getReader({ mode: "byob" });
  assert.equal((await reader.read(new Uint8Array(9))).value.length, 5);
  assert.ok((await reader.read(new Uint8Array(9))).done);
  if (freemem() < 2 * size) t.diagnostic("too little memory is free to have all of it at once");
  else assert.equal(Buffer.from(await disk.arrayBuffer()).toString("latin1", 2 ** 31), "hello");
  appendFileSync(file, "more");
  await assert.rejects(end.text(), { name: "NotReadableError", message: /has changed/ });
});

test("a file over 4 GB keeps its blocks apart", async (t) => {
  const medium = await files(folder(t));
  const { free } = await medium.room();
  const size = 5 * 2 ** 30 + 3;
  if (free < size) return t.skip(`the disk has ${free} bytes free`);
  const store = new Store(medium, (bytes) => BigInt(bytes.length + bytes[0]));
  const blocks = [3, 4096 + 3, 5 * 1024]; // The second is where the first would be if places had 32 bits.
  let kept = await store.open("key", "url");
  await kept.begin("1", size);
  for (const [index, block] of blocks.entries()) {
    const bytes = new Uint8Array(block * BLOCK + BLOCK > size ? 3 : BLOCK).fill(index + 1);
    await kept.write(block, bytes);
  }
  await kept.close();
  kept = await store.open("key", "url");
  assert.equal(kept.size, size);
  for (const [index, block] of blocks.entries()) {
    assert.ok(kept.has(block));
    const bytes = await kept.read(block, new Uint8Array(BLOCK));
    assert.deepEqual([bytes.length, bytes[0]], [index === 2 ? 3 : BLOCK, index + 1]);
  }
  await kept.close();
});

test("the core's memory does not grow with the model", async (t) => {
  provideNullDevice();
  // 1.8B's shapes, so that the widest rows are those of a real model: 180 MB and 370 MB.
  const memory = [];
  for (const layers of [1, 8]) {
    const model = randomModel({ layers, vocabulary: 70_000 });
    const server = await hub({ "random.gguf": model });
    t.after(server.close);
    const lm = await Plume.load(`${server.origin}/random.gguf`, { device: "gpu", context_length: 64, cache: false });
    memory.push((await lm.stats()).memory_bytes);
    lm.dispose();
  }
  t.diagnostic(`${memory.map((bytes) => (bytes / 2 ** 20).toFixed(1)).join(" and ")} MiB`);
  // wasm's memory never shrinks: what the larger model needs more is seen.
  assert.ok(memory[1] - memory[0] < 2 ** 20, `${memory} bytes`);
  assert.ok(memory[1] < 32 * 2 ** 20, `${memory} bytes`);
});
