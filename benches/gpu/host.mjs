// What a decoded token costs the host in Node: wasm, the calls into JavaScript and Dawn's checks, on a device that computes
// nothing, so that nothing else takes time.
import { median } from "../median.mjs";
import { gguf } from "../../tests/support.mjs";
import { provideNullDevice } from "../../tests/null-device.mjs";

const TOKENS = 400;

/** Rows for plm-tiny, which has 4 layers, with the kernels for a GPU. */
export async function hostRows(runs) {
  provideNullDevice();
  const { Plume } = await import("../../build/plume-lm/dist/node.js");
  let dispatches = 0;
  const { dispatchWorkgroups } = GPUComputePassEncoder.prototype;
  const lm = await Plume.load(gguf("Q8_0"), { device: "gpu" });
  const ask = (max_tokens) =>
    lm.chat.completions.create({ messages: [{ role: "user", content: "hello" }], max_tokens, temperature: 0 });
  await ask(TOKENS);
  const times = [];
  for (let run = 0; run < runs; run++) {
    const started = performance.now();
    await ask(TOKENS);
    times.push(((performance.now() - started) * 1000) / TOKENS);
  }
  GPUComputePassEncoder.prototype.dispatchWorkgroups = function (...counts) {
    dispatches++;
    return dispatchWorkgroups.apply(this, counts);
  };
  // Both replies read the same prompt.
  await ask(8);
  const fewer = dispatches;
  await ask(TOKENS);
  GPUComputePassEncoder.prototype.dispatchWorkgroups = dispatchWorkgroups;
  const each = (dispatches - 2 * fewer) / (TOKENS - 8);
  lm.dispose();
  const time = median(times);
  const row = (name, value, unit) => ({
    case: `plm-tiny in Node, null device: ${name}`,
    value,
    unit,
    runs,
    repeats: TOKENS,
  });
  return [
    row("host time a decoded token", time, "us"),
    row("dispatches a decoded token", each, "dispatches"),
    row("host time a dispatch", time / each, "us"),
  ];
}
