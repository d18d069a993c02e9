import type { Core, Cores, PlumeEngine } from "./cores.js";
import { PlumeError } from "./errors.js";
import { Formats, type Format, type Kept } from "./grammar.js";
import { Rate } from "./rate.js";
import { Rest } from "./rest.js";
import { restoreSession, saveSession } from "./saved-session.js";
import { Serial } from "./serial.js";
import { Store, type Medium } from "./store.js";
import type { ChatMessage, FinishReason, LoadOptions, ModelSource, Progress, Stats, TokenLogprob } from "./types.js";

/** A request as the core takes it. */
export interface CoreRequest {
  /** Without one, the cache that all such requests share. */
  session?: number;
  /** One of these three. */
  messages?: { role: ChatMessage["role"]; content: string }[];
  prompt?: string;
  prompt_tokens?: number[];
  max_tokens?: number;
  temperature?: number;
  top_k?: number;
  top_p?: number;
  min_p?: number;
  repetition_penalty?: number;
  frequency_penalty?: number;
  presence_penalty?: number;
  seed?: number;
  stop: string[];
  logit_bias?: [number, number][];
  top_logprobs?: number;
}

/** The core's own counts. */
export interface CoreUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  cached_tokens: number;
  processed_tokens: number;
}

/** A reply that has begun. */
export interface Begun {
  reply: number;
  usage: CoreUsage;
}

/** One piece of a reply. */
export interface Piece {
  text: string;
  logprobs: TokenLogprob[];
  /** What a step tells, as the core gives it. */
  token?: string;
  activity?: Float64Array;
  token_logprobs?: TokenLogprob;
  finish_reason: FinishReason | null;
  usage: CoreUsage;
}

/** What a step tells, beside what it took. */
export interface Tells {
  /** How many of the likeliest tokens, if any. */
  top_logprobs?: number | undefined;
}

/** A loaded model, in this thread or behind a worker. Replies have numbers. */
export interface Runtime {
  /** Begins a reply, which keeps to a format, if there is one. */
  begin(request: CoreRequest, format?: Format): Promise<Begun>;
  /** What a step runs that tells something is told, in this piece or in a later one. */
  step(reply: number, tells?: Tells): Promise<Piece>;
  /** Forgets a reply. */
  end(reply: number): void;
  /** Opens a session, with what was saved of another one where that is given. */
  openSession(saved?: Uint8Array): Promise<number>;
  saveSession(session: number): Promise<Uint8Array<ArrayBuffer>>;
  closeSession(session: number): void;
  stats(): Promise<Stats>;
  dispose(): void;
}

/** What the core tells and asks while it loads. */
interface LoadHost {
  /** Bytes of the files that have the weights: those that were read, all, and those that came from a server. */
  progress(loaded: number, total: number, fetched: number): void;
  /** A request has failed and is made again, while nothing comes; without a reason: something comes again. */
  retrying(why?: string): void;
  /** What to wait for before anything more is downloaded, if there is something. */
  paused(): Promise<void> | undefined;
}

/** Where a model is loaded from and by what. */
export interface Origin {
  cores: Cores;
  model: ModelSource;
  /** Where what is downloaded is kept. */
  medium?: Medium | undefined;
}

/** Loads a model on this thread: on the GPU where there is one, or else with the core for the CPU. */
export async function loadHere(origin: Origin, options: LoadOptions): Promise<Runtime> {
  const { device = "auto" } = options;
  let gpu_unavailable;
  if (device !== "cpu") {
    const adapter = await findAdapter();
    // The core for the GPU is not even loaded where it would be of no use.
    gpu_unavailable = device === "auto" ? whyNotOn(adapter) : undefined;
    if (gpu_unavailable === undefined)
      try {
        return await loadOn(await origin.cores.get("gpu"), origin, options, { device: "gpu", threads: 1, adapter });
      } catch (error) {
        if (device === "gpu" || !(error instanceof PlumeError && error.code === "no_webgpu")) throw error;
        gpu_unavailable = error.message;
      }
  }
  const [core, threads] = await origin.cores.cpu(options.threads, (options as { kernels?: string }).kernels);
  return loadOn(core, origin, options, { device: "cpu", threads, gpu_unavailable });
}

/** Why a model is not to run on a GPU that was found, or not, if there is a reason. */
function whyNotOn(adapter: FoundAdapter | undefined): string | undefined {
  if (!adapter)
    return globalThis.navigator && "gpu" in navigator
      ? "no adapter was found; there is no GPU driver, or the browser keeps WebGPU off"
      : "this browser or runtime has no navigator.gpu";
  // Shaders that a processor has to emulate are many times slower than the core for the CPU.
  if (adapter.software) return `WebGPU has only a software adapter here, ${adapter.name}, which is slower`;
  return undefined;
}

/** What a core runs on, and what it cannot know of that. */
interface Device {
  device: "gpu" | "cpu";
  threads: number;
  adapter?: FoundAdapter | undefined;
  gpu_unavailable?: string | undefined;
}

/** Loads a model into a core. */
async function loadOn(
  core: Core,
  { cores, model, medium }: Origin,
  {
    onProgress,
    signal,
    context_length,
    messages = [],
    patience = 120,
    hub = "https://huggingface.co",
    token,
    sha256,
    control,
    ...others
  }: LoadOptions,
  { device, threads, adapter, gpu_unavailable }: Device,
): Promise<Runtime> {
  const store = medium && new Store(medium, core.bindings.checksum, signal);
  try {
    const rate = new Rate();
    let last: Progress = { phase: "download", loaded: 0, total: 0 };
    const host: LoadHost = {
      progress(loaded, total, fetched) {
        last = { phase: fetched > 0 ? "download" : "read", loaded, total };
        onProgress?.({ ...last, ...rate.of(loaded, total) });
      },
      retrying(why) {
        onProgress?.({ ...last, ...(why !== undefined && { retrying: why }) });
      },
      paused: () => control?.waiting(signal),
    };
    const source = model instanceof URL ? model.href : model;
    const load = () =>
      core.bindings.loadEngine(
        source,
        {
          device,
          threads,
          subgroups: adapter?.subgroups === true,
          // Not for users, who would only make it slower: tests see with it that every kernel runs everywhere.
          kernels: (others as { kernels?: string }).kernels ?? "auto",
          context_length,
          messages,
          patience,
          hub,
          token,
          sha256,
        },
        host,
        signal ?? null,
        store ?? null,
      );
    const engine = await core.during(() => (adapter?.subgroups ? withSubgroups(adapter.prototype, load) : load()));
    return new LocalRuntime(engine, core, cores, {
      ...(adapter && { adapter: adapter.name, adapter_features: adapter.features }),
      ...(gpu_unavailable && { gpu_unavailable }),
    });
  } catch (thrown) {
    const error = PlumeError.from(thrown);
    if (error.code === "crashed") store?.close();
    throw error;
  }
}

interface GpuAdapter {
  features: ReadonlySet<string>;
  info: { vendor: string; architecture: string; description: string; isFallbackAdapter?: boolean };
  requestDevice(descriptor?: { requiredFeatures?: Iterable<string> }): Promise<unknown>;
}

interface FoundAdapter {
  name: string;
  software: boolean;
  features: string[];
  subgroups: boolean;
  prototype: GpuAdapter;
}

/** What the browser tells of the adapter that the core asks for too; the core's library drops most of it. */
async function findAdapter(): Promise<FoundAdapter | undefined> {
  const { gpu } = (globalThis.navigator ?? {}) as {
    gpu?: { requestAdapter(options: object): Promise<GpuAdapter | null> };
  };
  const adapter = await gpu?.requestAdapter({ powerPreference: "high-performance" }).catch(() => null);
  if (!adapter) return undefined;
  const { vendor, architecture, description, isFallbackAdapter } = adapter.info;
  return {
    name: description || [vendor, architecture].filter(Boolean).join(" ") || "unnamed adapter",
    software: isFallbackAdapter === true,
    features: [...adapter.features].sort(),
    subgroups: adapter.features.has("subgroups"),
    prototype: Object.getPrototypeOf(adapter) as GpuAdapter,
  };
}

let loading = 0;
let restore = () => {};

/**
 * While `load` runs, devices are asked for with the feature "subgroups" where their adapter has it: the core's library
 * does not know its name in a browser.
 */
async function withSubgroups<T>(prototype: GpuAdapter, load: () => Promise<T>): Promise<T> {
  if (loading++ === 0) {
    const { requestDevice } = prototype;
    restore = () => (prototype.requestDevice = requestDevice);
    prototype.requestDevice = function (descriptor) {
      const added = this.features.has("subgroups") ? ["subgroups"] : [];
      const requiredFeatures = [...(descriptor?.requiredFeatures ?? []), ...added];
      return requestDevice.call(this, { ...descriptor, requiredFeatures });
    };
  }
  try {
    return await load();
  } finally {
    if (--loading === 0) restore();
  }
}

class LocalRuntime implements Runtime {
  /** The core must not be entered while a call of it waits for the device. */
  private readonly calls = new Serial();
  private readonly rest = new Rest();
  private readonly formats: Formats;
  /** What replies keep to, by their numbers. */
  private readonly kept = new Map<number, Kept>();
  private disposed = false;

  constructor(
    private readonly engine: PlumeEngine,
    private readonly core: Core,
    private readonly cores: Cores,
    /** What the core cannot know. */
    private readonly found: Partial<Pick<Stats, "adapter" | "adapter_features" | "gpu_unavailable">>,
  ) {
    this.formats = new Formats(cores, engine);
  }

  async begin(request: CoreRequest, format?: Format): Promise<Begun> {
    // Not in the core's turn, which others wait for: it may have to be downloaded, and that may fail.
    const bindings = format && (await this.cores.grammar());
    return this.call(() => {
      const kept = bindings && this.formats.keep(bindings, format!);
      let reply;
      try {
        reply = this.engine.begin(request, kept);
      } catch (error) {
        kept?.free();
        throw error;
      }
      if (kept) this.kept.set(reply, kept);
      return { reply, usage: this.engine.usage(reply) as CoreUsage };
    });
  }

  step(reply: number, tells?: Tells): Promise<Piece> {
    return this.call(async () => {
      await this.rest.whereDue();
      const piece = (await this.engine.step(reply, tells !== undefined, tells?.top_logprobs)) as Omit<Piece, "usage">;
      return { ...piece, usage: this.engine.usage(reply) as CoreUsage };
    });
  }

  end(reply: number): void {
    const end = () => {
      this.engine.end(reply);
      this.kept.get(reply)?.free();
      this.kept.delete(reply);
    };
    this.call(end).catch(() => {}); // After a crash there is nothing to forget.
  }

  openSession(saved?: Uint8Array): Promise<number> {
    return this.call(() => (saved ? restoreSession(this.engine, saved) : this.engine.openSession()));
  }

  saveSession(session: number): Promise<Uint8Array<ArrayBuffer>> {
    return this.call(() => saveSession(this.engine, session));
  }

  closeSession(session: number): void {
    this.call(() => this.engine.closeSession(session)).catch(() => {}); // After a crash there is nothing to free.
  }

  stats(): Promise<Stats> {
    return this.call(async () => {
      const stats = (await this.engine.stats()) as Stats;
      const { adapter, adapter_features, gpu_unavailable } = this.found;
      if (stats.backend === "gpu" && adapter) stats.adapter = `WebGPU: ${adapter}`;
      if (stats.backend === "gpu" && adapter_features) stats.adapter_features = adapter_features;
      if (gpu_unavailable) stats.gpu_unavailable = gpu_unavailable;
      return stats;
    });
  }

  dispose(): void {
    const free = () => {
      this.engine.free();
      this.kept.forEach((kept) => kept.free());
      this.formats.free();
    };
    this.call(free).catch(() => {}); // After a crash there is nothing left to free.
    this.disposed = true;
  }

  private call<T>(task: () => T | Promise<T>): Promise<T> {
    if (this.disposed) return Promise.reject(new PlumeError("disposed", "this model was disposed of"));
    const guarded = () => {
      if (this.core.crash) throw this.core.crash; // While it waited for its turn.
      return task();
    };
    return this.core.during(() => this.calls.run(guarded));
  }
}
