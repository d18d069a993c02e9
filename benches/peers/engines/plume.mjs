// Plume as the benches drive it, in its worker.
import { Plume } from "/plume-lm/dist/index.js";

/** `device` is "gpu" or "cpu". */
export async function load(model, device) {
  const lm = await Plume.load(model, { device });
  const { adapter } = await lm.stats();
  const stream = (messages, max_tokens) =>
    lm.chat.completions.create({ messages, temperature: 0, max_tokens, stream: true });
  const countTokens = async (content) =>
    (await lm.chat.completions.create({ messages: [{ role: "user", content }], max_tokens: 1 })).usage.prompt_tokens;
  return { stream, adapter, countTokens };
}
