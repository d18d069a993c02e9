// The cache's chores, each in a worker: only workers have synchronous access to kept files.
import type { CacheCalls, CachedFile } from "./cache.js";
import { PlumeError } from "./errors.js";
import { WorkerConnection } from "./worker-connection.js";

/** The chores, by workers of the package's files there. */
export function cacheInWorker(assets: () => URL | undefined): CacheCalls {
  const inWorker = async (task: keyof CacheCalls, url?: string): Promise<unknown> => {
    const worker = new WorkerConnection(assets());
    try {
      return await worker.ask({ call: "cache", task, url });
    } finally {
      worker.end(new PlumeError("disposed", "the cache's worker has ended"));
    }
  };
  return {
    list: () => inWorker("list") as Promise<CachedFile[]>,
    delete: (url) => inWorker("delete", url) as Promise<void>,
    verify: (url) => inWorker("verify", url) as Promise<{ url: string; bad: number }[]>,
    export: (url) => inWorker("export", url) as Promise<Blob>,
  };
}
