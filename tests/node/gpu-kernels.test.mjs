// The kernels for GPUs as a browser takes them: software adapters have others, and in the Rust tests another compiler reads them.
import assert from "node:assert/strict";
import test from "node:test";
import { provideNullDevice } from "../null-device.mjs";
import { KINDS } from "../support.mjs";

const gpu = provideNullDevice();
const { Plume } = await import("../../build/plume-lm/dist/node.js");

/** Optional features that adapters say they have. */
let offered;
/** Kernels, each with the layout of its weights. */
let made;
const { requestAdapter } = gpu;
gpu.requestAdapter = async function (...options) {
  const adapter = await requestAdapter.apply(this, options);
  Object.defineProperty(adapter, "features", { value: new Set(offered.filter((name) => adapter.features.has(name))) });
  const { requestDevice } = adapter;
  adapter.requestDevice = async function (...options) {
    const device = await requestDevice.apply(this, options);
    const { createComputePipeline } = device;
    device.createComputePipeline = function (descriptor) {
      made.push(descriptor.label);
      return createComputePipeline.call(this, descriptor);
    };
    return device;
  };
  return adapter;
};

// Long enough for the expanded form of attention.
const messages = [{ role: "user", content: "Tell me a story about a fox, a hen and a bear. ".repeat(12) }];
const filtered = { temperature: 0.7, top_k: 40, top_p: 0.9, min_p: 0.01, repetition_penalty: 1.1, seed: 1 };

for (const features of [[], ["subgroups"], ["shader-f16"], ["subgroups", "shader-f16"]]) {
  for (const [kind, { file }] of Object.entries(KINDS)) {
    test(`Dawn accepts kernels and commands: ${kind}, ${features.join(" and ") || "no features"}`, async () => {
      [offered, made] = [features, []];
      const lm = await Plume.load(file, { device: "gpu" });
      // A kernel or a command that is not accepted ends the load or the reply with an error.
      for (const rules of [{ temperature: 0 }, filtered]) {
        const reply = await lm.chat.completions.create({ messages, max_tokens: 6, ...rules });
        assert.ok(reply.usage.completion_tokens > 0);
      }
      lm.dispose();
      const kernels = made.join("\n");
      assert.equal(/subgroups: true/.test(kernels), features.includes("subgroups"));
      assert.equal(/tiles: F16/.test(kernels), features.includes("shader-f16"));
      for (const name of [
        "SparseMatmulPacked",
        "LatentAttention(",
        "tiled: true",
        "of: Neurons",
        "of: Cache",
        "SampleSelect",
      ])
        assert.ok(kernels.includes(name), `${name} was made`);
    });
  }
}
