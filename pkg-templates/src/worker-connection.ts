// The page's side of a worker: how it is started, what it is asked, and what it answers.
import type { ModuleName } from "./cores.js";
import { PlumeError, type ErrorCode } from "./errors.js";
import { inlineCore, inlineWorker } from "./inline.js";
import { startWorker } from "./start-worker.js";
import type { Progress } from "./types.js";
import type { Call } from "./worker.js";

/** What a worker says. */
export interface Answer {
  /** Of the call that this answers. */
  id?: number;
  value?: unknown;
  error?: { code: ErrorCode; message: string };
  progress?: Progress;
  /** A core that the worker cannot find. */
  missing?: ModuleName;
}

interface Waiting {
  message: Call & { id: number };
  resolve: (value: unknown) => void;
  reject: (error: PlumeError) => void;
}

/** A way to start a worker; the next one is tried where it does not start. */
type Way = () => Worker | Promise<Worker>;

const OPTIONS = { type: "module", name: "plume-lm" } as const;

function ways(assets: URL | undefined): Way[] {
  // Not by a pattern that bundlers know: they would copy the script for a second time.
  const url = assets ? new URL("worker.js", assets).href : import.meta.url.replace(/[^/]*$/, "worker.js");
  return [
    () => startWorker(assets),
    // Scripts of another origin may not be workers, but may be imported by one.
    () => {
      if (!/^https?:/.test(url) || new URL(url).origin === location.origin) throw new Error(`${url} was not found`);
      const script = new Blob([`import ${JSON.stringify(url)}`], { type: "text/javascript" });
      return new Worker(URL.createObjectURL(script), OPTIONS);
    },
    async () => new Worker(await inlineWorker(), { name: OPTIONS.name }),
  ];
}

/** A worker, and the calls that it has not answered. */
export class WorkerConnection {
  private worker: Worker | undefined;
  private readonly waiting = new Map<number, Waiting>();
  private next = 0;
  private ended: PlumeError | undefined;

  /** `assets` is a folder that has the package's files, where they are not beside this one. */
  constructor(
    assets: URL | undefined,
    private readonly onProgress?: (progress: Progress) => void,
  ) {
    void this.start(ways(assets));
  }

  ask(call: Call): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.ended) throw this.ended;
      const message = { id: this.next++, ...call };
      this.waiting.set(message.id, { message, resolve, reject });
      this.worker?.postMessage(message);
    });
  }

  /** Ends the worker. What it has not answered, and what it is asked later, fails with this error. */
  end(error: PlumeError): void {
    this.ended = error;
    this.worker?.terminate();
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }

  private async start([way, ...others]: Way[], why = ""): Promise<void> {
    if (!way) return this.end(new PlumeError("crashed", `the worker could not be started: ${why}`));
    let worker: Worker;
    try {
      worker = await way();
    } catch (error) {
      return this.start(others, why || (error as Error).message);
    }
    if (this.ended) return worker.terminate();
    let heard = false;
    worker.addEventListener("message", ({ data }: MessageEvent<Answer>) => {
      heard = true;
      this.hear(data);
    });
    worker.addEventListener("error", ({ message }) => {
      // Without a message it is the script itself that was not to be had.
      if (heard || message) return this.end(new PlumeError("crashed", `the worker failed: ${message || "it ended"}`));
      worker.terminate();
      this.worker = undefined;
      void this.start(others, "its script was not found, or may not be run here");
    });
    this.worker = worker;
    for (const { message } of this.waiting.values()) worker.postMessage(message);
  }

  private hear({ id, value, error, progress, missing }: Answer): void {
    if (progress) this.onProgress?.(progress);
    if (missing) void this.send(missing);
    const caller = id === undefined ? undefined : this.waiting.get(id);
    if (!caller) return;
    this.waiting.delete(id!);
    if (!error) return caller.resolve(value);
    caller.reject(new PlumeError(error.code, error.message));
    // What is left of a core that crashed is not to be used again.
    if (error.code === "crashed")
      this.end(new PlumeError("crashed", `the model crashed and must be loaded again: ${error.message}`));
  }

  /** Sends the worker a core that it cannot find. */
  private async send(core: ModuleName): Promise<void> {
    const found = await inlineCore(core).then(
      (bytes) => ({ bytes }),
      (thrown) => ({ why: PlumeError.from(thrown).message }),
    );
    await this.ask({ call: "found", core, ...found }).catch(() => {}); // A worker that has ended needs none.
  }
}
