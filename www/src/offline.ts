// The service worker: the page works without a network after the first visit, and is isolated where its server cannot say so.
import { button } from "./dom.js";
import { notice } from "./notices.js";

/** What remembers that this was done: a browser that does not isolate the page then never will. */
const BEGUN_AGAIN = "plume.begun-again";
/** Milliseconds that the first visit waits, so that what it loads is kept too. What it waits for is small, and most of it came already. */
const PATIENCE = 8000;

/**
 * Registers the service worker, and waits until it has the page in its care, or will not have it soon. A page that is not isolated
 * begins again in its care, before anything is done in it: then the CPU's threads may share memory.
 */
export async function startServiceWorker(isUntouched: () => boolean): Promise<void> {
  const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  if (!container) return;
  try {
    const hadOne = container.controller !== null;
    const controlled = new Promise<void>((resolve) =>
      container.addEventListener("controllerchange", () => resolve(), { once: true }),
    );
    const registration = await container.register("service-worker.js", { updateViaCache: "none" });
    offerUpdates(registration, container);
    // A page that was reloaded past it stays out of its care.
    if (hadOne || registration.active) return;
    await Promise.race([controlled, new Promise((resolve) => setTimeout(resolve, PATIENCE))]);
    if (container.controller && !crossOriginIsolated && !sessionStorage.getItem(BEGUN_AGAIN) && isUntouched()) {
      sessionStorage.setItem(BEGUN_AGAIN, "yes");
      location.reload();
      await new Promise(() => {}); // Nothing more is done here.
    }
  } catch {
    // In a private window, or where a server does not have it: the page works as long as it is open.
  }
}

/** Says so when a newer version of the page has been downloaded, or is in use in another tab. */
function offerUpdates(registration: ServiceWorkerRegistration, container: ServiceWorkerContainer): void {
  let isWanted = false;
  let { controller } = container;
  const offer = (worker: ServiceWorker | null) => {
    if (worker?.state !== "installed" || !container.controller) return;
    const update = button("Reload", () => {
      isWanted = true;
      worker.postMessage("activate");
    });
    notice("update", "There is a newer version of this page.", { actions: [update] });
  };
  container.addEventListener("controllerchange", () => {
    if (isWanted) return location.reload();
    // The first one is no newer version.
    const before = controller;
    controller = container.controller;
    if (!before) return;
    const reload = button("Reload", () => location.reload());
    notice("update", "A newer version of this page is in use in another tab.", { actions: [reload] });
  });
  const follow = () => {
    const worker = registration.installing;
    worker?.addEventListener("statechange", () => offer(worker));
  };
  offer(registration.waiting);
  follow();
  registration.addEventListener("updatefound", follow);
}
