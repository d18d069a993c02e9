// As helper.ts, in Node.
import { parentPort, workerData } from "node:worker_threads";
import type { HelperCall } from "./cores.js";

const { core, module, memory } = workerData as HelperCall;
const { help, initSync } = (await import(`./wasm/${core}/plume.js`)) as typeof import("./wasm/cpu-threads/plume.js");
initSync({ module, memory });
parentPort!.postMessage("ready");
help();
