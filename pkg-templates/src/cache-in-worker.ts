// The page's side of cache-worker.ts.
import type { CacheCall } from "./cache-worker.js";
import { PlumeError, type ErrorCode } from "./errors.js";
import type { CacheCalls, CachedFile } from "./cache.js";

interface Answer {
  value?: unknown;
  error?: { code: ErrorCode; message: string };
}

/** Has a worker do one thing. */
function inWorker(call: CacheCall): Promise<unknown> {
  const worker = new Worker(new URL("./cache-worker.js", import.meta.url), { type: "module", name: "plume-lm cache" });
  return new Promise((resolve, reject) => {
    worker.addEventListener("message", ({ data: { value, error } }: MessageEvent<Answer>) =>
      error ? reject(new PlumeError(error.code, error.message)) : resolve(value),
    );
    worker.addEventListener("error", ({ message }) =>
      reject(new PlumeError("crashed", `the cache's worker failed: ${message || "it could not be started"}`)),
    );
    worker.postMessage(call);
  }).finally(() => worker.terminate());
}

export const cacheInWorker: CacheCalls = {
  list: () => inWorker({ task: "list" }) as Promise<CachedFile[]>,
  delete: (url) => inWorker({ task: "delete", url }) as Promise<void>,
  verify: (url) => inWorker({ task: "verify", url }) as Promise<{ url: string; bad: number }[]>,
  export: (url) => inWorker({ task: "export", url }) as Promise<Blob>,
};
