// Plume (on the GPU, and on the CPU) and wllama on the same GGUF in the same Chromium, in alternating runs,
// each in a fresh profile.
// Prefill: prompt tokens over the time to the first token. Decode: later tokens over the time from the first to the last.
import path from "node:path";
import { root } from "../../scripts/setup.mjs";
import { openPage, prepare } from "./browser.mjs";
import { median } from "../median.mjs";

const story = "Tell me a story about a brave fox named Pip.";

/** What both engines are asked: a long prompt for one token, then a story. */
const prompts = {
  prefill: `${"Name three fruits. Count to 12. What is the capital of Japan? ".repeat(18)}${story}`,
  decode: story,
};

/** Runs in the page: loads the model with one engine and answers both prompts. */
async function measure({ engine, device, prompts }) {
  const { load } = await import(`/benches/${engine}.mjs`);
  const started = performance.now();
  const { stream, adapter, countTokens } = await load("/model.gguf", device);
  const load_ms = performance.now() - started;
  const ask = async (content, max_tokens) => {
    const asked = performance.now();
    const times = [];
    for await (const part of await stream([{ role: "user", content }], max_tokens))
      if (part.choices[0]?.delta?.content) times.push(performance.now());
    return { first_ms: times[0] - asked, rest_ms: times.at(-1) - times[0], parts: times.length };
  };
  await ask("Hello!", 4); // The first request pays for shader compilation; it is not what is measured here.
  const prefill = await ask(prompts.prefill, 2);
  const decode = await ask(prompts.decode, 120);
  return {
    load_ms,
    adapter,
    prefill_tokens: await countTokens?.(prompts.prefill),
    prefill_ms: prefill.first_ms,
    decode_tps: (decode.parts - 1) / (decode.rest_ms / 1000),
  };
}

/** What is measured, by its name in the results. */
const contenders = {
  plume: { engine: "plume", device: "gpu" },
  plume_cpu: { engine: "plume", device: "cpu" },
  wllama: { engine: "wllama" },
};

export const options = { model: { type: "string" } };

export async function run({ runs = "3", model = path.join(root, "tests/data/plm-tiny-Q8_0.gguf") }) {
  await prepare();
  const results = Object.fromEntries(Object.keys(contenders).map((name) => [name, []]));
  for (let index = 0; index < Number(runs); index++)
    for (const [name, contender] of Object.entries(contenders)) {
      const { page, close } = await openPage(path.resolve(model));
      results[name].push(await page.evaluate(measure, { ...contender, prompts }).finally(close));
      console.log(`run ${index + 1}: ${name} ${JSON.stringify(results[name].at(-1))}`);
    }

  // All are given the same prompt and have the same tokenizer, so one count serves all.
  const { prefill_tokens } = results.plume[0];
  const summary = ([name, runs]) => [
    name,
    {
      decode_tps: median(runs.map((r) => r.decode_tps)),
      prefill_tps: prefill_tokens / (median(runs.map((r) => r.prefill_ms)) / 1000),
      load_ms: median(runs.map((r) => r.load_ms)),
      adapter: runs[0].adapter,
    },
  ];
  const summaries = Object.fromEntries(Object.entries(results).map(summary));
  const row = (key) => ({
    ...Object.fromEntries(Object.keys(contenders).map((name) => [name, summaries[name][key].toFixed(1)])),
    "plume / wllama": (summaries.plume[key] / summaries.wllama[key]).toFixed(2),
    "plume_cpu / wllama": (summaries.plume_cpu[key] / summaries.wllama[key]).toFixed(2),
  });
  console.table(Object.fromEntries(["decode_tps", "prefill_tps", "load_ms"].map((key) => [key, row(key)])));
  for (const [name, { adapter }] of Object.entries(summaries)) console.log(`${name} ran on ${adapter}`);
  return { suite: "peers", model: path.basename(model), ...summaries };
}
