// What texts go on with, in the form of OpenAI's completions.
import { now } from "./chat.js";
import { newId } from "./ids.js";
import type { Completion, CompletionChoice, CompletionLogprobs, TokenLogprob } from "./openai-types.js";
import type { ReplyPart } from "./replies.js";
import type { Checked } from "./requests.js";

/** Collects the tokens of one text. */
class Tokens {
  private offset = 0;

  /** What is told of the next tokens. */
  next(tokens: TokenLogprob[]): CompletionLogprobs {
    const told: CompletionLogprobs = { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
    for (const { token, logprob, top_logprobs } of tokens) {
      told.tokens.push(token);
      told.token_logprobs.push(logprob);
      told.top_logprobs.push(Object.fromEntries(top_logprobs.map((top) => [top.token, top.logprob])));
      told.text_offset.push(this.offset);
      this.offset += token.length;
    }
    return told;
  }
}

/** The parts of a stream. */
export async function* completionChunks(
  parts: AsyncIterable<ReplyPart>,
  request: Checked,
  model: string,
): AsyncGenerator<Completion, void, undefined> {
  const head = { id: newId("cmpl-"), object: "text_completion" as const, created: now(), model };
  const without = request.include_usage ? { usage: null } : {};
  const asked = request.prompts[0]!.top_logprobs !== undefined;
  let tokens = new Tokens();
  let last: ReplyPart | undefined;
  for await (const part of parts) {
    const { index, begins, text, finish_reason } = (last = part);
    if (begins) tokens = new Tokens();
    const logprobs = asked ? tokens.next(part.logprobs) : null;
    yield { ...head, choices: [{ index, text, logprobs, finish_reason }], ...without };
  }
  if (request.include_usage) yield { ...head, choices: [], usage: last!.usage };
}

/** All of it. */
export async function wholeCompletion(
  parts: AsyncIterable<ReplyPart>,
  request: Checked,
  model: string,
): Promise<Completion> {
  const choices: CompletionChoice[] = [];
  const tokens: TokenLogprob[][] = [];
  let last: ReplyPart | undefined;
  for await (const part of parts) {
    const { index, text, logprobs, finish_reason } = (last = part);
    const choice = (choices[index] ??= { index, text: "", logprobs: null, finish_reason: null });
    choice.text += text;
    choice.finish_reason = finish_reason;
    (tokens[index] ??= []).push(...logprobs);
  }
  if (request.prompts[0]!.top_logprobs !== undefined)
    for (const choice of choices) choice.logprobs = new Tokens().next(tokens[choice.index]!);
  return { id: newId("cmpl-"), object: "text_completion", created: now(), model, choices, usage: last!.usage };
}
