// How far the GPU is from float32 on held-out text, natively, on one Vulkan adapter: builds benches/accuracy/main.rs, runs it
// and gives its rows.
import { environment, runBench } from "../native.mjs";

export const options = {
  adapter: { type: "string", default: "default" },
  formats: { type: "string" },
  tokens: { type: "string" },
  decoded: { type: "string" },
  window: { type: "string" },
};

export const run = async ({ adapter, formats, tokens, decoded, window }) =>
  runBench("accuracy", environment(adapter), { formats, tokens, decoded, window });
