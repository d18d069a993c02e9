// A thread in Node that helps a core with its products, and does nothing else.
import { parentPort, workerData } from "node:worker_threads";
import { bindings } from "./bindings.js";
import type { HelperCall } from "./cores.js";

const { core, module, memory } = workerData as HelperCall;
const { help, initSync } = bindings[core]();
initSync({ module, memory });
parentPort!.postMessage("ready");
help();
