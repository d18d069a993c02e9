import { chatChunks, now, wholeChat } from "./chat.js";
import { completionChunks, wholeCompletion } from "./completions.js";
import { PlumeError } from "./errors.js";
import { fetchFrom } from "./fetch.js";
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionRequest,
  Completion,
  CompletionRequest,
} from "./openai-types.js";
import { checkModel, checkNames, checkOptions } from "./options.js";
import { checkSignal, Replies, type CallOptions } from "./replies.js";
import { checkChat, checkCompletion, checkMessages } from "./requests.js";
import type { Runtime } from "./runtime.js";
import { tell } from "./tell.js";
import type { LoadOptions, ModelSource, Progress, Stats } from "./types.js";

export type { CallOptions } from "./replies.js";

/** Starts a model's runtime: in a worker, or here. Each entry point of the package brings its own. */
export type Start = (model: ModelSource | undefined, options: LoadOptions) => Promise<Runtime>;

/** What a reload may be given: everything else is as it was when the model was loaded. */
export type ReloadOptions = Pick<LoadOptions, "onProgress" | "signal" | "messages">;

/** A call of OpenAI's client: a stream where the request says so, else all of the answer at once. */
interface Create<Request, Whole, Part> {
  (request: Request & { stream: true }, options?: CallOptions | null): Promise<AsyncGenerator<Part, void, undefined>>;
  (request: Request & { stream?: false | null }, options?: CallOptions | null): Promise<Whole>;
  (request: Request, options?: CallOptions | null): Promise<Whole | AsyncGenerator<Part, void, undefined>>;
}

/** A loaded model. */
export class Plume {
  /** Replies to conversations, by the fields and calls of OpenAI's client. */
  readonly chat: { completions: { create: Create<ChatCompletionRequest, ChatCompletion, ChatCompletionChunk> } };
  /** What texts go on with, by the fields and calls of OpenAI's client. */
  readonly completions: { create: Create<CompletionRequest, Completion, Completion> };
  /**
   * Takes the place of `fetch` in clients of OpenAI's interface: it answers /v1/chat/completions, /v1/completions and /v1/models, on
   * whatever server, without a network.
   */
  readonly fetch: typeof fetch;
  private readonly disposal = new AbortController();
  private readonly replies = new Replies(() => this.runtime, this.disposal.signal);
  /** What requests run on: while the model is loaded again they wait for it. */
  private runtime: Promise<Runtime>;

  private constructor(
    runtime: Runtime,
    model: string,
    private readonly again: (chosen: ReloadOptions) => Promise<Runtime>,
  ) {
    this.runtime = Promise.resolve(runtime);
    const chat = async (given: ChatCompletionRequest, options?: CallOptions | null) => {
      this.replies.checkAlive();
      const request = checkChat(given);
      const parts = this.replies.run(request, options ?? {});
      return request.stream ? chatChunks(parts, request, model) : wholeChat(parts, request, model);
    };
    const completion = async (given: CompletionRequest, options?: CallOptions | null) => {
      this.replies.checkAlive();
      const request = checkCompletion(given);
      const parts = this.replies.run(request, options ?? {});
      return request.stream ? completionChunks(parts, request, model) : wholeCompletion(parts, request, model);
    };
    this.chat = { completions: { create: chat as Plume["chat"]["completions"]["create"] } };
    this.completions = { create: completion as Plume["completions"]["create"] };
    this.fetch = fetchFrom({
      model,
      created: now(),
      chat: (request, options) => chat(request as ChatCompletionRequest, options),
      completion: (request, options) => completion(request as CompletionRequest, options),
    });
  }

  /** Loads a model with the given way to start one. Users call `Plume.load` of the package's entry points. */
  static async start(start: Start, given: ModelSource | undefined, chosen: LoadOptions | null): Promise<Plume> {
    const options = chosen ?? {};
    checkSignal(options.signal);
    const model = checkModel(given);
    checkOptions(options);
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
    const { onProgress: _, signal: __, messages: ___, ...kept } = options;
    return new Plume(await load(options), nameOf(model), (chosen) => load({ ...kept, ...chosen }));
  }

  /**
   * Loads the same model again, after errors of the code "device_lost", "out_of_device_memory" or "crashed". Conversations
   * go on afterwards as if nothing had been: requests carry their messages. Requests made meanwhile wait; replies under
   * way end with the code "disposed".
   */
  async reload(chosen?: ReloadOptions | null): Promise<void> {
    this.replies.checkAlive();
    const before = this.runtime;
    const loaded = before
      .catch(() => undefined) // The load before this one failed, and has told so.
      .then((runtime) => {
        runtime?.dispose();
        this.replies.checkAlive();
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
    this.replies.checkAlive();
    return { ...(await (await this.runtime).stats()), ...this.replies.speed };
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
}

/** What replies call a model. */
function nameOf(model: ModelSource | undefined): string {
  if (model === undefined) return "plm-tiny";
  const [file] = Array.isArray(model) ? model : [model];
  if (file instanceof File) return file.name;
  return typeof model === "string" || model instanceof URL ? String(model) : "plm";
}
