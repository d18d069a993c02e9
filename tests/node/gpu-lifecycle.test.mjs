// Devices of models that were let go of. On a device that computes nothing, since software adapters compile for seconds.
import assert from "node:assert/strict";
import test from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { provideNullDevice } from "../null-device.mjs";

const gpu = provideNullDevice();
// Devices keep their memory until what stands for them is collected.
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");
const { Plume } = await import("../../build/plume-lm/dist/node.js");

test("50 loads leave no device behind, and no memory", async (t) => {
  const { requestAdapter } = gpu;
  const [opened, destroyed] = [new Set(), new Set()];
  gpu.requestAdapter = async function (...options) {
    const adapter = await requestAdapter.apply(this, options);
    const { requestDevice } = adapter;
    adapter.requestDevice = async function (...options) {
      const device = await requestDevice.apply(this, options);
      opened.add(device);
      device.lost.then(({ reason }) => reason === "destroyed" && destroyed.add(device));
      return device;
    };
    return adapter;
  };
  let early;
  for (let load = 0; load < 50; load++) {
    const lm = await Plume.load(undefined, { device: "gpu" });
    const session = await lm.session();
    await session.chat.completions.create({ messages: [{ role: "user", content: "Hello" }], max_tokens: 2 });
    lm.dispose();
    await new Promise((resolve) => setTimeout(resolve, 10));
    collect();
    if (load === 9) early = process.memoryUsage().rss;
  }
  // The last one's loss is told after its disposal.
  for (let tries = 0; tries < 50 && destroyed.size < opened.size; tries++)
    await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(opened.size, 50);
  assert.equal(destroyed.size, 50);
  // A device has 5 MB of weights and caches: forty of them would show.
  const grown = (process.memoryUsage().rss - early) / 2 ** 20;
  t.diagnostic(`the process has grown by ${grown.toFixed(0)} MiB from the 10th load to the 50th`);
  assert.ok(grown < 40, `the process has grown by ${grown.toFixed(0)} MiB`);
});

test("a session that was disposed of gives its cache's memory back at once", async () => {
  const { createBuffer } = GPUDevice.prototype;
  const held = new Set();
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    if (descriptor.label === "the cache") {
      held.add(buffer);
      const { destroy } = buffer;
      buffer.destroy = () => (held.delete(buffer), destroy.call(buffer));
    }
    return buffer;
  };
  const lm = await Plume.load(undefined, { device: "gpu" });
  const LAYERS = 4;
  assert.equal(held.size, LAYERS);
  const ask = (to) => to.chat.completions.create({ messages: [{ role: "user", content: "Hello" }], max_tokens: 2 });
  for (let count = 0; count < 20; count++) {
    const session = await lm.session();
    assert.equal(held.size, 2 * LAYERS);
    await ask(session);
    session.dispose();
    // After what was asked for before.
    await lm.stats();
    assert.equal(held.size, LAYERS);
  }
  await ask(lm);
  lm.dispose();
});

test("a session that the device has no memory for is an error, and nothing else is lost", async (t) => {
  const lm = await Plume.load(undefined, { device: "gpu" });
  t.after(() => lm.dispose());
  const { createBuffer } = GPUDevice.prototype;
  const buffers = new Set();
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    if (descriptor.label !== "the cache") return buffer;
    buffers.add(buffer);
    const { destroy } = buffer;
    buffer.destroy = () => (buffers.delete(buffer), destroy.call(buffer));
    // Devices say it when the core has gone on.
    queueMicrotask(() => this.onuncapturederror({ error: new GPUOutOfMemoryError("no memory") }));
    return buffer;
  };
  await assert.rejects(lm.session(), { code: "out_of_device_memory" });
  assert.equal(buffers.size, 0);
  GPUDevice.prototype.createBuffer = createBuffer;
  const ask = (to) => to.chat.completions.create({ messages: [{ role: "user", content: "Hello" }], max_tokens: 2 });
  await ask(lm);
  const session = await lm.session();
  await ask(session);
});
