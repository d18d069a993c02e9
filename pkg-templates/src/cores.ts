// The compiled cores: one for WebGPU and two for the CPU. A page downloads the one that it runs.
import { PlumeError } from "./errors.js";
import type { PlumeEngine } from "./wasm/gpu/plume.js";

/** The names of the cores' folders. */
export type CoreName = "gpu" | "cpu" | "cpu-threads";

/** The generated bindings of a core. */
export interface Bindings extends Omit<typeof import("./wasm/gpu/plume.js"), "default" | "initSync"> {
  default(options: { module_or_path: WebAssembly.Module }): Promise<{ memory: WebAssembly.Memory }>;
  /** Only "cpu-threads" has it. */
  setThreads?(threads: number): void;
}

export type { PlumeEngine };

/** A core, loaded. */
export interface Core {
  bindings: Bindings;
  /** Has a number of threads compute together, and tells how many there are then. */
  useThreads(threads: number): Promise<number>;
  /** Does something with the core: whatever waits for it goes on waiting, as long as it takes. */
  during<T>(work: () => Promise<T>): Promise<T>;
  /** To be told when it has crashed: its memory can then not be trusted by any model in it. */
  onCrash(): void;
}

/** What a page and Node each do in their own way. */
export interface Platform {
  /** A core's bindings, another instance after each crash. */
  bindings(name: CoreName): Promise<Bindings>;
  /** A core's module: its bytes, or the answer of a server that has them. */
  module(name: CoreName): Promise<BufferSource | Response>;
  /** Starts a worker that helps the cores of this module and memory, and resolves once it does. */
  startHelper(module: WebAssembly.Module, memory: WebAssembly.Memory): Promise<Helper>;
  /** Keeps the process until it is called back, where a process may end while a core's work is not done. */
  keep?(): () => void;
  /** Whether memory can be shared with workers. */
  readonly sharesMemory: boolean;
}

/** A worker that helps. */
export interface Helper {
  end(): void;
}

/** The cores of a platform, each loaded once, and again after it has crashed. */
export class Cores {
  private readonly loaded = new Map<CoreName, Promise<Core>>();

  constructor(private readonly platform: Platform) {}

  get(name: CoreName): Promise<Core> {
    const known = this.loaded.get(name);
    if (known) return known;
    const core: Promise<Core> = load(this.platform, name, () => this.forget(name, core));
    this.loaded.set(name, core);
    core.catch(() => this.forget(name, core)); // The next one may have more luck.
    return core;
  }

  /** The core for the CPU, and how many threads it has. */
  async cpu(threads = usualThreads()): Promise<[Core, number]> {
    if (threads > 1 && this.platform.sharesMemory) {
      const core = await this.get("cpu-threads").catch(() => undefined); // Where memory cannot be had in that way.
      if (core) return [core, await core.useThreads(threads)];
    }
    return [await this.get("cpu"), 1];
  }

  private forget(name: CoreName, core: Promise<Core>): void {
    if (this.loaded.get(name) === core) this.loaded.delete(name);
  }
}

/** How many threads compute where the caller has no wish: processors that are worth it, since hyperthreads share what they need. */
function usualThreads(): number {
  const processors = globalThis.navigator?.hardwareConcurrency ?? 1;
  return processors <= 4 ? processors : Math.min(8, Math.ceil(processors / 2));
}

async function load(platform: Platform, name: CoreName, onCrash: () => void): Promise<Core> {
  const bindings = await platform.bindings(name);
  const module = await compile(await platform.module(name));
  const { memory } = await bindings.default({ module_or_path: module });
  const helpers: Helper[] = [];
  let starting = Promise.resolve();
  return {
    bindings,
    async useThreads(threads) {
      // One caller after the other, so that none starts what another is starting.
      starting = starting.then(async () => {
        const missing = Math.max(0, threads - 1 - helpers.length);
        const started = Array.from({ length: missing }, async () => platform.startHelper(module, memory));
        for (const result of await Promise.allSettled(started))
          if (result.status === "fulfilled") helpers.push(result.value); // With fewer it is slower, and as right.
      });
      await starting;
      const found = Math.min(threads, helpers.length + 1);
      bindings.setThreads?.(found);
      return found;
    },
    async during(work) {
      const release = platform.keep?.();
      try {
        return await work();
      } finally {
        release?.();
      }
    },
    onCrash() {
      helpers.splice(0).forEach((helper) => helper.end());
      onCrash();
    },
  };
}

/** Compiles, while bytes come where the server says what they are. */
async function compile(source: BufferSource | Response): Promise<WebAssembly.Module> {
  if (!(source instanceof Response)) return WebAssembly.compile(source);
  if (!source.ok) throw new PlumeError("http", `${source.url}: the server answered ${source.status}`);
  if (source.headers.get("content-type") === "application/wasm") return WebAssembly.compileStreaming(source);
  return WebAssembly.compile(await source.arrayBuffer());
}
