/** Starts a worker of this package, of a folder that has its files or of the file beside this one, written out for bundlers. */
export function startWorker(assets: URL | undefined): Worker {
  return assets
    ? new Worker(new URL("worker.js", assets).href, { type: "module", name: "plume-lm" })
    : new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
}
