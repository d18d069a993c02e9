import { PlumeError } from "./errors.js";

/** Waits for the embedded model's load, and says what is wrong where its file is not there. */
export async function explainEmbedded<T>(url: URL, load: Promise<T>): Promise<T> {
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
