// The page's side of the worker.
import { PlumeError, type ErrorCode } from "./errors.js";
import { isHubName } from "./names.js";
import type { Begun, Piece, Runtime } from "./runtime.js";
import type { LoadOptions, ModelSource, Progress, Stats } from "./types.js";
import type { Call } from "./worker.js";

interface Answer {
  id?: number;
  value?: unknown;
  error?: { code: ErrorCode; message: string };
  progress?: Progress;
}

/** Loads a model in a worker of its own. */
export async function loadInWorker(model: ModelSource, options: LoadOptions): Promise<Runtime> {
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "plume-lm" });
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: PlumeError) => void }>();
  let next = 0;
  let ended: PlumeError | undefined;
  const ask = (call: Call): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (ended) throw ended;
      waiting.set(next, { resolve, reject });
      worker.postMessage({ id: next++, ...call });
    });
  const end = (error: PlumeError) => {
    ended = error;
    worker.terminate();
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  worker.addEventListener("message", ({ data: { id, value, error, progress } }: MessageEvent<Answer>) => {
    if (progress) options.onProgress?.(progress);
    if (id === undefined) return;
    const caller = waiting.get(id);
    waiting.delete(id);
    if (!error) return caller?.resolve(value);
    caller?.reject(new PlumeError(error.code, error.message));
    // What is left of a core that crashed is not to be used again.
    if (error.code === "crashed")
      end(new PlumeError("crashed", `the model crashed and must be loaded again: ${error.message}`));
  });
  worker.addEventListener("error", (event) => {
    end(new PlumeError("crashed", `the worker failed: ${event.message || "it could not be started"}`));
  });

  const abort = () => void ask({ call: "abort" });
  const { control, signal, onProgress: _, ...chosen } = options;
  const pause = () => void ask({ call: "pause", paused: control!.paused }).catch(() => {}); // A worker that has ended waits for nothing.
  const unlisten = control?.listen(pause);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    await ask({ call: "load", model: absolute(model), options: chosen });
  } catch (error) {
    worker.terminate();
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
    unlisten?.();
  }
  return {
    begin: (request) => ask({ call: "begin", request }) as Promise<Begun>,
    step: (reply) => ask({ call: "step", reply }) as Promise<Piece>,
    end: (reply) => void ask({ call: "end", reply }).catch(() => {}), // A worker that has ended has forgotten it.
    stats: () => ask({ call: "stats" }) as Promise<Stats>,
    dispose: () => end(new PlumeError("disposed", "this model was disposed of")),
  };
}

/** URLs are the page's: the worker's own address is another. */
function absolute(model: ModelSource): ModelSource {
  if (!(typeof model === "string" || model instanceof URL) || isHubName(String(model))) return model;
  try {
    return new URL(model, location.href).href;
  } catch (cause) {
    throw new PlumeError("invalid_request", `${String(model)} is no URL`, { cause });
  }
}
