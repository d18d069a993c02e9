import { PlumeError } from "./errors.js";
import { LoadControl } from "./load-control.js";
import type { CoreRequest, CoreUsage, Runtime } from "./runtime.js";
import { Turns } from "./turns.js";
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionRequest,
  ChatMessage,
  FinishReason,
  LoadOptions,
  ModelSource,
  Progress,
  PromptProgress,
  Stats,
  Usage,
} from "./types.js";

/** Starts a model's runtime: in a worker, or here. Each entry point of the package brings its own. */
export type Start = (model: ModelSource | undefined, options: LoadOptions) => Promise<Runtime>;

/** What a reload may be given: everything else is as it was when the model was loaded. */
export type ReloadOptions = Pick<LoadOptions, "onProgress" | "signal" | "messages">;

/** What a single call may be given beside the request. */
export interface CallOptions {
  /** Told when the prompt's length is known, then after each part of a long prompt, at last with `processed` equal to `total`. */
  onPromptProgress?: (progress: PromptProgress) => void;
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
  private readonly turns = new Turns();
  private readonly disposal = new AbortController();
  private speed: Pick<Stats, "tokens_per_second" | "time_to_first_token_ms"> = {};
  /** What requests run on: while the model is loaded again they wait for it. */
  private runtime: Promise<Runtime>;

  private constructor(
    runtime: Runtime,
    private readonly model: string,
    private readonly again: (chosen: ReloadOptions) => Promise<Runtime>,
  ) {
    this.runtime = Promise.resolve(runtime);
    const create = async (request: ChatCompletionRequest, options?: CallOptions | null) => {
      this.checkAlive();
      const core = check(request);
      const chunks = this.reply(core, options ?? {});
      return request.stream ? chunks : whole(chunks);
    };
    this.chat = { completions: { create: create as Create } };
  }

  /** Loads a model with the given way to start one. Users call `Plume.load` of the package's entry points. */
  static async start(start: Start, given: ModelSource | undefined, chosen: LoadOptions | null): Promise<Plume> {
    const options = chosen ?? {};
    checkSignal(options.signal);
    const model = checkModel(given);
    checkDevice(options);
    checkContextLength(options.context_length);
    checkPatience(options.patience);
    checkHub(options);
    checkSource(options);
    const load = async ({ onProgress, signal, messages, ...others }: LoadOptions) => {
      let last: Progress = { phase: "read", loaded: 0, total: 0 };
      const report = (progress: Progress) => {
        last = progress;
        tell(onProgress, progress);
      };
      checkSignal(signal);
      checkNames(others);
      const beginning = messages == null ? {} : { messages: checkMessages(messages) };
      const runtime = await start(model, { ...others, ...beginning, ...(signal && { signal }), onProgress: report });
      try {
        checkSignal(signal);
      } catch (error) {
        runtime.dispose();
        throw error;
      }
      report({ phase: "ready", loaded: last.total, total: last.total });
      return runtime;
    };
    const name = typeof model === "string" || model instanceof URL ? String(model) : "plm";
    const { onProgress: _, signal: __, messages: ___, ...kept } = options;
    return new Plume(await load(options), name, (chosen) => load({ ...kept, ...chosen }));
  }

  /**
   * Loads the same model again, after errors of the code "device_lost", "out_of_device_memory" or "crashed". Conversations
   * go on afterwards as if nothing had been: requests carry their messages. Requests made meanwhile wait; replies under
   * way end with the code "disposed".
   */
  async reload(chosen?: ReloadOptions | null): Promise<void> {
    this.checkAlive();
    const before = this.runtime;
    const loaded = before
      .catch(() => undefined) // The load before this one failed, and has told so.
      .then((runtime) => {
        runtime?.dispose();
        this.checkAlive();
        return this.again(chosen ?? {});
      })
      .then((runtime) => {
        if (!this.disposal.signal.aborted) return runtime;
        runtime.dispose();
        throw new PlumeError("disposed", "this model was disposed of");
      });
    this.runtime = loaded;
    await loaded;
  }

  /** What only this runtime knows. May be asked while a reply is under way. */
  async stats(): Promise<Stats> {
    this.checkAlive();
    return { ...(await (await this.runtime).stats()), ...this.speed };
  }

  /** Frees the model. Replies under way end with the code "disposed". */
  dispose(): void {
    if (this.disposal.signal.aborted) return;
    this.disposal.abort();
    this.runtime.then(
      (runtime) => runtime.dispose(),
      () => {}, // A load that failed left nothing.
    );
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  private checkAlive(): void {
    if (this.disposal.signal.aborted) throw new PlumeError("disposed", "this model was disposed of");
  }

  private async *reply(
    request: CoreRequest,
    { onPromptProgress, signal }: CallOptions,
  ): AsyncGenerator<ChatCompletionChunk> {
    const reply = {};
    // A reply stays with the runtime that began it.
    let runtime: Runtime | undefined;
    let number: number | undefined;
    const leave = () => {
      this.turns.leave(reply);
      if (number !== undefined) runtime?.end(number);
    };
    // Also while nobody reads: the next reply must not wait for this one then.
    const ended = AbortSignal.any(signal ? [signal, this.disposal.signal] : [this.disposal.signal]);
    ended.addEventListener("abort", leave, { once: true });
    const check = () => {
      checkSignal(signal);
      this.checkAlive();
    };
    const use = async <T>(task: () => Promise<T>): Promise<T> => {
      check();
      return this.turns.use(reply, ended, task).catch((error: unknown) => {
        check();
        throw error;
      });
    };
    let processed = -1;
    const report = ({ processed_tokens, prompt_tokens, cached_tokens }: CoreUsage) => {
      check();
      if (processed_tokens <= processed) return;
      processed = processed_tokens;
      tell(onPromptProgress, { processed, total: prompt_tokens, cached: cached_tokens });
      check();
    };
    try {
      const head = {
        id: `chatcmpl-${randomId()}`,
        object: "chat.completion.chunk" as const,
        created: Math.floor(Date.now() / 1000),
        model: this.model,
      };
      const started = performance.now();
      const begun = await use(async () => (runtime = await this.runtime).begin(request));
      number = begun.reply;
      report(begun.usage);
      yield { ...head, choices: [{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }] };
      let first: number | undefined;
      // The model's own time, not that of the reader between two parts.
      let later = 0;
      for (;;) {
        const asked = performance.now();
        const { text, finish_reason, usage } = await use(() => runtime!.step(number!));
        const now = performance.now();
        report(usage);
        if (first !== undefined) later += now - asked;
        else if (usage.completion_tokens > 0) first = now;
        if (first !== undefined) {
          const tokens = usage.completion_tokens - 1;
          this.speed = { time_to_first_token_ms: first - started };
          if (tokens > 0 && later > 0) this.speed.tokens_per_second = tokens / (later / 1000);
        }
        const delta = text ? { content: text } : {};
        const last = finish_reason === null ? {} : { usage: openAiUsage(usage) };
        if (text || finish_reason) yield { ...head, choices: [{ index: 0, delta, finish_reason }], ...last };
        if (finish_reason) return;
      }
    } finally {
      ended.removeEventListener("abort", leave);
      leave();
    }
  }
}

/** Calls a listener. Where it throws, its mistake is shown, and what it listens to goes on. */
function tell<T>(listener: ((value: T) => void) | undefined, value: T): void {
  try {
    listener?.(value);
  } catch (error) {
    (globalThis.reportError ?? console.error)(error);
  }
}

/** Throws where the caller has aborted. */
function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new PlumeError("aborted", "aborted by the caller", { cause: signal.reason });
}

/** Not crypto.randomUUID, which pages over plain http do not have. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const invalid = (message: string) => new PlumeError("invalid_request", message);

/** What a value is, for messages. */
const kind = (value: unknown) =>
  value === null ? "null" : Array.isArray(value) ? "a list" : `of type ${typeof value}`;

function checkModel(model: ModelSource | undefined): ModelSource | undefined {
  if (model === undefined || typeof model === "string" || model instanceof URL || model instanceof Blob) return model;
  if (model instanceof ArrayBuffer || ArrayBuffer.isView(model)) return new Blob([model]);
  const files = typeof FileList !== "undefined" && model instanceof FileList ? Array.from(model) : model;
  if (!Array.isArray(files))
    throw invalid(`the model is ${kind(files)}; expected a name, a URL, a Blob, bytes or a list of Files`);
  if (files.length === 0 || !files.every((file) => file instanceof File))
    throw invalid("the list of a model's files is empty, or has something that is no File");
  return files;
}

/** What a load may be given, and for tests "kernels". */
const OPTIONS =
  "onProgress signal device threads context_length messages patience hub token sha256 cache control kernels".split(" ");

function checkNames(options: object): void {
  const unknown = Object.entries(options).find(([name, value]) => !OPTIONS.includes(name) && value !== undefined);
  if (unknown)
    throw invalid(`the option ${unknown[0]} is not known; expected one of ${OPTIONS.slice(0, -1).join(", ")}`);
}

function checkContextLength(length: unknown): void {
  if (length !== undefined && !(Number.isSafeInteger(length) && (length as number) > 0 && (length as number) < 2 ** 32))
    throw invalid(`context_length is ${show(length)}; expected a whole number from 1`);
}

function checkDevice({ device, threads }: LoadOptions): void {
  if (device !== undefined && !["auto", "gpu", "cpu"].includes(device))
    throw invalid(`device is ${show(device)}; expected "auto", "gpu" or "cpu"`);
  if (threads !== undefined && !(Number.isSafeInteger(threads) && threads >= 1 && threads <= 64))
    throw invalid(`threads is ${show(threads)}; expected a whole number from 1 to 64`);
}

function checkPatience(patience: unknown): void {
  if (patience !== undefined && !(typeof patience === "number" && patience >= 1 && patience < Infinity))
    throw invalid(`patience is ${show(patience)}; expected at least 1 second`);
}

function checkHub({ hub, token }: LoadOptions): void {
  if (hub !== undefined && !(typeof hub === "string" && /^https?:\/\//.test(hub)))
    throw invalid(`hub is ${show(hub)}; expected an http URL`);
  if (token !== undefined && (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)))
    throw invalid("token is not a string that a header can have"); // What it is stays out of messages.
}

function checkSource({ sha256, cache, control }: LoadOptions): void {
  if (sha256 !== undefined && (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/i.test(sha256)))
    throw invalid(`sha256 is ${show(sha256)}; expected 64 hexadecimal digits`);
  if (cache !== undefined && typeof cache !== "boolean" && typeof cache !== "string")
    throw invalid(`cache is ${show(cache)}; expected true, false or, in Node, a folder`);
  if (control !== undefined && !(control instanceof LoadControl))
    throw invalid(`control is ${show(control)}; expected a LoadControl`);
}

/** A value in a message; no value's own code is run. */
const show = (value: unknown) =>
  typeof value === "object" || typeof value === "function" ? kind(value) : String(value);

function openAiUsage({ cached_tokens, processed_tokens: _, ...usage }: CoreUsage): Usage {
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

const FIELDS = [
  "max_tokens",
  "temperature",
  "top_k",
  "top_p",
  "min_p",
  "repetition_penalty",
  "frequency_penalty",
  "presence_penalty",
  "seed",
] as const;

function checkMessages(messages: unknown): ChatMessage[] {
  if (!Array.isArray(messages)) throw invalid(`messages is ${kind(messages)}; expected a list of messages`);
  return Array.from(messages, (message: Partial<ChatMessage> | null | undefined, index) => {
    const { role, content, ...others } = message ?? {};
    for (const [field, value] of Object.entries({ role, content }))
      if (typeof value !== "string") throw invalid(`messages[${index}].${field} is ${kind(value)}; expected a string`);
    const other = Object.entries(others).find(([, value]) => value != null);
    if (other) throw invalid(`messages[${index}].${other[0]} is not supported`);
    return { role, content } as ChatMessage;
  });
}

/** Refuses what this version does not know, and turns the rest into the core's request. */
function check(request: ChatCompletionRequest): CoreRequest {
  if (typeof request !== "object" || request === null)
    throw invalid(`the request is ${kind(request)}; expected an object`);
  const known = new Set<string>(["messages", "stream", "stop", "model", ...FIELDS]);
  const unknown = Object.entries(request).filter(
    ([name, value]) => !known.has(name) && value != null && !(name === "n" && value === 1),
  );
  if (unknown.length > 0) throw invalid(`${unknown[0]![0]} is not supported`);
  if (request.stream != null && typeof request.stream !== "boolean")
    throw invalid(`stream is ${show(request.stream)}; expected true or false`);
  const messages = checkMessages(request.messages);
  const stop = request.stop == null ? [] : [request.stop].flat();
  if (stop.some((text) => typeof text !== "string")) throw invalid("stop is not a string or a list of strings");
  const core: CoreRequest = { messages, stop, seed: Math.floor(Math.random() * Number.MAX_SAFE_INTEGER) };
  for (const name of FIELDS) {
    const value = request[name];
    if (value == null) continue;
    const whole = name === "max_tokens" || name === "top_k" || name === "seed";
    const usable =
      typeof value === "number" && Number.isFinite(value) && (!whole || (Number.isSafeInteger(value) && value >= 0));
    if (!usable) throw invalid(`${name} is ${show(value)}; expected a ${whole ? "whole number from 0" : "number"}`);
    // The core counts in 32 bits; what is more than a context or a vocabulary can have means all of it.
    core[name] = whole && name !== "seed" ? Math.min(value, 2 ** 32 - 1) : value;
  }
  return core;
}
