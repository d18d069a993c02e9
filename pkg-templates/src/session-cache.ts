import { PlumeError } from "./errors.js";
import type { Runtime } from "./runtime.js";

/** A session's cache in whichever runtime there is: a model that is loaded again has none of it, and gets another. */
export class SessionCache {
  private readonly disposal = new AbortController();

  constructor(private opened: { runtime: Runtime | undefined; number: Promise<number> }) {}

  /** Aborted when the session is disposed of. */
  get ended(): AbortSignal {
    return this.disposal.signal;
  }

  /** Its number in a runtime. */
  in(runtime: Runtime): Promise<number> {
    this.checkAlive();
    if (this.opened.runtime !== runtime) this.opened = { runtime, number: runtime.openSession() };
    const { number } = this.opened;
    number.catch(() => {
      // The next request tries again.
      if (this.opened.number === number) this.opened = { runtime: undefined, number };
    });
    return number;
  }

  checkAlive(): void {
    if (this.ended.aborted) throw new PlumeError("disposed", "this session was disposed of");
  }

  dispose(): void {
    if (this.ended.aborted) return;
    this.disposal.abort();
    const { runtime, number } = this.opened;
    number.then(
      (session) => runtime?.closeSession(session),
      () => {}, // What could not be opened need not be closed.
    );
  }
}
