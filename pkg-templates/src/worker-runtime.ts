// The page's side of the worker.
import { PlumeError, type ErrorCode } from "./errors.js";
import type { Piece, Runtime } from "./runtime.js";
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
    if (error) caller?.reject(new PlumeError(error.code, error.message));
    else caller?.resolve(value);
  });
  worker.addEventListener("error", (event) => {
    end(new PlumeError("crashed", `the worker failed: ${event.message || "it could not be started"}`));
  });

  const abort = () => void ask({ call: "abort" });
  options.signal?.addEventListener("abort", abort, { once: true });
  try {
    const absolute = typeof model === "string" || model instanceof URL ? new URL(model, location.href).href : model;
    await ask({ call: "load", model: absolute, device: options.device ?? "auto" });
  } catch (error) {
    worker.terminate();
    throw error;
  } finally {
    options.signal?.removeEventListener("abort", abort);
  }
  return {
    begin: async (request) => void (await ask({ call: "begin", request })),
    step: () => ask({ call: "step" }) as Promise<Piece>,
    stats: () => ask({ call: "stats" }) as Promise<Stats>,
    dispose: () => end(new PlumeError("disposed", "this model was disposed of")),
  };
}
