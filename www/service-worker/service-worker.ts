// Keeps the page's own files, so that it opens without a network, and adds the headers that let it have threads. Models are not its
// business: the package keeps those.

export {};

/**
 * Set by the build: a hash of all files; those that a first look at the page needs; and those that it asks for later, such as the
 * core for this device. Each has its SHA-256, so that files of two versions never come together.
 */
declare const VERSION: string;
declare const FILES: Record<string, string>;
declare const LATER: Record<string, string>;
declare const self: ServiceWorkerGlobalScope;

const scope = new URL("./", self.location.href);
/** Other pages of this server may be Plume's, too. */
const OWN = `plume-page ${scope.pathname} `;
const NAME = OWN + VERSION;
const absolute = (files: Record<string, string>) =>
  new Map(Object.entries(files).map(([file, hash]) => [new URL(file, scope).href, hash]));
const first = absolute(FILES);
const later = absolute(LATER);

self.addEventListener("install", (event) => {
  const keep = async () => {
    await Promise.all([...first].map(([url, hash]) => fetchChecked(url, hash)));
    // What was needed once is needed without a network, too.
    for (const name of await caches.keys()) {
      if (!name.startsWith(OWN) || name === NAME) continue;
      const older = await caches.open(name);
      for (const [url, hash] of later) {
        const found = await older.match(url);
        if (!found) continue;
        const isSame = (await sha256(await found.clone().arrayBuffer())) === hash;
        if (isSame) await caches.open(NAME).then((cache) => cache.put(url, found));
        else await fetchChecked(url, hash);
      }
    }
  };
  event.waitUntil(keep());
});

self.addEventListener("activate", (event) => {
  const clean = async () => {
    for (const name of await caches.keys()) if (name.startsWith(OWN) && name !== NAME) await caches.delete(name);
    await self.clients.claim();
  };
  event.waitUntil(clean());
});

self.addEventListener("message", ({ data }) => {
  if (data === "activate") void self.skipWaiting();
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== scope.origin || request.headers.has("range")) return;
  url.search = url.hash = "";
  if (first.has(url.href) || later.has(url.href)) event.respondWith(answer(url.href));
});

/** A file of this version of the page. */
async function answer(url: string): Promise<Response> {
  const found = await caches.open(NAME).then((cache) => cache.match(url));
  if (found) return isolated(found);
  try {
    return isolated(await fetchChecked(url, first.get(url) ?? later.get(url)!));
  } catch (error) {
    if (!(error instanceof OtherVersion)) throw error;
    void self.registration.update();
    return isolated(new Response(null, { status: 409, statusText: "another version of the page; reload it" }));
  }
}

/** The server has another version of a file by now, which does not fit the rest of the page. */
class OtherVersion extends Error {}

/** Fetches a file of this version, and keeps it. */
async function fetchChecked(url: string, hash: string): Promise<Response> {
  const response = await fetch(url, { cache: "no-cache" });
  if (!response.ok || (await sha256(await response.clone().arrayBuffer())) !== hash) throw new OtherVersion(url);
  const cache = await caches.open(NAME);
  await cache.put(url, response.clone()).catch(() => {}); // Without room it is fetched each time.
  return response;
}

async function sha256(bytes: ArrayBuffer): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** With the headers by which pages may have threads, which not every server can be told to send. */
function isolated(response: Response): Response {
  const headers = new Headers(response.headers);
  headers.set("cross-origin-opener-policy", "same-origin");
  headers.set("cross-origin-embedder-policy", "require-corp");
  headers.set("cross-origin-resource-policy", "same-origin");
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}
