/** Milliseconds of the past that count. */
const WINDOW = 4000;
/** Milliseconds before a rate is worth telling. */
const LEAST = 500;

/** How fast something goes, by what it was in the last seconds. */
export class Rate {
  private readonly seen: { at: number; loaded: number }[] = [];

  of(loaded: number, total: number): { rate?: number; seconds_left?: number } {
    const at = performance.now();
    const last = this.seen.at(-1);
    if (!last || at - last.at >= 100) this.seen.push({ at, loaded });
    while (this.seen.length > 2 && at - this.seen[1]!.at >= WINDOW) this.seen.shift();
    const { at: since, loaded: before } = this.seen[0]!;
    if (at - since < LEAST) return {};
    const rate = ((loaded - before) / (at - since)) * 1000;
    return rate > 0 ? { rate, seconds_left: (total - loaded) / rate } : { rate };
  }
}
