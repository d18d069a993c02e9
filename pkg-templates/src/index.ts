import { Plume as Loaded } from "./plume.js";
import type { LoadOptions, ModelSource } from "./types.js";
import { cacheInWorker } from "./cache-in-worker.js";
import { ModelCache } from "./cache.js";
import { loadInWorker } from "./worker-runtime.js";

export { PlumeError, type ErrorCode } from "./errors.js";
export type { CachedFile, ModelCache } from "./cache.js";
export { LoadControl } from "./load-control.js";
export type { CallOptions, ReloadOptions } from "./plume.js";
export type * from "./types.js";

/** A loaded model. */
export type Plume = Loaded;

/** Loads models, each in a worker of its own. */
export const Plume = {
  /** Loads a model; without one, the embedded plm-tiny. */
  load(model?: ModelSource, options: LoadOptions = {}): Promise<Plume> {
    const embedded = new URL("../models/plm-tiny/", import.meta.url);
    // The embedded model is a part of the page, and cached as that.
    const start = (source: ModelSource | undefined, started: LoadOptions) =>
      source === undefined ? loadInWorker(embedded, { ...started, cache: false }) : loadInWorker(source, started);
    return Loaded.start(start, model, options);
  },
  /** The files that loads have kept. */
  cache: new ModelCache(cacheInWorker),
};
