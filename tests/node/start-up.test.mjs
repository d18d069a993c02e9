// What happens on the device while a model is loaded, and that a reply finds everything made.
import assert from "node:assert/strict";
import test from "node:test";
import { Plume } from "../../build/plume-lm/dist/node.js";

// The package makes navigator.gpu when it first looks for a device.
(await Plume.load(undefined, { device: "gpu" })).dispose();
let device;
let pipelines = 0;
/** How many pipelines there were when the device's results were last read. */
let awaited = 0;
const { mapAsync } = GPUBuffer.prototype;
GPUBuffer.prototype.mapAsync = function (...options) {
  awaited = pipelines;
  return mapAsync.apply(this, options);
};
const { requestAdapter } = navigator.gpu;
navigator.gpu.requestAdapter = async function (...options) {
  const adapter = await requestAdapter.apply(this, options);
  const { requestDevice } = adapter;
  adapter.requestDevice = async function (...options) {
    device = await requestDevice.apply(this, options);
    const { createComputePipeline } = device;
    device.createComputePipeline = function (...options) {
      pipelines++;
      return createComputePipeline.apply(this, options);
    };
    return device;
  };
  return adapter;
};

test("pipelines are made before any weights arrive, those of the filters last and not waited for, and none later", async () => {
  pipelines = 0;
  let first;
  const onProgress = ({ loaded }) => (first ??= loaded === 0 ? undefined : pipelines);
  const lm = await Plume.load(undefined, { device: "gpu", onProgress });
  assert.ok(first > 0);
  assert.equal(awaited, first);
  assert.ok(pipelines > first);
  const made = pipelines;
  const messages = [{ role: "user", content: "What is the capital of Japan?" }];
  const drawn = { temperature: 0.7, top_k: 40, top_p: 0.9, repetition_penalty: 1.1 };
  for (const rules of [{ temperature: 0 }, drawn])
    await lm.chat.completions.create({ messages, max_tokens: 4, ...rules });
  assert.equal(pipelines, made);
  lm.dispose();
});

test("memory that the device lacks for the last of the weights fails the load, not the first reply", async () => {
  // The device reports it when the core has gone on.
  const report = () => device.onuncapturederror({ error: new GPUOutOfMemoryError("no memory") });
  const onProgress = ({ phase, loaded, total }) => {
    if (phase !== "ready" && loaded === total && total > 0) queueMicrotask(report);
  };
  await assert.rejects(Plume.load(undefined, { device: "gpu", onProgress }), { code: "out_of_device_memory" });
});
