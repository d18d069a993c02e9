import { PlumeError } from "./errors.js";
import { invalid, kind } from "./invalid.js";
import { openAi, type OpenAi } from "./openai.js";
import { checkModel, checkNames, checkOptions } from "./options.js";
import { checkSignal, Replies } from "./replies.js";
import { checkMessages } from "./requests.js";
import type { Runtime } from "./runtime.js";
import { Session, type SessionOptions } from "./session.js";
import { SessionCache } from "./session-cache.js";
import { tell } from "./tell.js";
import type { LoadOptions, ModelSource, Progress, Stats } from "./types.js";

export type { CallOptions } from "./replies.js";

/** Starts a model's runtime: in a worker, or here. Each entry point of the package brings its own. */
export type Start = (model: ModelSource | undefined, options: LoadOptions) => Promise<Runtime>;

/** What a reload may be given: everything else is as it was when the model was loaded. */
export type ReloadOptions = Pick<LoadOptions, "onProgress" | "signal" | "messages">;

/** A loaded model. */
export class Plume implements OpenAi {
  readonly chat: OpenAi["chat"];
  readonly completions: OpenAi["completions"];
  readonly fetch: OpenAi["fetch"];
  private readonly disposal = new AbortController();
  private readonly replies = new Replies(() => this.runtime, this.disposal.signal);
  /** What requests run on: while the model is loaded again they wait for it. */
  private runtime: Promise<Runtime>;

  private constructor(
    runtime: Runtime,
    private readonly model: string,
    private readonly again: (chosen: ReloadOptions) => Promise<Runtime>,
  ) {
    this.runtime = Promise.resolve(runtime);
    const { chat, completions, fetch } = openAi(this.replies, model);
    this.chat = chat;
    this.completions = completions;
    this.fetch = fetch;
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

  /**
   * Opens a conversation that has a cache of its own: other requests do not push it out, and it can be saved. It takes as much memory
   * as a context's cache does; what its prompts have in common with other conversations is computed once.
   */
  async session(options?: SessionOptions | null): Promise<Session> {
    this.replies.checkAlive();
    const from = options?.from ?? undefined;
    if (from !== undefined && !(from instanceof Uint8Array || from instanceof ArrayBuffer))
      throw invalid(`from is ${kind(from)}; expected the bytes that a session's save() gave`);
    const runtime = await this.runtime;
    const number = runtime.openSession(from && new Uint8Array(from));
    await number;
    const cache = new SessionCache({ runtime, number });
    return new Session(this.replies, this.model, cache, () => this.runtime);
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

  /** As {@link dispose}, for `using`. */
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
