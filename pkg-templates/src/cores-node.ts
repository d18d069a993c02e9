// The cores in Node.
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { Cores, type Bindings, type CoreName, type Platform } from "./cores.js";

/** How often each core's bindings have been asked for: their query makes them another module to Node. */
const counts: Partial<Record<CoreName, number>> = {};

const platform: Platform = {
  bindings(name) {
    const count = (counts[name] = (counts[name] ?? 0) + 1);
    return import(`./wasm/${name}/plume.js?${count}`) as Promise<Bindings>;
  },
  module: (name) => readFile(new URL(`./wasm/${name}/plume_bg.wasm`, import.meta.url)),
  startHelper(call, signal) {
    const worker = new Worker(new URL("./helper-node.js", import.meta.url), { workerData: call, execArgv: [] });
    return new Promise((resolve, reject) => {
      const giveUp = () => void worker.terminate();
      signal.addEventListener("abort", giveUp, { once: true });
      worker.once("message", () => {
        signal.removeEventListener("abort", giveUp);
        worker.unref(); // The process may end while it waits.
        resolve({ end: () => void worker.terminate() });
      });
      worker.once("error", reject);
      worker.once("exit", (code) => reject(new Error(`it ended with ${code}`)));
    });
  },
  // The core waits for itself by Atomics.waitAsync, which is nothing to Node that it would stay for.
  keep() {
    const timer = setInterval(() => {}, 1 << 30);
    return () => clearInterval(timer);
  },
  sharesMemory: true,
  processors: availableParallelism(),
};

export const nodeCores = new Cores(platform);
