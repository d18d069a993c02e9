// Plume as the benches drive it, in its worker.
import { Plume } from "/plume-lm/dist/index.js";

/** `device` is "gpu" or "cpu"; of the CPU so many threads. */
export async function load(model, device, threads) {
  const lm = await Plume.load(model, { device, threads, context_length: 512 });
  const { adapter } = await lm.stats();
  const stream = (messages, max_tokens) =>
    lm.chat.completions.create({ messages, temperature: 0, max_tokens, stream: true });
  const ask = (messages, max_tokens) => lm.chat.completions.create({ messages, temperature: 0, max_tokens });
  const countTokens = async (content) =>
    (await lm.chat.completions.create({ messages: [{ role: "user", content }], max_tokens: 1 })).usage.prompt_tokens;
  const memory = async () => (await lm.stats()).memory_bytes;
  return { stream, ask, adapter, countTokens, memory };
}
