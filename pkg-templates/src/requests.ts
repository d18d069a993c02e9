// Requests as callers write them, checked, and as the core takes them. What is not known is refused by name.
import { invalid, kind, show } from "./invalid.js";
import type { Format } from "./grammar.js";
import type {
  ChatCompletionRequest,
  ChatMessage,
  CompletionRequest,
  ResponseFormat,
  SamplingOptions,
} from "./openai-types.js";
import type { CoreRequest } from "./runtime.js";
import type { StepOptions } from "./types.js";

/** A request that was checked. */
export interface Checked {
  /** One for each prompt, without the seed. */
  prompts: CoreRequest[];
  /** Replies to each prompt. */
  n: number;
  /** Of the first reply; those after it have the numbers after it. */
  seed: number;
  stream: boolean;
  include_usage: boolean;
  /** What the replies are to keep to. */
  format?: Format;
}

/** The core counts in 32 bits; what is more than a context or a vocabulary can have means all of it. */
const MOST = 2 ** 32 - 1;

/** Numbers that the core takes by the same name; whole ones from 0, or any. It checks their ranges. */
const NUMBERS = {
  max_tokens: "whole",
  top_k: "whole",
  temperature: "any",
  top_p: "any",
  min_p: "any",
  repetition_penalty: "any",
  frequency_penalty: "any",
  presence_penalty: "any",
} as const;

const SHARED = [...Object.keys(NUMBERS), "model", "stream", "stream_options", "stop", "seed", "n", "logit_bias"];
const CHAT = [...SHARED, "messages", "max_completion_tokens", "logprobs", "top_logprobs", "response_format"];
const COMPLETION = [...SHARED, "prompt", "logprobs"];

/** Refuses fields that are there and not known. */
function checkFields(request: unknown, known: string[]): void {
  if (typeof request !== "object" || request === null)
    throw invalid(`the request is ${kind(request)}; expected an object`);
  const unknown = Object.entries(request).find(([name, value]) => !known.includes(name) && value != null);
  if (unknown) throw invalid(`${unknown[0]} is not supported`);
}

function checkWhole(name: string, value: unknown, least: number, most: number): number {
  if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most) {
    const range = most < MOST ? `from ${least} to ${most}` : `from ${least}`;
    throw invalid(`${name} is ${show(value)}; expected a whole number ${range}`);
  }
  return value as number;
}

function checkFlag(name: string, value: unknown): boolean {
  if (value != null && typeof value !== "boolean") throw invalid(`${name} is ${show(value)}; expected true or false`);
  return value === true;
}

function checkText(name: string, value: unknown): string {
  if (typeof value !== "string") throw invalid(`${name} is ${kind(value)}; expected a string`);
  return value;
}

/** A message's text, which may come in parts. */
function checkContent(name: string, content: unknown): string {
  if (!Array.isArray(content)) return checkText(name, content);
  return Array.from(content as unknown[], (part, index) => {
    const { type, text } = (part ?? {}) as { type?: unknown; text?: unknown };
    if (type !== "text")
      throw invalid(`${name}[${index}].type is ${show(type)}; expected "text": a PLM reads nothing else`);
    return checkText(`${name}[${index}].text`, text);
  }).join("");
}

/** Checks which steps are to be told. */
export function checkSteps(steps: StepOptions | null | undefined): void {
  if (steps == null) return;
  if (typeof steps !== "object") throw invalid(`steps is ${kind(steps)}; expected an object`);
  const { interval = 0, top_logprobs, logprobs_interval = 0, ...others } = steps;
  const [unknown] = Object.keys(others);
  if (unknown) throw invalid(`steps.${unknown} is not supported`);
  for (const [name, value] of Object.entries({ interval, logprobs_interval }))
    if (typeof value !== "number" || !(value >= 0))
      throw invalid(`steps.${name} is ${show(value)}; expected milliseconds, from 0`);
  if (top_logprobs !== undefined) checkWhole("steps.top_logprobs", top_logprobs, 0, 20);
}

/** Checks a conversation. */
export function checkMessages(messages: unknown): NonNullable<CoreRequest["messages"]> {
  if (!Array.isArray(messages)) throw invalid(`messages is ${kind(messages)}; expected a list of messages`);
  return Array.from(messages as unknown[], (message, index) => {
    const name = `messages[${index}]`;
    if (typeof message !== "object" || message === null)
      throw invalid(`${name} is ${kind(message)}; expected an object`);
    const { role, content, ...others } = message as Partial<ChatMessage>;
    const other = Object.entries(others).find(([, value]) => value != null);
    if (other) throw invalid(`${name}.${other[0]} is not supported`);
    const speaker = checkText(`${name}.role`, role) as ChatMessage["role"]; // The core knows which there are.
    return { role: speaker === "developer" ? "system" : speaker, content: checkContent(`${name}.content`, content) };
  });
}

function checkBias(bias: unknown): [number, number][] {
  if (bias == null) return [];
  if (typeof bias !== "object" || Array.isArray(bias)) throw invalid(`logit_bias is ${kind(bias)}; expected an object`);
  return Object.entries(bias).map(([token, value]) => {
    if (!/^(0|[1-9]\d{0,8})$/.test(token)) throw invalid(`logit_bias has the key ${token}; expected a token's id`);
    if (typeof value !== "number") throw invalid(`logit_bias of token ${token} is ${kind(value)}; expected a number`);
    return [Number(token), value];
  });
}

/** What both kinds of request have. */
function checkSampling(request: SamplingOptions): Omit<Checked, "prompts"> & { sampling: CoreRequest } {
  if (request.model != null) checkText("model", request.model);
  const stream = checkFlag("stream", request.stream);
  const options = request.stream_options;
  if (options != null) {
    if (!stream) throw invalid("stream_options is there, but stream is not true");
    checkFields(options, ["include_usage"]);
  }
  const stop = request.stop == null ? [] : [request.stop].flat();
  if (stop.some((text) => typeof text !== "string")) throw invalid("stop is not a string or a list of strings");
  const sampling: CoreRequest = { stop };
  for (const [name, range] of Object.entries(NUMBERS) as [keyof typeof NUMBERS, string][]) {
    const value = request[name];
    if (value == null) continue;
    if (range === "whole") sampling[name] = Math.min(checkWhole(name, value, 0, Number.MAX_SAFE_INTEGER), MOST);
    else if (typeof value === "number" && Number.isFinite(value)) sampling[name] = value;
    else throw invalid(`${name} is ${show(value)}; expected a number`);
  }
  const bias = checkBias(request.logit_bias);
  if (bias.length > 0) sampling.logit_bias = bias;
  const seed =
    request.seed == null
      ? Math.floor(Math.random() * Number.MAX_SAFE_INTEGER)
      : checkWhole("seed", request.seed, 0, Number.MAX_SAFE_INTEGER);
  return {
    sampling,
    seed,
    stream,
    n: request.n == null ? 1 : checkWhole("n", request.n, 1, 128),
    include_usage: checkFlag("stream_options.include_usage", options?.include_usage),
  };
}

/**
 * How JSON is written, unless a schema has wishes of its own: as most of what models have read. Without a rule they may write spaces
 * for ever.
 */
const JSON_STYLE = { whitespace_flexible: false, item_separator: ", ", key_separator: ": " };

function toJson(schema: object): string {
  try {
    return JSON.stringify(schema);
  } catch (cause) {
    throw invalid(`response_format.json_schema.schema is no JSON: ${(cause as Error).message}`);
  }
}

/** Checks what a reply is to be. */
function checkFormat(format: ResponseFormat): Format | undefined {
  const { type } = format;
  switch (type) {
    case "text":
      checkFields(format, ["type"]);
      return undefined;
    case "json_object":
      checkFields(format, ["type"]);
      return { schema: JSON.stringify({ type: "object", "x-guidance": JSON_STYLE }) };
    case "json_schema": {
      checkFields(format, ["type", "json_schema"]);
      checkFields(format.json_schema, ["name", "description", "schema", "strict"]);
      const { name, description, schema = {}, strict } = format.json_schema;
      checkText("response_format.json_schema.name", name);
      if (description != null) checkText("response_format.json_schema.description", description);
      checkFlag("response_format.json_schema.strict", strict);
      if (typeof schema !== "object" || schema === null || Array.isArray(schema))
        throw invalid(`response_format.json_schema.schema is ${kind(schema)}; expected an object`);
      return { schema: toJson({ "x-guidance": JSON_STYLE, ...schema }) };
    }
    case "grammar":
      checkFields(format, ["type", "grammar"]);
      return { lark: checkText("response_format.grammar", format.grammar) };
    default:
      throw invalid(
        `response_format.type is ${show(type)}; expected "text", "json_object", "json_schema" or "grammar"`,
      );
  }
}

/** Checks a request for a reply to a conversation. */
export function checkChat(request: ChatCompletionRequest): Checked {
  checkFields(request, CHAT);
  const { max_tokens, max_completion_tokens, logprobs, top_logprobs, response_format } = request;
  if (max_tokens != null && max_completion_tokens != null && max_tokens !== max_completion_tokens)
    throw invalid("max_tokens and max_completion_tokens are not the same; expected one of them");
  const { sampling, ...checked } = checkSampling({
    ...request,
    max_tokens: max_tokens ?? max_completion_tokens ?? null,
  });
  if (checkFlag("logprobs", logprobs)) sampling.top_logprobs = checkWhole("top_logprobs", top_logprobs ?? 0, 0, 20);
  else if (top_logprobs != null) throw invalid("top_logprobs is there, but logprobs is not true");
  const format = response_format == null ? undefined : checkFormat(response_format);
  return {
    ...checked,
    ...(format && { format }),
    prompts: [{ ...sampling, messages: checkMessages(request.messages) }],
  };
}

/** OpenAI's default where a text is gone on with. */
const COMPLETION_TOKENS = 16;

const isTokens = (prompt: unknown): prompt is number[] =>
  Array.isArray(prompt) && prompt.length > 0 && prompt.every((token) => typeof token === "number");

/** Checks a request for what texts go on with. */
export function checkCompletion(request: CompletionRequest): Checked {
  checkFields(request, COMPLETION);
  const { sampling, ...checked } = checkSampling(request);
  sampling.max_tokens ??= COMPLETION_TOKENS;
  if (request.logprobs != null) sampling.top_logprobs = checkWhole("logprobs", request.logprobs, 0, 5);
  const given: unknown = request.prompt;
  const list: unknown[] = Array.isArray(given) && !isTokens(given) ? given : [given];
  if (list.length === 0) throw invalid("prompt is an empty list; expected at least one text");
  const prompts = list.map((prompt) => {
    if (isTokens(prompt))
      return { ...sampling, prompt_tokens: prompt.map((token) => checkWhole("prompt's token", token, 0, MOST)) };
    if (typeof prompt !== "string")
      throw invalid(`prompt is ${kind(prompt)}; expected a string, a list of token ids, or a list of either`);
    return { ...sampling, prompt };
  });
  return { ...checked, prompts };
}
