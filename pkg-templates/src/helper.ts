// A worker that helps a core with its products, and does nothing else.
import { help, initSync } from "./wasm/cpu-threads/plume.js";

/** What it is to help: the core's module and its memory. */
export interface HelperCall {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
}

addEventListener("message", ({ data }: MessageEvent<HelperCall>) => {
  initSync(data);
  postMessage("ready");
  help();
});
