import { Plume as Loaded } from "./plume.js";
import type { LoadOptions, ModelSource } from "./types.js";
import { loadInWorker } from "./worker-runtime.js";

export { PlumeError, type ErrorCode } from "./errors.js";
export type { CallOptions, ReloadOptions } from "./plume.js";
export type * from "./types.js";

/** A loaded model. */
export type Plume = Loaded;

/** Loads models, each in a worker of its own. */
export const Plume = {
  /** Loads a model; without one, the embedded plm-tiny. */
  load(model?: ModelSource, options: LoadOptions = {}): Promise<Plume> {
    const embedded = new URL("../models/plm-tiny/", import.meta.url);
    return Loaded.start((source, started) => loadInWorker(source ?? embedded, started), model, options);
  },
};
