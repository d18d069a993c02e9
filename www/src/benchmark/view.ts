// The part of the page that measures the visitor's machine.
import type { Plume, PlumeError } from "plume-lm";
import type { Chat } from "../chat.js";
import { copyText, element, make, setText } from "../dom.js";
import { isBroken, type Model } from "../model.js";
import { asJson, asText, cells, machine, type Result } from "./report.js";
import { benchmark } from "./run.js";

const run = element<HTMLButtonElement>("run-benchmark");
const stop = element<HTMLButtonElement>("stop-benchmark");
const progress = element("benchmark-progress");
const place = element("benchmark-result");
const rows = element("benchmark-table").querySelector("tbody")!;
const share = element<HTMLButtonElement>("share");
const copied = element("copied");

/** While it runs, the chat waits, and the other way round: both would be slower, and nobody knew how fast the model is. */
export function benchmarkView(model: Model, chat: Chat): { show(): void } {
  let abort: AbortController | undefined;
  let result: Result | undefined;

  const show = () => {
    const hadFocus = [run, stop].includes(document.activeElement as HTMLButtonElement);
    chat.blocked = abort && "the benchmark is running";
    run.disabled = !model.lm || chat.isBusy;
    run.hidden = abort !== undefined;
    stop.hidden = abort === undefined;
    if (hadFocus) (abort ? stop : run).focus();
    place.hidden = !result || result.rows.length === 0;
  };

  const start = async () => {
    const { lm, name } = model;
    if (!lm || abort) return;
    const mine = (abort = new AbortController());
    setText(progress, "Measuring …");
    show();
    let broken: PlumeError | undefined;
    try {
      result = await resultOf(lm, name);
      rows.replaceChildren();
      setText(element("benchmark-machine"), machine(result));
      for await (const row of benchmark(lm, mine.signal)) {
        result.rows.push(row);
        const [context, ...others] = cells(row);
        const head = make("th", { scope: "row" }, context!);
        rows.append(make("tr", {}, head, ...others.map((cell) => make("td", {}, cell))));
        setText(progress, `Measured at ${context} tokens …`);
        show();
      }
      setText(progress, "Done.");
    } catch (error) {
      setText(progress, mine.signal.aborted ? "Stopped." : `It could not go on: ${(error as Error).message}.`);
      if (isBroken(error)) broken = error;
    } finally {
      abort = undefined;
      show();
    }
    if (broken) await model.recover(lm, broken);
  };

  const copy = async (text: string) => setText(copied, (await copyText(text)) ?? "Copied.");

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

/** A result without rows. */
async function resultOf(lm: Plume, model: string): Promise<Result> {
  const { backend, adapter, context_length, weight_bytes } = await lm.stats();
  return {
    benchmark: "plume-page",
    model,
    backend,
    adapter,
    context_length,
    weight_bytes,
    browser: navigator.userAgent,
    processors: navigator.hardwareConcurrency,
    date: new Date().toISOString(),
    rows: [],
  };
}
