import type { LoadControl } from "./load-control.js";
import type { ChatMessage, TokenLogprob } from "./openai-types.js";

export type * from "./openai-types.js";

/** How far a load has come. */
export interface Progress {
  /** "download" once bytes come from a server; "read" while all come from the cache, a file or memory. */
  phase: "read" | "download" | "ready";
  /** Bytes of the files that have the weights: those that are in the model, and all. */
  loaded: number;
  total: number;
  /** Bytes a second over the last seconds, once that is known. */
  rate?: number;
  /** Seconds that the rest will take at this rate. */
  seconds_left?: number;
  /** What has failed, where nothing comes at the moment: it is tried again until `patience` ends. */
  retrying?: string;
}

/** How much of a prompt has been read. */
export interface PromptProgress {
  /** Tokens that have been read: those of `cached`, and those computed since. */
  processed: number;
  total: number;
  /** Tokens that were still in the cache. */
  cached: number;
}

/**
 * What may be loaded: a name on a hub (`owner/model`, `owner/model:Q4_K_M`, `owner/model@revision`); the URL of a GGUF, of one
 * of the parts that it was split into, of a folder of safetensors (ending in "/") or of a file in it; a GGUF as File, Blob or
 * bytes; the files of a folder, or the parts of a GGUF.
 */
export type ModelSource = string | URL | Blob | ArrayBuffer | ArrayBufferView<ArrayBuffer> | File[] | FileList;

/** Options of {@link Loader.load}. */
export interface LoadOptions {
  /** Told how far the load has come, many times a second. */
  onProgress?: (progress: Progress) => void;
  /** Gives the load up when it is aborted. What has come is kept. */
  signal?: AbortSignal;
  /** "auto", the default, takes the GPU where there is one, and the CPU where WebGPU is missing or only emulated. */
  device?: "auto" | "gpu" | "cpu";
  /**
   * How many threads the CPU's core has; without it as many as the machine has processors that are worth it, at most 8. A page has
   * more than one only where it is cross-origin isolated.
   */
  threads?: number;
  /** Tokens that a conversation may have, at most what the model allows; without it that, or 8192. Its cache is reserved. */
  context_length?: number;
  /**
   * How the first conversation begins, as far as that is known: a system prompt, or all of it. It is read while the weights
   * arrive, so that a request that begins with these messages is answered soon after the last byte.
   */
  messages?: ChatMessage[];
  /** Seconds for which a download that breaks or stalls is taken up again while no byte comes, at least 1. Default 120. */
  patience?: number;
  /** Where models are looked up by name. Default https://huggingface.co. */
  hub?: string;
  /** For gated models. It is shown to the hub and to nobody else. */
  token?: string;
  /** What a model's one file is to have, in hexadecimal digits, where it is loaded from a URL. A hub tells it by itself. */
  sha256?: string;
  /**
   * Whether what is downloaded is kept, so that it is downloaded once, and goes on where a load stopped. Default true; in Node also
   * the folder. See `Plume.cache`.
   */
  cache?: boolean | string;
  /** Pauses the downloads. */
  control?: LoadControl;
}

/** What computing a token of a reply took: the step that ran the token before it. */
export interface StepStats {
  /** The token's text; bytes that are no UTF-8 alone are U+FFFD. */
  token: string;
  /** How likely it was, and its likeliest rivals, where `StepOptions` ask for that. */
  logprobs?: TokenLogprob;
  /** Tokens of the reply until this one. */
  completion_tokens: number;
  /** The fraction of neurons of each layer that were not zero. */
  density: number[];
  /** Of `Stats.weight_bytes`, those that belong to the other neurons' outputs: the token had no use for them. */
  skipped_bytes: number;
  /** Bytes of cache that the conversation takes. */
  cache_bytes: number;
  /** Bytes that the same tokens would take as keys and values of every head, of 16 bits each, as other runtimes keep them. */
  expanded_cache_bytes: number;
}

/** Which steps are told. What is changed here while a reply is written holds from then on. */
export interface StepOptions {
  /** The least milliseconds between two that are asked to tell; of `Infinity`, none is. Default 0: all are. */
  interval?: number;
  /** How many of the likeliest tokens to tell with a step, from 0 to 20; without it, nothing is told of probabilities. */
  top_logprobs?: number;
  /** The least milliseconds between two that are to tell of probabilities, which takes some of the model's time. Default 0. */
  logprobs_interval?: number;
}

/** What only this runtime knows. */
export interface Stats {
  backend: "gpu" | "cpu";
  adapter: string;
  /** The optional features that the GPU's adapter offers, such as "subgroups" and "shader-f16". */
  adapter_features?: string[];
  /** Why the GPU is not used, where it was asked for. */
  gpu_unavailable?: string;
  /** Of the last reply; undefined before the first. */
  tokens_per_second?: number;
  time_to_first_token_ms?: number;
  /** Bytes of all weights, as the model's files have them. A step needs each of them once, but for those that it skips. */
  weight_bytes: number;
  /** Bytes of cache that conversations take. */
  cache_bytes: number;
  /** Bytes that they would take as keys and values of every head, of 16 bits each. */
  expanded_cache_bytes: number;
  context_length: number;
  /** The most memory that the core has had, of the host's, in bytes. On the CPU that includes the weights. */
  memory_bytes: number;
  /** The fraction of neurons of each layer that were not zero in the last step, for its last token. */
  density: number[];
}
