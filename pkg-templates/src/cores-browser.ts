// The cores in a page's worker.
import { Cores, type Platform } from "./cores.js";

/** Written out, so that bundlers see what is imported. */
const files = {
  gpu: {
    bindings: () => import("./wasm/gpu/plume.js"),
    module: () => new URL("./wasm/gpu/plume_bg.wasm", import.meta.url),
  },
  cpu: {
    bindings: () => import("./wasm/cpu/plume.js"),
    module: () => new URL("./wasm/cpu/plume_bg.wasm", import.meta.url),
  },
  "cpu-relaxed": {
    bindings: () => import("./wasm/cpu-relaxed/plume.js"),
    module: () => new URL("./wasm/cpu-relaxed/plume_bg.wasm", import.meta.url),
  },
  "cpu-threads": {
    bindings: () => import("./wasm/cpu-threads/plume.js"),
    module: () => new URL("./wasm/cpu-threads/plume_bg.wasm", import.meta.url),
  },
  "cpu-relaxed-threads": {
    bindings: () => import("./wasm/cpu-relaxed-threads/plume.js"),
    module: () => new URL("./wasm/cpu-relaxed-threads/plume_bg.wasm", import.meta.url),
  },
};

const platform: Platform = {
  // After a crash the page ends the worker, so that nobody asks for these a second time.
  bindings: (name) => files[name].bindings(),
  module: (name) => fetch(files[name].module()),
  startHelper(call, signal) {
    const worker = new Worker(new URL("./helper.js", import.meta.url), { type: "module", name: "plume-lm helper" });
    return new Promise((resolve, reject) => {
      const fail = (why: string) => (worker.terminate(), reject(new Error(why)));
      const giveUp = () => fail("it does not answer");
      signal.addEventListener("abort", giveUp, { once: true });
      const ready = () => {
        signal.removeEventListener("abort", giveUp);
        resolve({ end: () => worker.terminate() });
      };
      worker.addEventListener("message", ready, { once: true });
      worker.addEventListener("error", ({ message }) => fail(message));
      worker.addEventListener("messageerror", () => fail("the core cannot be sent"));
      worker.postMessage(call);
    });
  },
  // Without waitAsync the core would need a worker from a blob to wait for itself, which sites may forbid.
  sharesMemory: globalThis.crossOriginIsolated === true && "waitAsync" in Atomics,
  processors: navigator.hardwareConcurrency,
};

export const browserCores = new Cores(platform);
