// What the demo page costs while a model writes: what the instruments take of its speed, how steady the page stays, and how long
// its main thread is busy at once. The page runs as a visitor's does; Chromium's own trace and observers tell of it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { build } from "../../scripts/build.mjs";
import { launch } from "../../scripts/chromium.mjs";
import { serve } from "../../scripts/serve.mjs";
import { siteFolder } from "../../scripts/site.mjs";
import { writeModel } from "../cpu/model.mjs";
import { median } from "../median.mjs";
import { longest, mainThreadTasks } from "../trace.mjs";

export const options = { devices: { type: "string" }, tokens: { type: "string" } };

const QUESTION = "Tell me a story about a brave fox named Pip.";
/** Milliseconds after which nothing of the last reply is drawn any more. */
const SETTLED = 600;
/** Milliseconds between frames of a screen that is drawn 60 times a second. */
const FRAME = 1000 / 60;

/** Watches, in the page, what moves by itself. */
function watch() {
  window.watched = { shift: 0 };
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) window.watched.shift += value;
  }).observe({ type: "layout-shift", buffered: true });
}

/** Counts frames, in the page, until the reply is there. */
function countFrames(frame) {
  return new Promise((resolve) => {
    let [frames, dropped, last] = [0, 0, undefined];
    const next = (now) => {
      if (last !== undefined) {
        frames++;
        dropped += Math.max(Math.round((now - last) / frame) - 1, 0);
      }
      last = now;
      if (document.getElementById("stop").hidden && frames > 10) resolve({ frames, dropped });
      else requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
  });
}

async function ask(page) {
  await page.locator("#new-chat").click();
  await page.waitForTimeout(SETTLED);
  await page.getByLabel("Your message", { exact: true }).fill(QUESTION);
  await page.keyboard.press("Enter");
  const frames = await page.evaluate(countFrames, FRAME);
  const note = await page.locator(".note").textContent();
  return { tokens_per_second: Number(/([\d.]+) tokens\/s/.exec(note)[1]), ...frames };
}

async function show(page, isShown) {
  const toggle = page.locator("#toggle-instruments");
  if (((await toggle.getAttribute("aria-expanded")) === "true") !== isShown) await toggle.click();
}

/** Measures one model on one device: replies with the instruments shown and hidden, in turns. */
async function measure(origin, { model, url, device }, { runs, tokens }) {
  const browser = await launch();
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
  const sampling = { temperature: 1, seed: 1, max_tokens: tokens };
  await page.addInitScript(
    (sampling) => localStorage.setItem("plume.settings", JSON.stringify({ sampling })),
    sampling,
  );
  await page.addInitScript(watch);
  await page.goto(`${origin}/?device=${device}`);
  await page.locator("#model-name", { hasText: "plm-tiny" }).waitFor();
  if (url) {
    await page.locator("#open-models").click();
    await page.getByLabel("Another PLM").fill(url);
    await page.locator("#load-url button").click();
    await page.locator("#model-name", { hasText: path.basename(url) }).waitFor({ timeout: 120_000 });
  }
  const before = await page.evaluate(() => window.watched.shift);
  await ask(page); // Kernels that are compiled, and code, while they are first used.
  const speeds = { shown: [], hidden: [] };
  const ratios = [];
  const frames = { shown: [0, 0], hidden: [0, 0] };
  for (let run = 0; run < runs; run++)
    for (const which of run % 2 ? ["shown", "hidden"] : ["hidden", "shown"]) {
      await show(page, which === "shown");
      const reply = await ask(page);
      speeds[which].push(reply.tokens_per_second);
      frames[which][0] += reply.frames;
      frames[which][1] += reply.dropped;
      if (speeds.shown.length === speeds.hidden.length) ratios.push(speeds.shown.at(-1) / speeds.hidden.at(-1));
    }
  await show(page, true);
  const { longest_ms, longest_cpu_ms } = longest(await mainThreadTasks(browser, "/main.js", () => ask(page)));
  const shift = (await page.evaluate(() => window.watched.shift)) - before;
  await browser.close();
  const [shown, hidden] = [median(speeds.shown), median(speeds.hidden)];
  return {
    model,
    device,
    tokens_per_second: shown,
    without_instruments: hidden,
    // Of each pair, since a machine is not as fast at all times.
    cost: 1 - median(ratios),
    frames_dropped: frames.shown[1] / (frames.shown[0] + frames.shown[1]),
    frames_dropped_without: frames.hidden[1] / (frames.hidden[0] + frames.hidden[1]),
    longest_task_ms: longest_cpu_ms,
    longest_task_by_the_clock_ms: longest_ms,
    layout_shift_loading: before,
    layout_shift_writing: shift,
  };
}

export async function run({ runs = "9", devices = "cpu,gpu", tokens = "200" }) {
  await build();
  const folder = mkdtempSync(path.join(tmpdir(), "plume-page-"));
  writeModel(path.join(folder, "125M.gguf"), { format: "Q8_0", zeros: 0.9 });
  const site = await serve({ "/made/": folder, "/": siteFolder }, { isolated: true });
  const rows = [];
  try {
    for (const device of devices.split(","))
      for (const [model, url] of [
        ["plm-tiny", undefined],
        // As slow as SwiftShader is, it says nothing of a GPU.
        ...(device === "cpu" ? [["125M", `${site.origin}/made/125M.gguf`]] : []),
      ]) {
        rows.push(await measure(site.origin, { model, url, device }, { runs: Number(runs), tokens: Number(tokens) }));
        console.log(JSON.stringify(rows.at(-1)));
      }
  } finally {
    rmSync(folder, { recursive: true });
    await site.close();
  }
  console.table(
    rows.map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([key, value]) => [key, typeof value === "number" ? Number(value.toFixed(3)) : value]),
      ),
    ),
  );
  return { suite: "page", rows };
}
