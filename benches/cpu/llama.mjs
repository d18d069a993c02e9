// llama.cpp natively, on the processor: what benches/cpu/main.rs does. Prints a line of JSON.
import { getLlama, LlamaLogLevel } from "../peers/node_modules/node-llama-cpp/dist/index.js";

const [file, threads, prompt, tokens] = process.argv.slice(2).map((value, index) => (index ? Number(value) : value));
const llama = await getLlama({
  gpu: false,
  build: "never",
  skipDownload: true,
  logLevel: LlamaLogLevel.error,
  maxThreads: threads,
});
const model = await llama.loadModel({ modelPath: file });
// With flash attention it aborts on PLM.
const context = await model.createContext({ contextSize: 512, threads, flashAttention: false, batchSize: 256 });
const sequence = context.getSequence();

async function measure(first, count) {
  const ids = Array.from({ length: prompt }, (_, index) => first + ((index * 97) % 500));
  await sequence.clearHistory();
  const started = performance.now();
  let read;
  let written = -1;
  for await (const _ of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
    read ??= performance.now();
    if (++written === count) break;
  }
  const decode = performance.now() - read;
  return { prefill_tps: prompt / ((read - started) / 1000), decode_tps: count / (decode / 1000) };
}

await measure(11, 4);
console.log(JSON.stringify({ adapter: llama.systemInfo, ...(await measure(10, tokens)) }));
process.exit(0);
