// Keeps the page's own files, so that it opens without a network, and adds the headers that let it have threads. Models are not its
// business: the package keeps those.

export {};

/** Set by the build: a hash of all files; those that a first look at the page needs; and those that it asks for later, with their SHA-256. */
declare const VERSION: string;
declare const FILES: string[];
declare const LATER: Record<string, string>;
declare const self: ServiceWorkerGlobalScope;

const scope = new URL("./", self.location.href);
/** Other pages of this server may be Plume's, too. */
const OWN = `plume-page ${scope.pathname} `;
const NAME = OWN + VERSION;
const kept = new Set(FILES.map((file) => new URL(file, scope).href));
/** The core for this device, and others that it does not need: kept when they are asked for. */
const later = new Map(Object.entries(LATER).map(([file, hash]) => [new URL(file, scope).href, hash]));

self.addEventListener("install", (event) => {
  const requests = [...kept].map((url) => new Request(url, { cache: "no-cache" }));
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(requests)));
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
  if (kept.has(url.href) || later.has(url.href)) event.respondWith(answer(url.href));
});

/** A file of this version of the page. */
async function answer(url: string): Promise<Response> {
  const cache = await caches.open(NAME);
  const found = await cache.match(url);
  if (found) return isolated(found);
  const response = await fetch(url, { cache: "no-cache" });
  if (!response.ok) return isolated(response);
  const bytes = await response.clone().arrayBuffer();
  if (later.has(url) && later.get(url) !== (await sha256(bytes))) {
    // The server has another version by now, which does not fit the rest of the page.
    void self.registration.update();
    const status = { status: 409, statusText: "another version of the page; reload it" };
    return isolated(new Response(null, status));
  }
  await cache.put(url, response.clone()).catch(() => {}); // Without room it is fetched each time.
  return isolated(response);
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
