import { PlumeError } from "./errors.js";
import type { Start } from "./plume.js";
import type { Runtime } from "./runtime.js";
import type { LoadOptions, ModelSource } from "./types.js";

/** A way to load models, made one that takes the embedded model where there is no other. */
export function orEmbedded(load: (model: ModelSource, options: LoadOptions) => Promise<Runtime>): Start {
  return (model, options) => {
    if (model !== undefined) return load(model, options);
    const embedded = new URL("../models/plm-tiny.gguf", import.meta.url);
    // It is a part of the page, and cached as that.
    return explain(embedded, load(embedded, { ...options, cache: false }));
  };
}

/** Waits for the embedded model's load, and says what is wrong where its file is not there. */
async function explain<T>(url: URL, load: Promise<T>): Promise<T> {
  try {
    return await load;
  } catch (error) {
    if (!(error instanceof PlumeError && ["http", "not_a_model"].includes(error.code))) throw error;
    const advice = "Load a model by its name or URL, or copy models/plm-tiny.gguf of plume-lm to this address.";
    const why = "bundlers that do not know new URL(…, import.meta.url), such as esbuild and Rollup, copy no files";
    throw new PlumeError("missing", `the embedded model is not at ${url}: ${why}. ${advice} (${error.message})`, {
      cause: error,
    });
  }
}
