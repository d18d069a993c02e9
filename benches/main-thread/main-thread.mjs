// How long a page's own thread is busy at once while a model is loaded and writes, by Chromium's trace of its tasks.
import path from "node:path";
import { build } from "../../scripts/build.mjs";
import { launch } from "../../scripts/chromium.mjs";
import { serve } from "../../scripts/serve.mjs";
import { root } from "../../scripts/setup.mjs";
import { hub } from "../../tests/hub.mjs";
import { randomModel } from "../../tests/random-model.mjs";
import { longest, mainThreadTasks } from "../trace.mjs";

export const options = { layers: { type: "string" } };

/** Has a worker use WebGPU: Chromium starts its GPU process from the page's main thread, whoever asks. That is not ours. */
function wakeGpu() {
  const program = "navigator.gpu.requestAdapter().then((a) => a.requestDevice()).then(() => postMessage(0))";
  const worker = new Worker(URL.createObjectURL(new Blob([program])));
  return new Promise((resolve) => (worker.onmessage = () => (worker.terminate(), resolve())));
}

export async function run({ layers = "8" }) {
  await build();
  const model = randomModel({ layers: Number(layers) });
  const bytes = model.subarray(0, model.length);
  const site = await serve({ "/plume-lm/": path.join(root, "build/plume-lm"), "/": path.join(root, "tests/browser") });
  const server = await hub({ "model.gguf": bytes });
  const results = [];
  for (const [what, device] of [
    ["GPU (SwiftShader)", "gpu"],
    ["CPU", "cpu"],
  ]) {
    const browser = await launch();
    const page = await browser.newPage();
    await page.goto(`${site.origin}/blank.html`);
    await page.evaluate(wakeGpu);
    for (const [model, url] of [
      ["plm-tiny", undefined],
      [`${(bytes.length / 1e6).toFixed(0)} MB`, `${server.origin}/model.gguf`],
    ]) {
      const found = await mainThreadTasks(browser, "/index.js", () =>
        page.evaluate(
          async ([url, device]) => {
            const { Plume } = await import("/plume-lm/dist/index.js");
            const lm = await Plume.load(url, { device, cache: false, context_length: 512, onProgress: () => {} });
            const messages = [{ role: "user", content: "ab ".repeat(60) }];
            const request = { messages, stream: true, max_tokens: url ? 8 : 200 };
            for await (const part of await lm.chat.completions.create(request))
              document.title = part.choices[0].delta.content ?? "";
            lm.dispose();
          },
          [url, device],
        ),
      );
      const { longest_ms, longest_cpu_ms } = longest(found);
      results.push({ device, model, tasks: found.length, longest_ms, longest_cpu_ms });
      const times = `the longest ${longest_cpu_ms.toFixed(1)} ms of the processor, ${longest_ms.toFixed(1)} ms by the clock`;
      console.log(`${what.padEnd(20)}${model.padStart(10)}: ${String(found.length).padStart(6)} tasks, ${times}`);
    }
    await browser.close();
  }
  return results;
}
