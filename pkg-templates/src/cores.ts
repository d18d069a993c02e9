// The compiled cores: one for WebGPU and four for the CPU. A page downloads the one that it runs.
import { PlumeError } from "./errors.js";
import type { GrammarBindings } from "./grammar.js";
import { multipliesBytes } from "./relaxed-simd.js";
import { bindings as grammarBindings } from "./wasm/bindings-grammar.js";
import type { PlumeEngine } from "./wasm/plume-gpu.js";

/** The names of the cores' folders. */
export type CoreName = "gpu" | "cpu" | "cpu-relaxed" | SharingCore;
/** Those whose memory workers share. */
export type SharingCore = "cpu-threads" | "cpu-relaxed-threads";

/** What has a module's file: a core, or what keeps its replies to schemas. */
export type ModuleName = CoreName | "grammar";

/** The generated bindings of a core. */
export interface Bindings extends Omit<typeof import("./wasm/plume-gpu.js"), "default" | "initSync"> {
  default(options: { module_or_path: WebAssembly.Module }): Promise<{ memory: WebAssembly.Memory }>;
}

export type { PlumeEngine };

/** What a page and Node each do in their own way. */
export interface Platform {
  /** A core's bindings, another instance after each crash. */
  bindings(name: CoreName): Bindings;
  /** A module: its bytes, or the answer of a server that has them. */
  module(name: ModuleName): Promise<BufferSource | Response>;
  /** Starts a worker that helps, and resolves once it does. On the signal it gives up. */
  startHelper(call: HelperCall, signal: AbortSignal): Promise<Helper>;
  /** Keeps the process until it is called back, where a process may end while a core's work is not done. */
  keep?(): () => void;
  /** Whether memory can be shared with workers. */
  readonly sharesMemory: boolean;
  /** How many threads run at once. */
  readonly processors: number;
}

/** What a worker is to help: a core's module and its memory. */
export interface HelperCall {
  core: SharingCore;
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
}

/** A worker that helps. */
export interface Helper {
  end(): void;
}

/** Milliseconds after which a load does not wait for a helper any longer. */
const HELPER_PATIENCE = 10_000;

/** The cores of a platform, each loaded once, and again after it has crashed. */
export class Cores {
  private readonly loaded = new Map<CoreName, Promise<Core>>();
  private grammars: Promise<GrammarBindings> | undefined;

  constructor(private readonly platform: Platform) {}

  get(name: CoreName): Promise<Core> {
    const known = this.loaded.get(name);
    if (known) return known;
    const forget = () => {
      if (this.loaded.get(name) === core) this.loaded.delete(name);
    };
    const core: Promise<Core> = Core.load(this.platform, name, forget);
    this.loaded.set(name, core);
    core.catch(forget); // The next one may have more luck.
    return core;
  }

  /** What keeps replies to schemas and grammars, loaded once. */
  grammar(): Promise<GrammarBindings> {
    this.grammars ??= this.loadGrammar().catch((error) => {
      this.grammars = undefined; // The next one may have more luck.
      throw error;
    });
    return this.grammars;
  }

  /** Has the next one get another instance, after this one crashed. */
  forgetGrammar(crashed: GrammarBindings): void {
    void this.grammars?.then((bindings) => {
      if (bindings === crashed) this.grammars = undefined;
    });
  }

  private async loadGrammar(): Promise<GrammarBindings> {
    const bindings = grammarBindings();
    try {
      await bindings.default({ module_or_path: await compile(await this.platform.module("grammar")) });
    } catch (thrown) {
      if (thrown instanceof PlumeError) throw thrown;
      const why = (thrown as Error).message;
      throw new PlumeError("http", `what keeps replies to a format could not be loaded: ${why}`, { cause: thrown });
    }
    return bindings;
  }

  /** The core for the CPU, and how many threads it has. Tests want the plain kernels too. */
  async cpu(threads = usualThreads(this.platform.processors), kernels = "auto"): Promise<[Core, number]> {
    const cpu = kernels !== "plain" && multipliesBytes() ? "cpu-relaxed" : "cpu";
    if (threads > 1 && this.platform.sharesMemory) {
      const name: SharingCore = `${cpu}-threads`;
      const core = await this.get(name).catch(() => undefined); // Where memory cannot be had in that way.
      if (core) return [core, await core.useThreads(name, threads)];
    }
    // The plain core is had where no file is.
    return [await this.get(cpu).catch(() => this.get("cpu")), 1];
  }
}

/** How many threads compute where the caller has no wish: processors that are worth it, since hyperthreads share what they need. */
function usualThreads(processors: number): number {
  return processors <= 4 ? processors : Math.min(8, Math.ceil(processors / 2));
}

/** A core, loaded. */
export class Core {
  /** Why its memory cannot be trusted any more by any model in it. */
  crash: PlumeError | undefined;
  private readonly helpers: Helper[] = [];
  private starting = Promise.resolve();

  private constructor(
    readonly bindings: Bindings,
    private readonly platform: Platform,
    private readonly module: WebAssembly.Module,
    private readonly memory: WebAssembly.Memory,
    private readonly forget: () => void,
  ) {}

  static async load(platform: Platform, name: CoreName, forget: () => void): Promise<Core> {
    const bindings = platform.bindings(name);
    const module = await compile(await platform.module(name));
    const { memory } = await bindings.default({ module_or_path: module });
    return new Core(bindings, platform, module, memory, forget);
  }

  /** Has a number of threads ready to compute together, and tells how many there are then. */
  async useThreads(name: SharingCore, threads: number): Promise<number> {
    // One caller after the other, so that none starts what another is starting.
    this.starting = this.starting.then(async () => {
      const missing = this.crash ? 0 : Math.max(0, threads - 1 - this.helpers.length);
      const signal = AbortSignal.timeout(HELPER_PATIENCE);
      const call = { core: name, module: this.module, memory: this.memory };
      const start = async () => this.platform.startHelper(call, signal);
      // With fewer it is slower, and as right.
      for (const result of await Promise.allSettled(Array.from({ length: missing }, start)))
        if (result.status === "fulfilled") this.helpers.push(result.value);
      if (this.crash) this.endHelpers();
    });
    await this.starting;
    return Math.min(threads, this.helpers.length + 1);
  }

  /** Does something with the core: whatever waits for it goes on waiting, as long as it takes. */
  async during<T>(work: () => T | Promise<T>): Promise<T> {
    const release = this.platform.keep?.();
    try {
      if (this.crash) throw this.crash;
      const result = await work();
      if (this.crash) throw this.crash; // Of another model: what this one has found is worth nothing.
      return result;
    } catch (thrown) {
      const error = PlumeError.from(thrown);
      if (error.code === "crashed" && !this.crash) {
        this.crash = new PlumeError("crashed", `the model crashed and must be loaded again: ${error.message}`, {
          cause: error,
        });
        this.endHelpers();
        this.forget();
      }
      throw error;
    } finally {
      release?.();
    }
  }

  private endHelpers(): void {
    this.helpers.splice(0).forEach((helper) => helper.end());
  }
}

/** Compiles, while bytes come where the server says what they are. */
async function compile(source: BufferSource | Response): Promise<WebAssembly.Module> {
  if (!(source instanceof Response)) return WebAssembly.compile(source);
  if (!source.ok) throw new PlumeError("http", `${source.url}: the server answered ${source.status}`);
  if (source.headers.get("content-type") === "application/wasm") return WebAssembly.compileStreaming(source);
  return WebAssembly.compile(await source.arrayBuffer());
}
