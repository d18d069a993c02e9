// The worker's side: one model, the cache's chores, or help with another worker's products, as its starter says.
import { bindings } from "./bindings.js";
import { CacheManager, type CacheCalls } from "./cache.js";
import type { ModuleName, HelperCall } from "./cores.js";
import { browserCores } from "./cores-browser.js";
import { PlumeError } from "./errors.js";
import type { Format } from "./grammar.js";
import { LoadControl } from "./load-control.js";
import { browserMedium } from "./store-browser.js";
import { loadHere, type CoreRequest, type Runtime, type Tells } from "./runtime.js";
import type { LoadOptions, ModelSource } from "./types.js";
import type { Answer } from "./worker-connection.js";

/** What a worker is asked. */
export type Call =
  | { call: "load"; model: ModelSource; options: Omit<LoadOptions, "onProgress" | "signal" | "control"> }
  | { call: "begin"; request: CoreRequest; format?: Format | undefined }
  | { call: "step"; reply: number; tells?: Tells | undefined }
  | { call: "end"; reply: number }
  | { call: "open-session"; saved?: Uint8Array | undefined }
  | { call: "save-session"; session: number }
  | { call: "close-session"; session: number }
  | { call: "stats" }
  | { call: "pause"; paused: boolean }
  | { call: "abort" }
  | { call: "cache"; task: keyof CacheCalls; url?: string | undefined }
  /** A core that this worker could not find, or why there is none. */
  | { call: "found"; core: ModuleName; bytes?: ArrayBuffer; why?: string }
  | { call: "help"; help: HelperCall };

const post = (answer: Answer) => {
  // What takes much memory is given away, not copied.
  const given = answer.value instanceof Uint8Array ? [answer.value.buffer as ArrayBuffer] : [];
  postMessage(answer, { transfer: given });
};

/** Those who wait for cores that the page has to send. */
const wanted = new Map<ModuleName, { resolve: (bytes: ArrayBuffer) => void; reject: (error: PlumeError) => void }>();

const cores = browserCores({
  fromPage: (name) =>
    new Promise((resolve, reject) => {
      wanted.set(name, { resolve, reject });
      post({ missing: name });
    }),
  /** From this worker's own script, wherever that came from. */
  startWorker: () => new Worker(location.href, { type: isModule() ? "module" : "classic" }),
});

/** Bundlers may have made a classic script of this one. */
function isModule(): boolean {
  try {
    (self as unknown as { importScripts(): void }).importScripts();
    return false;
  } catch {
    return true;
  }
}

const abort = new AbortController();
const control = new LoadControl();
let runtime: Runtime | undefined;

const checksum = async () => (await cores.get("cpu")).bindings.checksum;
const manager = new CacheManager(browserMedium, checksum);

async function answer(call: Call): Promise<unknown> {
  switch (call.call) {
    case "load": {
      const onProgress: LoadOptions["onProgress"] = (progress) => post({ progress });
      const medium = call.options.cache === false ? undefined : await browserMedium();
      const options = { ...call.options, signal: abort.signal, control, onProgress };
      runtime = await loadHere({ cores, medium, model: call.model }, options);
      return undefined;
    }
    case "begin":
      return runtime?.begin(call.request, call.format);
    case "step":
      return runtime?.step(call.reply, call.tells);
    case "end":
      return runtime?.end(call.reply);
    case "open-session":
      return runtime?.openSession(call.saved);
    case "save-session":
      return runtime?.saveSession(call.session);
    case "close-session":
      return runtime?.closeSession(call.session);
    case "stats":
      return runtime?.stats();
    case "pause":
      return call.paused ? control.pause() : control.resume();
    case "abort":
      return abort.abort();
    case "cache":
      // `url` is there where the task asks for one.
      return (manager[call.task] as (url?: string) => Promise<unknown>).call(manager, call.url).catch((thrown) => {
        throw thrown instanceof PlumeError ? thrown : new PlumeError("io", (thrown as Error).message);
      });
    case "found": {
      const { resolve, reject } = wanted.get(call.core)!;
      wanted.delete(call.core);
      return call.bytes ? resolve(call.bytes) : reject(new PlumeError("missing", call.why ?? ""));
    }
    case "help":
      return help(call.help);
  }
}

/** Helps for good, once it has said that it does. */
function help({ core, module, memory }: HelperCall): void {
  const { help, initSync } = bindings[core]();
  initSync({ module, memory });
  setTimeout(help);
}

addEventListener("message", ({ data: { id, ...call } }: MessageEvent<Call & { id: number }>) => {
  answer(call as Call).then(
    (value) => post({ id, value }),
    (thrown) => {
      const { code, message } = PlumeError.from(thrown);
      post({ id, error: { code, message } });
    },
  );
});
