/** Holds a load's downloads up, and lets them go on: `Plume.load(model, { control })`. To give a load up, abort its signal. */
export class LoadControl {
  private resumed: Promise<void> | undefined;
  private letGo = () => {};
  private readonly listeners = new Set<() => void>();

  /** Whether downloads wait. */
  get paused(): boolean {
    return this.resumed !== undefined;
  }

  /** Nothing is downloaded until {@link resume}. What has come is kept. */
  pause(): void {
    this.resumed ??= new Promise((resolve) => (this.letGo = resolve));
    this.tell();
  }

  /** Downloads go on. */
  resume(): void {
    this.resumed = undefined;
    this.letGo();
    this.tell();
  }

  /** What a download waits for, if it has to. */
  waiting(signal: AbortSignal | undefined): Promise<void> | undefined {
    if (!this.resumed || signal?.aborted) return undefined;
    const aborted = new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve(), { once: true }));
    return Promise.race([this.resumed, aborted]);
  }

  /** Calls a listener at once and at every change, until what this gives is called. */
  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    listener();
    return () => this.listeners.delete(listener);
  }

  private tell(): void {
    this.listeners.forEach((listener) => listener());
  }
}
