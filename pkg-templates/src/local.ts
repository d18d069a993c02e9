// The package on the caller's own thread: for service workers, workers that a program has already, and programs of one thread.
import { Plume as Loaded } from "./plume.js";
import { CacheManager, ModelCache } from "./cache.js";
import type { Cores } from "./cores.js";
import { browserCores } from "./cores-browser.js";
import { explainEmbedded } from "./embedded.js";
import { inlineCore } from "./inline.js";
import { loadHere } from "./runtime.js";
import { browserMedium } from "./store-browser.js";
import type { Loader } from "./loader.js";
import type { LoadOptions, ModelSource } from "./types.js";
import { absolute, folder } from "./urls.js";

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

/** By where their files are. */
const known = new Map<string | undefined, Cores>();

function coresOf(assets: URL | undefined): Cores {
  const key = assets?.href;
  let cores = known.get(key);
  if (!cores) {
    const startWorker = () =>
      assets
        ? new Worker(new URL("worker.js", assets).href, { type: "module" })
        : new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    cores = browserCores({ assets, fromPage: inlineCore, startWorker });
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
    const start = (source: ModelSource | undefined, started: LoadOptions) => {
      if (source !== undefined) return here(source, started);
      const embedded = new URL("../models/plm-tiny.gguf", import.meta.url);
      return explainEmbedded(embedded, here(embedded, { ...started, cache: false }));
    };
    return Loaded.start(start, model, options);
  },
  get cache() {
    const checksum = async () => (await coresOf(folder(Plume.assets)).get("cpu")).bindings.checksum;
    return (cache ??= new ModelCache(new CacheManager(browserMedium, checksum)));
  },
};
