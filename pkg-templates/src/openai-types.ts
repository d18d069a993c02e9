// Requests and replies, in the fields of OpenAI's chat completions and completions.

/** A piece of a message's text. */
export interface TextPart {
  type: "text";
  text: string;
}

/** One message of a conversation. */
export interface ChatMessage {
  /** "developer" is another name of "system". */
  role: "system" | "developer" | "user" | "assistant";
  content: string | TextPart[];
}

/** How tokens are chosen and where a reply ends, in requests of both kinds. */
export interface SamplingOptions {
  /** Any name: there is one model, and replies tell its name. */
  model?: string | null;
  /** Deliver the reply in parts as it is written. Default false. */
  stream?: boolean | null;
  /** Only with `stream`. */
  stream_options?: StreamOptions | null;
  /** Ends each reply after so many tokens. Without it, the context's end does. */
  max_tokens?: number | null;
  /** 0 is greedy; 1, the default, samples from the model's own distribution. Up to 100. */
  temperature?: number | null;
  /** Keeps the k likeliest tokens; 0, the default, keeps all. */
  top_k?: number | null;
  /** Keeps the likeliest tokens whose probabilities reach this sum. Default 1. */
  top_p?: number | null;
  /** Drops tokens less likely than this fraction of the likeliest. Default 0. */
  min_p?: number | null;
  /** Divides the logits of tokens that occurred in the prompt or the reply. Default 1: off. */
  repetition_penalty?: number | null;
  /** Taken off a token's logit for each time that it is in the reply already, from -2 to 2. Default 0. */
  frequency_penalty?: number | null;
  /** Taken off the logits of tokens that are in the reply already, from -2 to 2. Default 0. */
  presence_penalty?: number | null;
  /** Added to tokens' logits before all else, by token id, from -100 to 100. */
  logit_bias?: Record<string, number> | null;
  /** The same seed gives the same text. Without one, each reply draws anew. Replies after the first have the seeds after it. */
  seed?: number | null;
  /** The reply ends before any of these. */
  stop?: string | string[] | null;
  /** How many replies to write, one after the other; from 1, the default, to 128. The prompt is read once. */
  n?: number | null;
}

/** What a stream has beside the text. */
export interface StreamOptions {
  /** A last part that has the usage and no choices. Default false. */
  include_usage?: boolean | null;
}

/** A request for a reply to a conversation. Fields that are not here are refused by name. */
export interface ChatCompletionRequest extends SamplingOptions {
  messages: ChatMessage[];
  /** Another name of `max_tokens`. */
  max_completion_tokens?: number | null;
  /** Tell how likely the model found each token of the reply. Default false. */
  logprobs?: boolean | null;
  /** How many of the likeliest tokens to tell with each, from 0, the default, to 20. Only with `logprobs`. */
  top_logprobs?: number | null;
  /** What the reply is to be. Default: text. */
  response_format?: ResponseFormat | null;
}

/** What a reply is to be. It keeps to that unless `max_tokens` or the context's end cuts it (its finish_reason is "length" then), or a string of `stop` comes up. */
export type ResponseFormat =
  | { type: "text" }
  /** An object of JSON. */
  | { type: "json_object" }
  | { type: "json_schema"; json_schema: JsonSchemaFormat }
  /** What a grammar in Lark's notation, as llguidance reads it, has `start` for. */
  | { type: "grammar"; grammar: string };

/** JSON that validates against a schema. What of a schema cannot be kept to is refused by name. */
export interface JsonSchemaFormat {
  /** For people. */
  name: string;
  description?: string | null;
  /** Without one, any JSON. */
  schema?: Record<string, unknown>;
  /** Replies keep to the schema either way. */
  strict?: boolean | null;
}

/** A request for what a text goes on with. Fields that are not here are refused by name. */
export interface CompletionRequest extends SamplingOptions {
  /** A text, in which special tokens count, or a list of tokens; or several of either kind, each of which is gone on from. */
  prompt: string | string[] | number[] | number[][];
  /** Ends each text after so many tokens. Default 16. */
  max_tokens?: number | null;
  /** How many of the likeliest tokens to tell with each token, and how likely the model found them all, from 0 to 5. */
  logprobs?: number | null;
}

/** Why a reply ended: the model was done (or a stop string came), or there was no room for more. */
export type FinishReason = "stop" | "length";

/** Tokens counted. With several replies the prompt counts once. */
export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  /** Prompt tokens that were still in the cache. */
  prompt_tokens_details: { cached_tokens: number };
}

/** A token, and how likely the model found it, before biases, penalties, temperature and filters. */
export interface TopLogprob {
  /** Its text; bytes that are no UTF-8 alone are U+FFFD. */
  token: string;
  /** The natural logarithm of its probability. */
  logprob: number;
  bytes: number[];
}

/** A token of a reply. */
export interface TokenLogprob extends TopLogprob {
  /** The likeliest tokens at its place, the likeliest first. */
  top_logprobs: TopLogprob[];
}

/** The tokens of a reply, or of a part of it. */
export interface ChatLogprobs {
  content: TokenLogprob[];
  refusal: null;
}

/** One of the replies to a conversation. */
export interface ChatChoice {
  index: number;
  message: { role: "assistant"; content: string; refusal: null };
  logprobs: ChatLogprobs | null;
  finish_reason: FinishReason;
}

/** The replies to a conversation. */
export interface ChatCompletion {
  id: string;
  object: "chat.completion";
  /** Seconds since 1970. */
  created: number;
  model: string;
  choices: ChatChoice[];
  usage: Usage;
}

/** A part of one of the replies. */
export interface ChatChunkChoice {
  index: number;
  delta: { role?: "assistant"; content?: string };
  logprobs: ChatLogprobs | null;
  /** Set on the last part of each reply. */
  finish_reason: FinishReason | null;
}

/** A part of a reply. Where the usage was asked for, it is in a last part that has no choices, and null in the others. */
export interface ChatCompletionChunk {
  id: string;
  object: "chat.completion.chunk";
  created: number;
  model: string;
  choices: ChatChunkChoice[];
  usage?: Usage | null;
}

/** The tokens of a text, or of a part of it, each at the same place of every list. */
export interface CompletionLogprobs {
  tokens: string[];
  token_logprobs: number[];
  top_logprobs: Record<string, number>[];
  /** Where each token's text begins in the whole text. */
  text_offset: number[];
}

/** One of the texts, or a part of it. */
export interface CompletionChoice {
  index: number;
  text: string;
  logprobs: CompletionLogprobs | null;
  /** In a stream null but for the last part of each text. */
  finish_reason: FinishReason | null;
}

/** What prompts go on with. In a stream each part is one, and the usage is as in {@link ChatCompletionChunk}. */
export interface Completion {
  id: string;
  object: "text_completion";
  created: number;
  model: string;
  choices: CompletionChoice[];
  usage?: Usage | null;
}
