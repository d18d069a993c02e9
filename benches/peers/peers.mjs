// Plume and wllama on the same GGUF in the same Chromium, in alternating runs, each in a fresh profile.
// Prefill: prompt tokens over the time to the first token. Decode: later tokens over the time from the first to the last.
import path from "node:path";
import { root } from "../../scripts/setup.mjs";
import { openPage, prepare } from "./browser.mjs";

const story = "Tell me a story about a brave fox named Pip.";

/** What both engines are asked: a long prompt for one token, then a story. */
const prompts = {
  prefill: `${"Name three fruits. Count to 12. What is the capital of Japan? ".repeat(18)}${story}`,
  decode: story,
};

/** Runs in the page: loads the model with one engine and answers both prompts. */
async function measure({ engine, prompts }) {
  const { load } = await import(`/benches/${engine}.mjs`);
  const started = performance.now();
  const { stream, adapter, countTokens } = await load("/model.gguf");
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

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

export async function run({ runs = "3", model = path.join(root, "tests/data/plm-tiny-Q8_0.gguf") }) {
  prepare();
  const results = { plume: [], wllama: [] };
  for (let index = 0; index < Number(runs); index++)
    for (const engine of Object.keys(results)) {
      const { page, close } = await openPage(path.resolve(model));
      results[engine].push(await page.evaluate(measure, { engine, prompts }).finally(close));
      console.log(`run ${index + 1}: ${engine} ${JSON.stringify(results[engine].at(-1))}`);
    }

  // Both are given the same prompt and have the same tokenizer, so one count serves both.
  const { prefill_tokens } = results.plume[0];
  const summary = (engine) => ({
    decode_tps: median(results[engine].map((r) => r.decode_tps)),
    prefill_tps: prefill_tokens / (median(results[engine].map((r) => r.prefill_ms)) / 1000),
    load_ms: median(results[engine].map((r) => r.load_ms)),
    adapter: results[engine][0].adapter,
  });
  const result = { suite: "peers", model: path.basename(model), plume: summary("plume"), wllama: summary("wllama") };
  const row = (key) => ({
    plume: result.plume[key].toFixed(1),
    wllama: result.wllama[key].toFixed(1),
    "plume / wllama": (result.plume[key] / result.wllama[key]).toFixed(2),
  });
  console.table(Object.fromEntries(["decode_tps", "prefill_tps", "load_ms"].map((key) => [key, row(key)])));
  console.log(`plume on ${result.plume.adapter}; wllama on ${result.wllama.adapter}`);
  return result;
}
