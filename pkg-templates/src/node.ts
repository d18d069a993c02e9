import { openAsBlob } from "node:fs";
import { readFile, readdir, stat } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Plume as Loaded } from "./plume.js";
import { PlumeError } from "./errors.js";
import { loadHere } from "./runtime.js";
import type { LoadOptions, ModelSource } from "./types.js";

export { PlumeError, type ErrorCode } from "./errors.js";
export type { CallOptions } from "./plume.js";
export type * from "./types.js";

/** A loaded model. */
export type Plume = Loaded;

/** Loads models into this process. A string is a URL or a path. */
export const Plume = {
  /** Loads a model; without one, the embedded plm-tiny. */
  load(model?: ModelSource, options: LoadOptions = {}): Promise<Plume> {
    const embedded = fileURLToPath(new URL("../models/plm-tiny/", import.meta.url));
    const start = async (source: ModelSource | undefined, started: LoadOptions) => {
      const wasm = await readFile(new URL("./wasm/plume_bg.wasm", import.meta.url));
      if (started.device !== "cpu") await provideWebGpu();
      return loadHere(wasm, await local(source ?? embedded), started);
    };
    return Loaded.start(start, model, options);
  },
};

/** Makes `navigator.gpu` of the package `webgpu`, where it is installed and there is none yet. */
async function provideWebGpu(): Promise<void> {
  // Node 20 has no navigator.
  if (!("navigator" in globalThis)) Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
  if ("gpu" in navigator) return;
  try {
    const name = "webgpu"; // Not a literal, so that bundlers do not ask for a package that is optional.
    const { create, globals } = (await import(name)) as { create: (flags: string[]) => unknown; globals: object };
    Object.assign(globalThis, globals);
    Object.defineProperty(navigator, "gpu", { value: create([]), configurable: true });
    // The core looks for this class to know that it is not in a window, where it would want a document.
    (globalThis as { WorkerGlobalScope?: unknown }).WorkerGlobalScope ??= class WorkerGlobalScope {};
  } catch {
    // Without the package the core says that there is no WebGPU, and takes the CPU.
  }
}

/** Paths as files; everything else as it is. */
async function local(model: ModelSource): Promise<ModelSource> {
  const isFile =
    model instanceof URL
      ? model.protocol === "file:"
      : typeof model === "string" && !/^[a-z][a-z0-9+.-]+:\/\//i.test(model);
  if (!isFile) return model;
  const name = model instanceof URL ? fileURLToPath(model) : (model as string);
  try {
    if (!(await stat(name)).isDirectory()) return await openAsBlob(name);
    const wanted = (await readdir(name)).filter((file) => /\.(json|jinja|safetensors)$/.test(file));
    return await Promise.all(wanted.map(async (file) => new File([await openAsBlob(path.join(name, file))], file)));
  } catch (cause) {
    throw new PlumeError("io", `${name}: ${(cause as Error).message}`, { cause });
  }
}
