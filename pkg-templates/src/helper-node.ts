// As helper.ts, in Node.
import { parentPort, workerData } from "node:worker_threads";
import type { HelperCall } from "./helper.js";
import { help, initSync } from "./wasm/cpu-threads/plume.js";

initSync(workerData as HelperCall);
parentPort!.postMessage("ready");
help();
