import type { ModelCache } from "./cache.js";
import type { Plume } from "./plume.js";
import type { LoadOptions, ModelSource } from "./types.js";

/** What loads models: the same in every entry point of the package. */
export interface Loader {
  /**
   * A folder that has the package's files (worker.js and wasm/, in Node helper-node.js and wasm/), where they are not to be had
   * from beside the module that is imported: a URL, or in Node a path. Set it before anything is loaded.
   */
  assets: string | URL | undefined;
  /** Loads a model; without one, the embedded plm-tiny. */
  load(model?: ModelSource, options?: LoadOptions): Promise<Plume>;
  /** The files that loads have kept. */
  readonly cache: ModelCache;
}
