import type { Medium } from "./store.js";
import { cacheApi } from "./store-cache.js";
import { opfs } from "./store-opfs.js";

/** Where this browser keeps files, if it does. Insecure pages have no way to. */
export async function browserMedium(): Promise<Medium | undefined> {
  return globalThis.isSecureContext ? ((await opfs()) ?? (await cacheApi())) : undefined;
}
