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
  private abort: AbortController | undefined;
  /** Of the load under way; and of the model in use, by which it is loaded again, too. */
  private control: LoadControl | undefined;
  private own = new LoadControl();
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

  /** Loads a model. */
  async open(source: ModelSource, name: string): Promise<void> {
    this.onError(undefined);
    const control = new LoadControl();
    try {
      await this.run(name, control, async (options) => {
        const loaded = await Plume.load(source, { ...options, ...this.choices, control });
        this.lm?.dispose();
        [this.lm, this.name, this.own] = [loaded, name, control];
        this.onError(undefined);
        this.onLoaded();
      });
    } catch (error) {
      const kept = this.lm ? ` ${this.name} is still loaded.` : "";
      this.onError(`${name} could not be loaded. ${(error as Error).message}.${kept}`);
    }
  }

  /** Loads a model again whose device was lost, or that crashed. */
  async recover(lm: Plume, broken: PlumeError): Promise<void> {
    // Another has taken its place by now.
    if (this.lm !== lm) return;
    const { name } = this;
    if (this.load) return this.giveUp(`${broken.message}. ${name} is gone, and ${this.load.name} still coming.`);
    let why = "";
    const isBack = await this.run(name, this.own, (options) => lm.reload(options)).catch((error: Error) => {
      why = ` ${error.message}.`;
      return false;
    });
    if (this.lm !== lm) return;
    if (isBack) {
      this.onError(`${broken.message}. The model was loaded again: you can go on.`);
      this.onLoaded();
    } else if (this.load) this.giveUp(undefined);
    else this.giveUp(`${broken.message}. ${name} was not loaded again.${why} Choose a model to go on.`);
  }

  /** Lets the model go, which answers nothing any more. */
  private giveUp(message: string | undefined): void {
    this.lm?.dispose();
    this.lm = undefined;
    this.name = "";
    this.onError(message);
    this.onChange();
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

  /** Runs a load. Tells whether it came to its end; it was given up, where it did not. */
  private async run(
    name: string,
    control: LoadControl,
    task: (options: Required<Pick<LoadOptions, "onProgress" | "signal">>) => Promise<void>,
  ): Promise<boolean> {
    this.cancel();
    const abort = new AbortController();
    const load: Load = { name, progress: undefined, paused: false };
    [this.abort, this.control, this.load] = [abort, control, load];
    this.onChange();
    const onProgress = (progress: Progress) => {
      load.progress = progress;
      this.onChange();
    };
    try {
      await task({ onProgress, signal: abort.signal });
      return true;
    } catch (error) {
      if (abort.signal.aborted) return false;
      throw error;
    } finally {
      control.resume();
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
