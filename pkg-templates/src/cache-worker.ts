// The worker that lists, deletes, checks and exports kept files: only workers have synchronous access to them.
import { PlumeError } from "./errors.js";
import { CacheManager, type CacheCalls } from "./cache.js";
import { browserCores } from "./cores-browser.js";
import { browserMedium } from "./store-browser.js";

/** What the page asks. */
export interface CacheCall {
  task: keyof CacheCalls;
  url?: string | undefined;
}

const checksum = async () => (await browserCores.get("cpu")).bindings.checksum;
const manager = new CacheManager(browserMedium, checksum);

addEventListener("message", ({ data: { task, url } }: MessageEvent<CacheCall>) => {
  // `url` is there where the task asks for one.
  (manager[task] as (url?: string) => Promise<unknown>).call(manager, url).then(
    (value) => postMessage({ value }),
    (thrown: unknown) => {
      const { code, message } = thrown instanceof PlumeError ? thrown : new PlumeError("io", (thrown as Error).message);
      postMessage({ error: { code, message } });
    },
  );
});
