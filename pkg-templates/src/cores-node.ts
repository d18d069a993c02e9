// The cores in Node.
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { bindings } from "./bindings.js";
import { Cores } from "./cores.js";
import { inlineCore } from "./inline.js";

/** The cores, with the package's files in a folder. */
export function nodeCores(folder: string): Cores {
  return new Cores({
    bindings: (name) => bindings[name](),
    async module(name) {
      // A path and not a URL, which bundlers would take for a file to be served.
      const file = path.join(folder, "wasm", `plume-${name}.wasm`);
      return readFile(file).catch(() => inlineCore(name));
    },
    startHelper(call, signal) {
      const worker = new Worker(pathToFileURL(path.join(folder, "helper-node.js")), { workerData: call, execArgv: [] });
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
  });
}
