// Answers the requests of OpenAI's interface that the site's pages make. The model is loaded by the first of them.
import { Plume } from "plume-lm/local";

let lm;

addEventListener("install", () => self.skipWaiting());
addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
addEventListener("fetch", (event) => {
  if (!new URL(event.request.url).pathname.startsWith("/v1/")) return;
  // Where it fails, the next request tries again.
  lm ??= Plume.load().catch((error) => {
    lm = undefined;
    throw error;
  });
  event.respondWith(lm.then(({ fetch }) => fetch(event.request)));
});
