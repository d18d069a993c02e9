// Measures the model that is loaded: how fast it reads prompts of several lengths, and how fast it writes on from each.
import type { Plume, StepStats } from "plume-lm";
import { mean } from "../units.js";

/** Lengths of the context, in tokens, as far as the model allows. */
const LENGTHS = [64, 128, 256, 512, 1024, 2048, 4096];
/** Tokens that are written at each length. */
const WRITTEN = 64;
/** Replies that a length may take: a model may end them early. */
const ATTEMPTS = 8;

/** Tokens whose density is looked at, apart from all that is timed: looking takes some of the model's time. */
const LOOKED_AT = 16;

/** What was measured at one length. */
export interface Row {
  /** Tokens of the prompt, as they were counted. */
  context: number;
  /** These are undefined where the model ended every reply at once. */
  prefill_tokens_per_second: number | undefined;
  time_to_first_token_ms: number | undefined;
  decode_tokens_per_second: number | undefined;
  decoded_tokens: number;
  /** The fraction of neurons that were not zero while it wrote. */
  density: number | undefined;
}

/** Runs the benchmark, and gives each row when it is there. */
export async function* benchmark(lm: Plume, signal: AbortSignal): AsyncGenerator<Row, void, undefined> {
  const { context_length } = await lm.stats();
  const text = await textOf(lm, signal);
  await measure(lm, text(32), signal); // What is done for the first time takes longer.
  // The last length that fits leaves room to write.
  for (const length of LENGTHS.filter((length) => length + WRITTEN <= context_length))
    yield await measure(lm, text(length), signal);
}

/** Gives texts of about so many tokens, each with another beginning, so that nothing of it is in the cache. */
async function textOf(lm: Plume, signal: AbortSignal): Promise<(tokens: number) => string> {
  const words = "The brave fox ran over the green hill and found a small house by the river . ".split(" ");
  const some = words.join(" ").repeat(3);
  const { usage } = await lm.completions.create({ prompt: some, max_tokens: 1 }, { signal });
  const perWord = usage!.prompt_tokens / (3 * words.length);
  let begun = 0;
  return (tokens) => {
    const count = Math.max(Math.floor(tokens / perWord) - 1, 1);
    const rest = Array.from({ length: count }, (_, index) => words[index % words.length]);
    return [String.fromCodePoint(65 + (begun++ % 26)), ...rest].join(" ");
  };
}

async function measure(lm: Plume, prompt: string, signal: AbortSignal): Promise<Row> {
  let context = 0;
  let first: number | undefined;
  let tokens = 0;
  let seconds = 0;
  for (let attempt = 0; attempt < ATTEMPTS && tokens < WRITTEN; attempt++) {
    const request = { prompt, max_tokens: WRITTEN - tokens + 1, temperature: 0.8, seed: attempt };
    const { usage } = await lm.completions.create(request, { signal });
    const { time_to_first_token_ms, tokens_per_second } = await lm.stats();
    context = usage!.prompt_tokens;
    // Only the first reply reads all of the prompt.
    first ??= time_to_first_token_ms;
    if (!tokens_per_second) continue; // The model ended it at once.
    tokens += usage!.completion_tokens - 1;
    seconds += (usage!.completion_tokens - 1) / tokens_per_second;
  }
  const densities: number[] = [];
  // The first token comes of the prompt.
  const onStep = ({ completion_tokens, density }: StepStats) => completion_tokens > 1 && densities.push(mean(density));
  await lm.completions.create({ prompt, max_tokens: LOOKED_AT, temperature: 0.8, seed: 0 }, { signal, onStep });
  return {
    context,
    prefill_tokens_per_second: first === undefined ? undefined : (context / first) * 1000,
    time_to_first_token_ms: first,
    decode_tokens_per_second: tokens > 0 ? tokens / seconds : undefined,
    decoded_tokens: tokens,
    density: densities.length > 0 ? mean(densities) : undefined,
  };
}
