// How a 1.2 GB model comes into a page: Plume and wllama on the same file, from the same local server that behaves like a hub, in
// the same Chromium, each in a fresh profile. Time of a load against a plain download of the same bytes; memory; time of the next
// load against reading the file from where it is kept; bytes that come twice after a cut; the first token on a slow link.
import { readFileSync } from "node:fs";
import path from "node:path";
import { launchOnDisk } from "../../scripts/chromium.mjs";
import { serve } from "../../scripts/serve.mjs";
import { root } from "../../scripts/setup.mjs";
import { bytesSent, hub } from "../../tests/hub.mjs";
import { randomModel } from "../../tests/random-model.mjs";
import { median } from "../median.mjs";
import { prepare } from "../peers/browser.mjs";

export const options = {
  device: { type: "string" },
  layers: { type: "string" },
  link: { type: "string" },
  plume: { type: "boolean" },
};

const MIB = 1 << 20;
const name = "plm-random.gguf";

/** In the page: downloads the file and keeps nothing. Gives milliseconds. */
async function download(url) {
  const started = performance.now();
  const reader = (await fetch(url, { cache: "no-store" })).body.getReader();
  while (!(await reader.read()).done);
  return performance.now() - started;
}

/** In the page: loads with one engine. */
async function load({ engine, url, device }) {
  const started = performance.now();
  if (engine === "wllama") {
    const { load } = await import("/engines/wllama.mjs");
    await load(url);
    return { ms: performance.now() - started };
  }
  const { Plume } = await import("/plume-lm/dist/index.js");
  const lm = await Plume.load(url, { device, context_length: 512 });
  const ms = performance.now() - started;
  const { memory_bytes } = await lm.stats();
  return { ms, memory_bytes };
}

/** In the page: reads the file from where Plume keeps it. */
async function read(url) {
  const { Plume } = await import("/plume-lm/dist/index.js");
  const blob = await Plume.cache.export(url);
  const started = performance.now();
  const reader = blob.stream().getReader();
  while (!(await reader.read()).done);
  return performance.now() - started;
}

/** In the page: milliseconds from the click until the model is loaded, and to the first token. */
async function firstToken({ url, device }) {
  const started = performance.now();
  const { Plume } = await import("/plume-lm/dist/index.js");
  const messages = [{ role: "user", content: "ab" }];
  const lm = await Plume.load(url, { device, context_length: 512, cache: false, messages });
  const loaded = performance.now() - started;
  await lm.chat.completions.create({ messages, max_tokens: 1 });
  return { loaded, first: performance.now() - started };
}

/** A browser with a fresh profile, and its renderer's peak of memory in bytes. */
async function open(site) {
  const context = await launchOnDisk();
  const session = await context.browser().newBrowserCDPSession();
  const page = async () => {
    const page = await context.newPage();
    await page.goto(`${site.origin}/engines/blank.html`);
    return page;
  };
  const peak = async () => {
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    const renderers = processInfo.filter(({ type }) => type === "renderer");
    const peaks = renderers.map(({ id }) => /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, "utf8"))[1]);
    return Math.max(...peaks) * 1024;
  };
  return { page, peak, close: () => context.close() };
}

export async function run({ runs = "3", device: chosen = "gpu", layers = "32", link = "50e6", plume = false }) {
  // Of a GPU that computes nothing the host's own work is all that can be learnt.
  const hostOnly = chosen === "null";
  const device = hostOnly ? "gpu" : chosen;
  await prepare();
  const model = randomModel({ layers: Number(layers) });
  // Made beforehand where one Buffer holds it, so that making it counts nowhere.
  const file = model.length < 2 ** 31 ? model.subarray(0, model.length) : model;
  const dist = path.join(root, "build/plume-lm/dist");
  const nullDevice = {
    "/plume-lm/dist/worker.js": path.join(import.meta.dirname, "null-worker.js"),
    "/plume-lm/dist/real-worker.js": path.join(dist, "worker.js"),
    "/load/": import.meta.dirname,
  };
  const site = await serve({
    ...(hostOnly && nullDevice),
    "/plume-lm/": path.join(root, "build/plume-lm"),
    "/wllama/": path.join(root, "benches/peers/node_modules/@wllama/wllama"),
    "/engines/": path.join(root, "benches/peers/engines"),
  });
  const results = { plume: [], ...(!plume && !hostOnly && { wllama: [] }) };
  for (let index = 0; index < Number(runs); index++)
    for (const engine of Object.keys(results)) {
      const server = await hub({ [name]: file });
      const url = `${server.origin}/${name}`;
      const { page, peak, close } = await open(site);
      const first = await page();
      const { ms, memory_bytes } = await first.evaluate(load, { engine, url, device });
      const result = { load_ms: ms, renderer_mib: (await peak()) / MIB };
      if (memory_bytes) result.wasm_mib = memory_bytes / MIB;
      await first.close();
      const plain = await page();
      result.download_ms = await plain.evaluate(download, url);
      await plain.close();
      const second = await page();
      result.reload_ms = (await second.evaluate(load, { engine, url, device })).ms;
      await second.close();
      if (engine === "plume") result.read_ms = await (await page()).evaluate(read, url);
      results[engine].push(result);
      console.log(`run ${index + 1}: ${engine} ${JSON.stringify(result)}`);
      await close();
      server.close();
    }
  const of = (engine, value) => median(results[engine].map(value));
  const figures = {
    peak_wasm_mib: of("plume", (r) => r.wasm_mib),
    renderer_mib: of("plume", (r) => r.renderer_mib),
    load_over_download: of("plume", (r) => r.load_ms / r.download_ms),
    reload_over_read: of("plume", (r) => r.reload_ms / r.read_ms),
  };
  if (!hostOnly) {
    const cuts = [];
    for (let index = 0; index < Number(runs); index++) cuts.push(await cut(site, file, device));
    figures.refetched_fraction = median(cuts);
    Object.assign(figures, await slow(site, file, device, Number(link) / 8));
  }
  const peer = !results.wllama
    ? undefined
    : {
        renderer_mib: of("wllama", (r) => r.renderer_mib),
        load_over_download: of("wllama", (r) => r.load_ms / r.download_ms),
        reload_ms: of("wllama", (r) => r.reload_ms),
      };
  console.table({ plume: figures, ...(peer && { wllama: peer }) });
  return { suite: "load", bytes: file.length, plume: figures, ...(peer && { wllama: peer }), runs: results };
}

/** The share of the file that comes twice where the tab is closed after half of it. */
async function cut(site, file, device) {
  const server = await hub({ [name]: file }, undefined, { link: 50e6 });
  const url = `${server.origin}/${name}`;
  const sent = () => bytesSent(server.log);
  const { page, close } = await open(site);
  const first = await page();
  const cut = first.evaluate(load, { engine: "plume", url, device }).catch(() => undefined);
  while (sent() < file.length / 2) await new Promise((resolve) => setTimeout(resolve, 50));
  await first.close();
  await cut;
  await (await page()).evaluate(load, { engine: "plume", url, device });
  await close();
  server.close();
  return (sent() - file.length) / file.length;
}

/** A load and its first token on a link of so many bytes a second, against what the bytes alone take on it. */
async function slow(site, file, device, link) {
  const server = await hub({ [name]: file }, undefined, { link });
  const { page, close } = await open(site);
  const { loaded, first } = await (await page()).evaluate(firstToken, { url: `${server.origin}/${name}`, device });
  await close();
  server.close();
  const bytes = file.length / link;
  return { load_over_link: loaded / 1000 / bytes, first_token_after_bytes_s: first / 1000 - bytes };
}
