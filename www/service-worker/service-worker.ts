// Keeps the page's own files, so that it opens without a network, and adds the headers that let it have threads. Models are not its
// business: the package keeps those.

export {};

/** Set by the build: a hash of all files, and those that a first look at the page needs. */
declare const VERSION: string;
declare const FILES: string[];
declare const self: ServiceWorkerGlobalScope;

const NAME = `plume-page-${VERSION}`;
const scope = new URL("./", self.location.href);
/** What the page asks for later, such as the core for this device: kept when it is asked for. */
const LATER = new URL("plume-lm/dist/", scope).href;
const kept = new Set(FILES.map((file) => new URL(file, scope).href));

self.addEventListener("install", (event) => {
  const requests = [...kept].map((url) => new Request(url, { cache: "no-cache" }));
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(requests)));
});

self.addEventListener("activate", (event) => {
  const clean = async () => {
    for (const name of await caches.keys())
      if (name.startsWith("plume-page-") && name !== NAME) await caches.delete(name);
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
  if (kept.has(url.href) || url.href.startsWith(LATER)) event.respondWith(answer(url.href));
});

/** A file of this version of the page. */
async function answer(url: string): Promise<Response> {
  const cache = await caches.open(NAME);
  const found = await cache.match(url);
  if (found) return isolated(found);
  const response = await fetch(url, { cache: "no-cache" });
  if (response.ok) await cache.put(url, response.clone()).catch(() => {}); // Without room it is fetched each time.
  return isolated(response);
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
