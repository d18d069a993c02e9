// Replies to conversations, in the form of OpenAI's chat completions.
import { newId } from "./ids.js";
import type { ChatCompletion, ChatCompletionChunk, ChatChoice, ChatLogprobs, TokenLogprob } from "./openai-types.js";
import type { ReplyPart } from "./replies.js";
import type { Checked } from "./requests.js";

const told = (content: TokenLogprob[], request: Checked): ChatLogprobs | null =>
  request.prompts[0]!.top_logprobs === undefined ? null : { content, refusal: null };

/** The parts of a stream. */
export async function* chatChunks(
  parts: AsyncIterable<ReplyPart>,
  request: Checked,
  model: string,
): AsyncGenerator<ChatCompletionChunk, void, undefined> {
  const head = { id: newId("chatcmpl-"), object: "chat.completion.chunk" as const, created: now(), model };
  const without = request.include_usage ? { usage: null } : {};
  let last: ReplyPart | undefined;
  for await (const part of parts) {
    const { index, begins, text, finish_reason } = (last = part);
    const delta = begins ? { role: "assistant" as const, content: "" } : text ? { content: text } : {};
    const logprobs = begins || part.logprobs.length === 0 ? null : told(part.logprobs, request);
    yield { ...head, choices: [{ index, delta, logprobs, finish_reason }], ...without };
  }
  if (request.include_usage) yield { ...head, choices: [], usage: last!.usage };
}

/** All of it. */
export async function wholeChat(
  parts: AsyncIterable<ReplyPart>,
  request: Checked,
  model: string,
): Promise<ChatCompletion> {
  const head = { id: newId("chatcmpl-"), object: "chat.completion" as const, created: now(), model };
  const choices: ChatChoice[] = [];
  let last: ReplyPart | undefined;
  for await (const part of parts) {
    const { index, text, logprobs, finish_reason } = (last = part);
    const choice = (choices[index] ??= {
      index,
      message: { role: "assistant", content: "", refusal: null },
      logprobs: told([], request),
      finish_reason: "stop",
    });
    choice.message.content += text;
    choice.logprobs?.content.push(...logprobs);
    if (finish_reason) choice.finish_reason = finish_reason;
  }
  return { ...head, choices, usage: last!.usage };
}

/** Seconds since 1970. */
export function now(): number {
  return Math.floor(Date.now() / 1000);
}
