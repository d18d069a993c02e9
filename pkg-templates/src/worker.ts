// The worker's side: one model, one request at a time, told by messages from worker-runtime.ts.
import { browserCores } from "./cores-browser.js";
import { PlumeError } from "./errors.js";
import { LoadControl } from "./load-control.js";
import { browserMedium } from "./store-browser.js";
import { loadHere, type CoreRequest, type Runtime } from "./runtime.js";
import type { LoadOptions, ModelSource } from "./types.js";

/** What the page asks. */
export type Call =
  | {
      call: "load";
      model: ModelSource;
      options: Omit<LoadOptions, "onProgress" | "signal" | "control">;
    }
  | { call: "begin"; request: CoreRequest }
  | { call: "step"; reply: number }
  | { call: "end"; reply: number }
  | { call: "stats" }
  | { call: "pause"; paused: boolean }
  | { call: "abort" };

const abort = new AbortController();
const control = new LoadControl();
let runtime: Runtime | undefined;

async function answer(call: Call): Promise<unknown> {
  switch (call.call) {
    case "load": {
      const onProgress: LoadOptions["onProgress"] = (progress) => postMessage({ progress });
      const medium = call.options.cache === false ? undefined : await browserMedium();
      const options = { ...call.options, signal: abort.signal, control, onProgress };
      runtime = await loadHere({ cores: browserCores, medium, model: call.model }, options);
      return undefined;
    }
    case "begin":
      return runtime?.begin(call.request);
    case "step":
      return runtime?.step(call.reply);
    case "end":
      return runtime?.end(call.reply);
    case "stats":
      return runtime?.stats();
    case "pause":
      return call.paused ? control.pause() : control.resume();
    case "abort":
      return abort.abort();
  }
}

addEventListener("message", ({ data: { id, ...call } }: MessageEvent<Call & { id: number }>) => {
  answer(call as Call).then(
    (value) => postMessage({ id, value }),
    (thrown) => {
      const { code, message } = PlumeError.from(thrown);
      postMessage({ id, error: { code, message } });
    },
  );
});
