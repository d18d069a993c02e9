// The package in a page: each model runs in a worker.
import { Plume as Loaded } from "./plume.js";
import { cacheInWorker } from "./cache-in-worker.js";
import { ModelCache } from "./cache.js";
import { orEmbedded } from "./embedded.js";
import type { Loader } from "./loader.js";
import type { LoadOptions, ModelSource } from "./types.js";
import { folder } from "./urls.js";
import { loadInWorker } from "./worker-runtime.js";

export * from "./exports.js";

/** A loaded model. */
export interface Plume extends Loaded {}

// Made when it is first asked for: a program that takes something else of this module keeps none of it when it is bundled.
let cache: ModelCache | undefined;

/** Loads models, each in a worker of its own. */
export const Plume: Loader = {
  assets: undefined,
  load(model?: ModelSource, options: LoadOptions = {}) {
    const assets = Plume.assets;
    const inWorker = (source: ModelSource, started: LoadOptions) => loadInWorker(source, started, folder(assets));
    return Loaded.start(orEmbedded(inWorker), model, options);
  },
  get cache() {
    return (cache ??= new ModelCache(cacheInWorker(() => folder(Plume.assets))));
  },
};
