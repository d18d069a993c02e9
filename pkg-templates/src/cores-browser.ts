// The cores in a browser.
import { bindings } from "./bindings.js";
import { Cores, type ModuleName } from "./cores.js";

/** Written out, so that bundlers see which files are wanted. */
const modules: Record<ModuleName, () => URL> = {
  gpu: () => new URL("./wasm/plume-gpu.wasm", import.meta.url),
  cpu: () => new URL("./wasm/plume-cpu.wasm", import.meta.url),
  "cpu-relaxed": () => new URL("./wasm/plume-cpu-relaxed.wasm", import.meta.url),
  "cpu-threads": () => new URL("./wasm/plume-cpu-threads.wasm", import.meta.url),
  "cpu-relaxed-threads": () => new URL("./wasm/plume-cpu-relaxed-threads.wasm", import.meta.url),
  grammar: () => new URL("./wasm/plume-grammar.wasm", import.meta.url),
};

/** What differs between a worker of this package and a caller's own thread. */
export interface Place {
  /** A folder that has the package's files, where they are not beside this one. */
  assets?: URL | undefined;
  /** A core whose file is not to be had. */
  fromPage(name: ModuleName): Promise<ArrayBuffer>;
  /** Another worker of this package. */
  startWorker(): Worker;
}

/** The answer that has a core's module, unless its file is not where it should be. */
async function find(name: ModuleName, assets: URL | undefined): Promise<Response | undefined> {
  let url;
  try {
    url = assets ? new URL(`wasm/plume-${name}.wasm`, assets) : modules[name]();
  } catch {
    return undefined; // This script has no place that anything could be beside.
  }
  // A policy, another origin or a page from a disk may forbid it.
  const response = await fetch(url).catch(() => undefined);
  if (!response) return undefined;
  // Some servers answer with a page where they have no file.
  const found = response.ok && !response.headers.get("content-type")?.startsWith("text/html");
  return found ? response : undefined;
}

/** The cores as they are had from a place. */
export function browserCores({ assets, fromPage, startWorker }: Place): Cores {
  return new Cores({
    bindings: (name) => bindings[name](),
    module: async (name) => (await find(name, assets)) ?? fromPage(name),
    startHelper(help, signal) {
      const worker = startWorker();
      return new Promise((resolve, reject) => {
        const fail = (why: string) => (worker.terminate(), reject(new Error(why)));
        const giveUp = () => fail("it does not answer");
        signal.addEventListener("abort", giveUp, { once: true });
        worker.addEventListener("message", ({ data }: MessageEvent<{ error?: { message: string } }>) => {
          signal.removeEventListener("abort", giveUp);
          if (data.error) fail(data.error.message);
          else resolve({ end: () => worker.terminate() });
        });
        worker.addEventListener("error", ({ message }) => fail(message));
        worker.addEventListener("messageerror", () => fail("the core cannot be sent"));
        worker.postMessage({ id: 0, call: "help", help });
      });
    },
    // Without waitAsync the core would need a worker from a blob to wait for itself, which sites may forbid. A window may not
    // wait at all, and service workers have no workers.
    sharesMemory:
      globalThis.crossOriginIsolated === true &&
      "waitAsync" in Atomics &&
      !("window" in globalThis) &&
      "Worker" in globalThis,
    processors: navigator.hardwareConcurrency,
  });
}
