// The worker, two cores and the grammars as JavaScript, for where a bundler has not copied the package's files. Nothing here is downloaded
// where those are found.
import type { ModuleName } from "./cores.js";
import { PlumeError } from "./errors.js";

/** Written out, so that bundlers see what is imported. The other cores are only faster. */
const modules: Partial<Record<ModuleName, () => Promise<{ default: string }[]>>> = {
  gpu: () => Promise.all([import("./wasm/inline-gpu-1.js"), import("./wasm/inline-gpu-2.js")]),
  cpu: () => Promise.all([import("./wasm/inline-cpu-1.js"), import("./wasm/inline-cpu-2.js")]),
  grammar: () => Promise.all([import("./wasm/inline-grammar-1.js"), import("./wasm/inline-grammar-2.js")]),
};

/** A module. */
export async function inlineCore(name: ModuleName): Promise<ArrayBuffer> {
  const load = modules[name];
  if (!load) throw new PlumeError("missing", `the file plume-${name}.wasm of plume-lm was not found`);
  const parts = await load().catch((cause: Error) => {
    throw new PlumeError("missing", `plume-${name}.wasm of plume-lm could not be loaded: ${cause.message}`, { cause });
  });
  const base64 = parts.map((part) => part.default).join("");
  const compressed = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const bytes = new Blob([compressed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(bytes).arrayBuffer();
}

let workerUrl: string | undefined;

/** The URL of a script for a classic worker. */
export async function inlineWorker(): Promise<string> {
  const { default: text } = await import("./inline-worker.js");
  // For as long as the page: workers start others from it.
  return (workerUrl ??= URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
}
