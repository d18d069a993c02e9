// A worker that helps a core with its products, and does nothing else.
import type { HelperCall } from "./cores.js";

/** Written out, so that bundlers see what is imported. */
const bindings = {
  "cpu-threads": () => import("./wasm/cpu-threads/plume.js"),
  "cpu-relaxed-threads": () => import("./wasm/cpu-relaxed-threads/plume.js"),
};

addEventListener("message", async ({ data: { core, module, memory } }: MessageEvent<HelperCall>) => {
  const { help, initSync } = await bindings[core]();
  initSync({ module, memory });
  postMessage("ready");
  help();
});
