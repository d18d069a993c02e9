/** Milliseconds for which a thread may compute without a look at what else there is to do. */
const WORK = 8;

/**
 * Gives a thread's timers, messages and input their turn. What computes for long and waits for nothing but promises would keep them
 * waiting until it ends, and with them the timer that is to abort it.
 */
export class Rest {
  private last = performance.now();

  /** Rests where that is due. */
  async whereDue(): Promise<void> {
    if (performance.now() - this.last < WORK) return;
    await new Promise<void>((resolve) => {
      if (typeof setImmediate === "function") return setImmediate(resolve);
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => (port1.close(), resolve());
      port2.postMessage(undefined);
    });
    this.last = performance.now();
  }
}
