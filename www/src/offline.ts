// The service worker: the page works without a network after the first visit, and is isolated where its server cannot say so.
import { button, element } from "./dom.js";
import { notice } from "./notices.js";

/** What remembers that this was done: a browser that does not isolate the page then never will. */
const BEGUN_AGAIN = "plume.begun-again";
/** Milliseconds that the first visit waits, so that what it loads is kept too. */
const PATIENCE = 3000;

/**
 * Registers the service worker, and waits until it has the page in its care, or will not have it soon. A page that is not isolated
 * begins again in its care, before it has done anything: then the CPU's threads may share memory.
 */
export async function startServiceWorker(): Promise<void> {
  const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  if (!container) return;
  try {
    const hadOne = container.controller !== null;
    const controlled = new Promise<void>((resolve) =>
      container.addEventListener("controllerchange", () => resolve(), { once: true }),
    );
    const registration = await container.register("service-worker.js", { updateViaCache: "none" });
    offerUpdates(registration, container);
    if (!hadOne) await Promise.race([controlled, new Promise((resolve) => setTimeout(resolve, PATIENCE))]);
    if (container.controller && !crossOriginIsolated && isUntouched()) {
      sessionStorage.setItem(BEGUN_AGAIN, "yes");
      location.reload();
      await new Promise(() => {}); // Nothing more is done here.
    }
  } catch {
    // In a private window, or where a server does not have it: the page works as long as it is open.
  }
}

/** Says so when a newer version of the page has been downloaded. */
function offerUpdates(registration: ServiceWorkerRegistration, container: ServiceWorkerContainer): void {
  const offer = (worker: ServiceWorker | null) => {
    if (worker?.state !== "installed" || !container.controller) return;
    const update = button("Reload", () => {
      container.addEventListener("controllerchange", () => location.reload(), { once: true });
      worker.postMessage("activate");
    });
    notice("update", "There is a newer version of this page.", update);
  };
  offer(registration.waiting);
  registration.addEventListener("updatefound", () => {
    const worker = registration.installing;
    worker?.addEventListener("statechange", () => offer(worker));
  });
}

/** Whether nothing is lost where the page begins again. */
function isUntouched(): boolean {
  const prompt = element<HTMLTextAreaElement>("prompt");
  return !sessionStorage.getItem(BEGUN_AGAIN) && !prompt.value && !document.querySelector(".message, dialog[open]");
}
