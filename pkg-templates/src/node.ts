import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Plume as Loaded } from "./plume.js";
import { PlumeError } from "./errors.js";
import { CacheManager, ModelCache } from "./cache.js";
import type { Cores } from "./cores.js";
import { nodeCores } from "./cores-node.js";
import { DiskFile } from "./disk-file.js";
import { isHubName } from "./names.js";
import { loadHere } from "./runtime.js";
import { files as fileMedium } from "./store-files.js";
import type { Loader } from "./loader.js";
import type { LoadOptions, ModelSource } from "./types.js";

export * from "./exports.js";

/** A loaded model. */
export interface Plume extends Loaded {}

/** The folder of this file. */
const here = () => path.dirname(fileURLToPath(import.meta.url));

/** By the folder that has their files. */
const known = new Map<string, Cores>();

function coresIn(assets: string | URL | undefined): Cores {
  const folder = assets === undefined ? here() : `${assets}`.startsWith("file:") ? fileURLToPath(assets) : `${assets}`;
  let cores = known.get(folder);
  if (!cores) known.set(folder, (cores = nodeCores(folder)));
  return cores;
}

// Made when it is first asked for: a program that takes something else of this module keeps none of it when it is bundled.
let cache: ModelCache | undefined;

/** Loads models into this process. A string is a URL, a path, or a name on a hub where there is no such path. */
export const Plume: Loader = {
  assets: undefined,
  load(model?: ModelSource, options: LoadOptions = {}) {
    const assets = Plume.assets;
    const embedded = path.join(here(), "../models/plm-tiny.gguf");
    const start = async (source: ModelSource | undefined, started: LoadOptions) => {
      const files = await local(source ?? embedded);
      const { cache = true } = started;
      const medium = cache === false ? undefined : await fileMedium(cache === true ? undefined : cache);
      const origin = { cores: coresIn(assets), model: files, medium };
      if (started.device === "cpu") return loadHere(origin, started);
      await provideWebGpu();
      return asWorker(() => loadHere(origin, started));
    };
    return Loaded.start(start, model, options);
  },
  // Of the files in the usual folder.
  get cache() {
    const checksum = async () => (await coresIn(Plume.assets).get("cpu")).bindings.checksum;
    return (cache ??= new ModelCache(new CacheManager(() => fileMedium(), checksum)));
  },
};

let loads = 0;
class WorkerGlobalScope {}

/** While it looks for WebGPU the core must find this class, or it takes this for a window and wants a document. */
async function asWorker<T>(load: () => Promise<T>): Promise<T> {
  const scope = globalThis as { WorkerGlobalScope?: unknown };
  loads++;
  scope.WorkerGlobalScope ??= WorkerGlobalScope;
  try {
    return await load();
  } finally {
    // Other libraries take the class for a sign that they are in a worker.
    if (--loads === 0 && scope.WorkerGlobalScope === WorkerGlobalScope) delete scope.WorkerGlobalScope;
  }
}

/** Makes `navigator.gpu` of the package `webgpu`, where it is installed and there is none yet. */
async function provideWebGpu(): Promise<void> {
  // Node 20 has no navigator.
  if (!("navigator" in globalThis)) Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
  if ("gpu" in navigator) return;
  try {
    const name = ["web", "gpu"].join(""); // No literal, so that bundlers do not ask for a package that is optional.
    const { create, globals } = (await import(
      /* webpackIgnore: true */ /* turbopackIgnore: true */ /* @vite-ignore */ name
    )) as { create: (flags: string[]) => unknown; globals: object };
    Object.assign(globalThis, globals);
    Object.defineProperty(navigator, "gpu", { value: create([]), configurable: true });
  } catch {
    // Without the package the core says that there is no WebGPU, and takes the CPU.
  }
}

/** The files of a folder that are wanted. */
async function files(folder: string, wanted: (file: string) => boolean): Promise<File[]> {
  const names = (await readdir(folder)).filter(wanted);
  return Promise.all(names.map((file) => DiskFile.open(path.join(folder, file))));
}

/** Paths as files; everything else as it is. */
async function local(model: ModelSource): Promise<ModelSource> {
  const isFile =
    model instanceof URL
      ? model.protocol === "file:"
      : typeof model === "string" && !/^[a-z][a-z0-9+.-]+:\/\//i.test(model);
  if (!isFile) return model;
  const name = model instanceof URL ? fileURLToPath(model) : (model as string);
  if (!(model instanceof URL) && isHubName(name) && !existsSync(name)) return name;
  try {
    if ((await stat(name)).isDirectory()) return await files(name, (file) => /\.(json|jinja|safetensors)$/.test(file));
    const [, start, count] = /^(.*)-\d{5}-of-(\d{5})\.gguf$/.exec(path.basename(name)) ?? [];
    if (start === undefined) return await DiskFile.open(name);
    return await files(
      path.dirname(name),
      (file) => file.startsWith(`${start}-`) && file.endsWith(`-of-${count}.gguf`),
    );
  } catch (cause) {
    throw new PlumeError("io", `${name}: ${(cause as Error).message}`, { cause });
  }
}
