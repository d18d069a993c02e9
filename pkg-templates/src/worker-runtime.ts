// A model in a worker of its own.
import { PlumeError } from "./errors.js";
import type { Begun, Piece, Runtime } from "./runtime.js";
import type { LoadOptions, ModelSource, Stats } from "./types.js";
import { absolute } from "./urls.js";
import { WorkerConnection } from "./worker-connection.js";

/** Loads a model in a worker. */
export async function loadInWorker(
  model: ModelSource,
  options: LoadOptions,
  assets: URL | undefined,
): Promise<Runtime> {
  const { control, signal, onProgress, ...chosen } = options;
  const source = absolute(model);
  const worker = new WorkerConnection(assets, onProgress);
  const abort = () => void worker.ask({ call: "abort" }).catch(() => {}); // A worker that has ended loads nothing.
  const pause = () => void worker.ask({ call: "pause", paused: control!.paused }).catch(() => {});
  const unlisten = control?.listen(pause);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    await worker.ask({ call: "load", model: source, options: chosen });
  } catch (error) {
    const failed = PlumeError.from(error);
    worker.end(failed);
    throw failed;
  } finally {
    signal?.removeEventListener("abort", abort);
    unlisten?.();
  }
  return {
    begin: (request, format) => worker.ask({ call: "begin", request, format }) as Promise<Begun>,
    step: (reply, tells) => worker.ask({ call: "step", reply, tells }) as Promise<Piece>,
    end: (reply) => void worker.ask({ call: "end", reply }).catch(() => {}), // A worker that has ended has forgotten it.
    openSession: (saved) => worker.ask({ call: "open-session", saved }) as Promise<number>,
    saveSession: (session) => worker.ask({ call: "save-session", session }) as Promise<Uint8Array<ArrayBuffer>>,
    closeSession: (session) => void worker.ask({ call: "close-session", session }).catch(() => {}),
    stats: () => worker.ask({ call: "stats" }) as Promise<Stats>,
    dispose: () => worker.end(new PlumeError("disposed", "this model was disposed of")),
  };
}
