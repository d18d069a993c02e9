import { PlumeError } from "./errors.js";
import type { CoreRequest, CoreUsage, Runtime } from "./runtime.js";
import { Serial } from "./serial.js";
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionRequest,
  ChatMessage,
  FinishReason,
  LoadOptions,
  ModelSource,
  Progress,
  Stats,
  Usage,
} from "./types.js";

/** Starts a model's runtime: in a worker, or here. Each entry point of the package brings its own. */
export type Start = (model: ModelSource | undefined, options: LoadOptions) => Promise<Runtime>;

/** What a single call may be given beside the request. */
export interface CallOptions {
  signal?: AbortSignal;
}

interface Create {
  (
    request: ChatCompletionRequest & { stream: true },
    options?: CallOptions,
  ): Promise<AsyncIterable<ChatCompletionChunk>>;
  (request: ChatCompletionRequest & { stream?: false }, options?: CallOptions): Promise<ChatCompletion>;
}

/** A loaded model. */
export class Plume {
  /** The fields and calls of OpenAI's client. */
  readonly chat: { completions: { create: Create } };
  /** One reply at a time. */
  private readonly turns = new Serial();
  private speed: Pick<Stats, "tokens_per_second" | "time_to_first_token_ms"> = {};
  private disposed = false;

  private constructor(
    private readonly runtime: Runtime,
    private readonly model: string,
  ) {
    const create = async (request: ChatCompletionRequest, options: CallOptions = {}) => {
      const core = check(request);
      const chunks = this.reply(core, options.signal);
      return request.stream ? chunks : whole(chunks);
    };
    this.chat = { completions: { create: create as Create } };
  }

  /** Loads a model with the given way to start one. Users call `Plume.load` of the package's entry points. */
  static async start(start: Start, model: ModelSource | undefined, options: LoadOptions): Promise<Plume> {
    if (options.signal?.aborted) throw new PlumeError("aborted", "aborted by the caller");
    let last: Progress = { phase: "download", loaded: 0, total: 0 };
    const onProgress = (progress: Progress) => {
      last = progress;
      try {
        options.onProgress?.(progress);
      } catch (error) {
        // The load goes on; the mistake is shown, not lost.
        (globalThis.reportError ?? console.error)(error);
      }
    };
    const runtime = await start(model, { ...options, onProgress });
    onProgress({ ...last, phase: "ready" });
    const name = typeof model === "string" || model instanceof URL ? String(model) : "plm";
    return new Plume(runtime, name);
  }

  /** What only this runtime knows. May be asked while a reply is under way. */
  async stats(): Promise<Stats> {
    this.checkAlive();
    return { ...(await this.runtime.stats()), ...this.speed };
  }

  /** Frees the model. Replies under way end with the code "disposed". */
  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.runtime.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  private checkAlive(): void {
    if (this.disposed) throw new PlumeError("disposed", "this model was disposed of");
  }

  private async *reply(request: CoreRequest, signal?: AbortSignal): AsyncGenerator<ChatCompletionChunk> {
    // The turn is taken when the reader starts, and given back when it ends, however it ends.
    let release = () => {};
    await new Promise<void>((begin) => {
      void this.turns.run(() => {
        begin();
        return new Promise<void>((resolve) => (release = resolve));
      });
    });
    const head = {
      id: `chatcmpl-${crypto.randomUUID()}`,
      object: "chat.completion.chunk" as const,
      created: Math.floor(Date.now() / 1000),
      model: this.model,
    };
    const check = () => {
      this.checkAlive();
      if (signal?.aborted) throw new PlumeError("aborted", "aborted by the caller", { cause: signal.reason });
    };
    try {
      check();
      const started = performance.now();
      let first: number | undefined;
      await this.runtime.begin(request);
      yield { ...head, choices: [{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }] };
      for (;;) {
        check();
        const { text, finish_reason, usage } = await this.runtime.step();
        const now = performance.now();
        if (usage.completion_tokens > 0) first ??= now;
        if (first !== undefined) {
          const later = usage.completion_tokens - 1;
          this.speed = { time_to_first_token_ms: first - started };
          if (later > 0 && now > first) this.speed.tokens_per_second = later / ((now - first) / 1000);
        }
        const delta = text ? { content: text } : {};
        const last = finish_reason === null ? {} : { usage: openAiUsage(usage) };
        if (text || finish_reason) yield { ...head, choices: [{ index: 0, delta, finish_reason }], ...last };
        if (finish_reason) return;
      }
    } finally {
      release();
    }
  }
}

function openAiUsage({ cached_tokens, ...usage }: CoreUsage): Usage {
  return { ...usage, prompt_tokens_details: { cached_tokens } };
}

async function whole(chunks: AsyncIterable<ChatCompletionChunk>): Promise<ChatCompletion> {
  let content = "";
  let last: ChatCompletionChunk | undefined;
  for await (const chunk of chunks) {
    content += chunk.choices[0].delta.content ?? "";
    last = chunk;
  }
  const { id, created, model, choices, usage } = last!; // A reply has at least its first chunk.
  const finish_reason = choices[0].finish_reason as FinishReason;
  return {
    id,
    object: "chat.completion",
    created,
    model,
    choices: [{ index: 0, message: { role: "assistant", content }, finish_reason }],
    usage: usage!,
  };
}

const FIELDS = ["max_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed"] as const;

/** What a value is, for messages. */
const kind = (value: unknown) => (value === null ? "null" : typeof value);

/** Refuses what this version does not know, and turns the rest into the core's request. */
function check(request: ChatCompletionRequest): CoreRequest {
  const invalid = (message: string) => new PlumeError("invalid_request", message);
  const known = new Set<string>(["messages", "stream", "stop", "model", ...FIELDS]);
  if (typeof request !== "object" || request === null)
    throw invalid(`the request is ${kind(request)}; expected an object`);
  const unknown = Object.entries(request).filter(([name, value]) => !known.has(name) && value != null);
  if (unknown.length > 0) throw invalid(`${unknown[0]![0]} is not supported`);
  if (!Array.isArray(request.messages)) throw invalid("messages is missing; expected a list of messages");
  const messages = request.messages.map((message: Partial<ChatMessage> | null, index) => {
    const { role, content } = message ?? {};
    for (const [field, value] of Object.entries({ role, content }))
      if (typeof value !== "string") throw invalid(`messages[${index}].${field} is ${kind(value)}; expected a string`);
    return { role, content } as ChatMessage;
  });
  const stop = request.stop == null ? [] : [request.stop].flat();
  if (stop.some((text) => typeof text !== "string")) throw invalid("stop is not a string or a list of strings");
  const core: CoreRequest = { messages, stop, seed: Math.floor(Math.random() * Number.MAX_SAFE_INTEGER) };
  for (const name of FIELDS) {
    const value = request[name];
    if (value == null) continue;
    const whole = name === "max_tokens" || name === "top_k" || name === "seed";
    const usable =
      typeof value === "number" && Number.isFinite(value) && (!whole || (Number.isSafeInteger(value) && value >= 0));
    if (!usable) throw invalid(`${name} is ${String(value)}; expected a ${whole ? "whole number from 0" : "number"}`);
    // The core counts in 32 bits; what is more than a context or a vocabulary can have means all of it.
    core[name] = whole && name !== "seed" ? Math.min(value, 2 ** 32 - 1) : value;
  }
  return core;
}
