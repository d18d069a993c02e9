// What is known of the newest tokens that were told.
import type { StepStats } from "plume-lm";

/** A token and what it took. */
export interface Seen {
  /** Milliseconds, by the clock of `performance`. */
  at: number;
  step: StepStats;
}

/** How many tokens are remembered. */
export const REMEMBERED = 96;
/** Milliseconds over which speed is measured. */
const WINDOW = 1000;

export class Recorder {
  /** The newest last. */
  seen: Seen[] = [];
  /** Milliseconds from the question to the first token, where it was told. */
  first: number | undefined;
  private began = 0;
  /** Those of this reply that are remembered. */
  private own = 0;

  /** A reply begins. What was seen of the last one stays until it is pushed out. */
  begin(now: number): void {
    this.began = now;
    this.own = 0;
    this.first = undefined;
  }

  step(step: StepStats, now: number): void {
    // Others may come before one that is told.
    if (step.completion_tokens === 1) this.first = now - this.began;
    this.seen.push({ at: now, step });
    this.own = Math.min(this.own + 1, REMEMBERED);
    if (this.seen.length > REMEMBERED) this.seen.shift();
  }

  /** Forgets everything. */
  clear(): void {
    this.seen = [];
    this.own = 0;
    this.first = undefined;
  }

  /** Tokens a second over the last of time, once two are known. */
  speed(): number | undefined {
    const own = this.seen.slice(this.seen.length - this.own);
    const last = own.at(-1);
    const since = last && own.find(({ at }) => last.at - at <= WINDOW);
    if (!last || !since || since === last) return undefined;
    const tokens = last.step.completion_tokens - since.step.completion_tokens;
    return (tokens / (last.at - since.at)) * 1000;
  }
}
