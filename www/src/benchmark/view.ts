// The part of the page that measures the visitor's machine.
import { element, make, setText } from "../dom.js";
import type { Model } from "../model.js";
import { asJson, asText, cells, machine, type Result } from "./report.js";
import { benchmark } from "./run.js";

const run = element<HTMLButtonElement>("run-benchmark");
const stop = element<HTMLButtonElement>("stop-benchmark");
const progress = element("benchmark-progress");
const place = element("benchmark-result");
const rows = element("benchmark-table").querySelector("tbody")!;
const share = element<HTMLButtonElement>("share");
const copied = element("copied");

/** `isBusy` tells whether the model is at work for somebody else. */
export function benchmarkView(model: Model, isBusy: () => boolean): { show(): void } {
  let abort: AbortController | undefined;
  let result: Result | undefined;

  const show = () => {
    run.disabled = !model.lm || isBusy();
    run.hidden = abort !== undefined;
    stop.hidden = abort === undefined;
    place.hidden = !result || result.rows.length === 0;
  };

  const start = async () => {
    const { lm, name } = model;
    if (!lm || abort) return;
    const mine = (abort = new AbortController());
    const { backend, adapter, context_length, weight_bytes } = await lm.stats();
    result = {
      benchmark: "plume-page",
      model: name,
      backend,
      adapter,
      context_length,
      weight_bytes,
      browser: navigator.userAgent,
      processors: navigator.hardwareConcurrency,
      date: new Date().toISOString(),
      rows: [],
    };
    rows.replaceChildren();
    setText(element("benchmark-machine"), machine(result));
    setText(progress, "Measuring …");
    show();
    try {
      for await (const row of benchmark(lm, mine.signal)) {
        result.rows.push(row);
        const [context, ...others] = cells(row);
        rows.append(
          make("tr", {}, make("th", { scope: "row" }, context!), ...others.map((cell) => make("td", {}, cell))),
        );
        setText(progress, `Measured at ${context} tokens …`);
        show();
      }
      setText(progress, "Done.");
    } catch (error) {
      setText(progress, mine.signal.aborted ? "Stopped." : `It could not go on: ${(error as Error).message}.`);
    } finally {
      abort = undefined;
      show();
    }
  };

  const copy = async (text: string) => {
    try {
      await navigator.clipboard.writeText(text);
      setText(copied, "Copied.");
    } catch (error) {
      setText(copied, `It could not be copied: ${(error as Error).message}`);
    }
  };

  run.addEventListener("click", () => void start());
  stop.addEventListener("click", () => abort?.abort());
  element("copy-text").addEventListener("click", () => result && void copy(asText(result)));
  element("copy-json").addEventListener("click", () => result && void copy(asJson(result)));
  share.hidden = typeof navigator.share !== "function";
  share.addEventListener("click", () => {
    // Who changes their mind has done nothing wrong.
    if (result) navigator.share({ title: "Plume", text: asText(result) }).catch(() => {});
  });
  show();
  return { show };
}
