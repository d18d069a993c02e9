// A benchmark's result, in the forms in which it can be shared.
import { percent, speed } from "../units.js";
import type { Row } from "./run.js";

export interface Result {
  benchmark: "plume-page";
  model: string;
  /** As `Plume.stats` tells of them. */
  backend: string;
  adapter: string;
  context_length: number;
  weight_bytes: number;
  browser: string;
  processors: number;
  /** When it was run, as ISO 8601 has it. */
  date: string;
  rows: Row[];
}

export const COLUMNS = ["Context", "Reading, tokens/s", "First token, ms", "Writing, tokens/s", "Neurons active"];

/** A row as it is read. */
export function cells(row: Row): string[] {
  const told = (value: number | undefined, tell: (value: number) => string) =>
    value === undefined ? "–" : tell(value);
  return [
    String(row.context),
    told(row.prefill_tokens_per_second, speed),
    told(row.time_to_first_token_ms, (milliseconds) => milliseconds.toFixed(0)),
    told(row.decode_tokens_per_second, speed),
    told(row.density, percent),
  ];
}

/** Where it was measured, in a sentence. */
export function machine({ model, adapter, browser, processors, date }: Result): string {
  return `${model} on ${adapter}, ${processors} processors, ${browser}, ${date.slice(0, 10)}`;
}

/** A table that is also one where Markdown is understood. */
export function asText(result: Result): string {
  const line = (row: string[]) => `| ${row.join(" | ")} |`;
  const rule = line(COLUMNS.map(() => "--:"));
  return [`Plume: ${machine(result)}`, "", line(COLUMNS), rule, ...result.rows.map((row) => line(cells(row)))].join(
    "\n",
  );
}

export function asJson(result: Result): string {
  return JSON.stringify(result, undefined, 2);
}
