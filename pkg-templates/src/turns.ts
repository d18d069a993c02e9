/** Milliseconds for which a reply that nobody reads on keeps others waiting. */
const PATIENCE = 1000;
/** Milliseconds after which a reply gives way to one of another session. What it has computed ahead is lost with each change. */
const SHARE = 250;

/**
 * Lets one reply at a time use the model, in the order of the calls. A reply keeps its turn until it ends, since another
 * in between would push its conversation out of the cache; but a reader that stays away loses it to one that waits, and replies
 * of different sessions, each of which has a cache, take turns.
 */
export class Turns {
  private holder: object | undefined;
  private working: object | undefined;
  /** When the holder entered. */
  private since = 0;
  private waiting: { reply: object; session: object | undefined; enter: () => void }[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** Runs a part of a reply's work in its turn. Rejects where `ended` is aborted first. */
  async use<T>(reply: object, ended: AbortSignal, task: () => Promise<T>, session?: object): Promise<T> {
    if (this.holder !== reply) await this.enter(reply, ended, session);
    this.stopWatching();
    this.working = reply;
    try {
      return await task();
    } finally {
      if (this.working === reply) this.working = undefined;
      const [next] = this.waiting;
      const isLong = performance.now() - this.since > SHARE;
      if (this.holder === reply && next && next.session !== session && isLong) this.pass();
      this.watch();
    }
  }

  /** Gives the turn on, if it is this reply's. */
  leave(reply: object): void {
    if (this.holder === reply) this.pass();
  }

  private enter(reply: object, ended: AbortSignal, session: object | undefined): Promise<void> {
    if (!this.holder) {
      this.holder = reply;
      this.since = performance.now();
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        this.waiting = this.waiting.filter((other) => other !== place);
        reject(ended.reason);
      };
      const place = {
        reply,
        session,
        enter: () => {
          ended.removeEventListener("abort", giveUp);
          resolve();
        },
      };
      ended.addEventListener("abort", giveUp, { once: true });
      this.waiting.push(place);
      this.watch();
    });
  }

  private pass(): void {
    this.stopWatching();
    const next = this.waiting.shift();
    this.holder = next?.reply;
    this.since = performance.now();
    next?.enter();
    this.watch();
  }

  private watch(): void {
    if (this.timer !== undefined || this.working || !this.holder || this.waiting.length === 0) return;
    this.timer = setTimeout(() => this.pass(), PATIENCE);
  }

  private stopWatching(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}
