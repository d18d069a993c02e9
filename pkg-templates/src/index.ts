// The package in a page: each model runs in a worker.
import { Plume as Loaded } from "./plume.js";
import { cacheInWorker } from "./cache-in-worker.js";
import { ModelCache } from "./cache.js";
import { explainEmbedded } from "./embedded.js";
import type { Loader } from "./loader.js";
import type { LoadOptions, ModelSource } from "./types.js";
import { folder } from "./urls.js";
import { loadInWorker } from "./worker-runtime.js";

export { PlumeError, type ErrorCode } from "./errors.js";
export type { CachedFile, ModelCache } from "./cache.js";
export { LoadControl } from "./load-control.js";
export type { Loader } from "./loader.js";
export type { Create, OpenAi } from "./openai.js";
export type { CallOptions, ReloadOptions } from "./plume.js";
export type { Session, SessionOptions } from "./session.js";
export type * from "./types.js";

/** A loaded model. */
export interface Plume extends Loaded {}

// Made when it is first asked for: a program that takes something else of this module keeps none of it when it is bundled.
let cache: ModelCache | undefined;

/** Loads models, each in a worker of its own. */
export const Plume: Loader = {
  assets: undefined,
  load(model?: ModelSource, options: LoadOptions = {}) {
    const assets = Plume.assets;
    const start = (source: ModelSource | undefined, started: LoadOptions) => {
      if (source !== undefined) return loadInWorker(source, started, folder(assets));
      const embedded = new URL("../models/plm-tiny.gguf", import.meta.url);
      // The embedded model is a part of the page, and cached as that.
      return explainEmbedded(embedded, loadInWorker(embedded, { ...started, cache: false }, folder(assets)));
    };
    return Loaded.start(start, model, options);
  },
  get cache() {
    return (cache ??= new ModelCache(cacheInWorker(() => folder(Plume.assets))));
  },
};
