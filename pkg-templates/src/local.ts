// The package on the caller's own thread: for service workers, workers that a program has already, and programs of one thread.
import { Plume as Loaded } from "./plume.js";
import { CacheManager, ModelCache } from "./cache.js";
import type { Cores } from "./cores.js";
import { browserCores } from "./cores-browser.js";
import { orEmbedded } from "./embedded.js";
import { inlineCore } from "./inline.js";
import { loadHere } from "./runtime.js";
import { startWorker } from "./start-worker.js";
import { browserMedium } from "./store-browser.js";
import type { Loader } from "./loader.js";
import type { LoadOptions, ModelSource } from "./types.js";
import { absolute, folder } from "./urls.js";

export * from "./exports.js";

/** A loaded model. */
export interface Plume extends Loaded {}

/** By where their files are. */
const known = new Map<string | undefined, Cores>();

function coresOf(assets: URL | undefined): Cores {
  const key = assets?.href;
  let cores = known.get(key);
  if (!cores) {
    cores = browserCores({ assets, fromPage: inlineCore, startWorker: () => startWorker(assets) });
    known.set(key, cores);
  }
  return cores;
}

// Made when it is first asked for: a program that takes something else of this module keeps none of it when it is bundled.
let cache: ModelCache | undefined;

/** Loads models into the thread that calls. It is busy while it computes, unless a GPU does. */
export const Plume: Loader = {
  assets: undefined,
  load(model?: ModelSource, options: LoadOptions = {}) {
    const assets = Plume.assets;
    const here = async (source: ModelSource, started: LoadOptions) => {
      const medium = started.cache === false ? undefined : await browserMedium();
      return loadHere({ cores: coresOf(folder(assets)), medium, model: absolute(source) }, started);
    };
    return Loaded.start(orEmbedded(here), model, options);
  },
  get cache() {
    const checksum = async () => (await coresOf(folder(Plume.assets)).get("cpu")).bindings.checksum;
    return (cache ??= new ModelCache(new CacheManager(browserMedium, checksum)));
  },
};
