// The loaded model, and loads: one at a time, which can be paused and given up. The model in use stays until another is ready.
import { LoadControl, Plume, PlumeError, type LoadOptions, type ModelSource, type Progress } from "plume-lm";

/** A load under way. */
export interface Load {
  name: string;
  /** Undefined before anything is known. */
  progress: Progress | undefined;
  paused: boolean;
}

export class Model {
  lm: Plume | undefined;
  /** Of the model in use. */
  name = "";
  load: Load | undefined;
  /** Told when anything of this is another. */
  onChange = () => {};
  /** Told when another model has taken the place of what was there. */
  onLoaded = () => {};
  /** Told what went wrong; of nothing, when it does not matter any more. */
  onError: (message: string | undefined) => void = () => {};
  private control: LoadControl | undefined;
  private abort: AbortController | undefined;
  private waiting: (() => void)[] = [];

  /** `device` and `hub` as `Plume.load` takes them; they are checked there. */
  constructor(private readonly choices: Pick<LoadOptions, "device" | "hub">) {}

  /** The model, once there is one. Rejects with the signal's reason. */
  async ready(signal: AbortSignal): Promise<Plume> {
    while (!this.lm) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        this.waiting.push(resolve);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    return this.lm;
  }

  /** Loads a model. Tells whether it is there. */
  async open(source: ModelSource, name: string): Promise<boolean> {
    this.onError(undefined);
    return this.run(
      name,
      async (options) => {
        const loaded = await Plume.load(source, { ...options, ...this.choices });
        this.lm?.dispose();
        this.lm = loaded;
        this.name = name;
        this.onLoaded();
      },
      (error) => {
        const kept = this.lm ? ` ${this.name} is still loaded.` : "";
        this.onError(`${name} could not be loaded. ${error.message}.${kept}`);
      },
    );
  }

  /** Loads the same model again after its device was lost or it crashed. Tells whether it is there. */
  async recover(broken: PlumeError): Promise<boolean> {
    const lm = this.lm;
    if (!lm) return false;
    const reload = ({ onProgress, signal }: LoadOptions) =>
      lm.reload({ ...(onProgress && { onProgress }), ...(signal && { signal }) });
    const isBack = await this.run(this.name, reload, (error) => this.onError(error.message));
    if (isBack) this.onError(`${broken.message}. The model was loaded again: you can go on.`);
    return isBack;
  }

  pause(isPaused: boolean): void {
    if (isPaused) this.control?.pause();
    else this.control?.resume();
    if (this.load) this.load.paused = isPaused;
    this.onChange();
  }

  cancel(): void {
    this.abort?.abort();
  }

  private async run(
    name: string,
    task: (options: LoadOptions) => Promise<void>,
    failed: (error: Error) => void,
  ): Promise<boolean> {
    this.cancel();
    const [abort, control] = [new AbortController(), new LoadControl()];
    const load: Load = { name, progress: undefined, paused: false };
    [this.abort, this.control, this.load] = [abort, control, load];
    this.onChange();
    const onProgress = (progress: Progress) => {
      load.progress = progress;
      this.onChange();
    };
    try {
      await task({ onProgress, signal: abort.signal, control });
      return true;
    } catch (error) {
      if (!(error instanceof PlumeError && error.code === "aborted")) failed(error as Error);
      return false;
    } finally {
      if (this.load === load) this.load = this.abort = this.control = undefined;
      for (const resume of this.waiting.splice(0)) resume();
      this.onChange();
    }
  }
}

/** Whether a model has to be loaded again after an error. */
export function isBroken(error: unknown): error is PlumeError {
  return error instanceof PlumeError && ["device_lost", "out_of_device_memory", "crashed"].includes(error.code);
}
