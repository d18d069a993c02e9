// Plume's CPU engine and wllama on the same GGUF, in the same Chromium, in alternating runs, each in a fresh profile.
//
// Decode is the difference of two whole replies of other lengths to the same short prompt, so that it does not depend on which
// tokens make text; prefill is the time of a reply of one token to a long prompt, which begins differently each time, so that no
// cache holds it. Natively the peer is llama.cpp's CPU build, which node-llama-cpp ships and drives, and the engines are called
// below their chat, so both phases are timed as such.
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { launchOnDisk } from "../../scripts/chromium.mjs";
import { serve } from "../../scripts/serve.mjs";
import { root } from "../../scripts/setup.mjs";
import { median } from "../median.mjs";
import { folders, prepare } from "../peers/browser.mjs";
import { limits, measureLimits } from "./limits.mjs";
import { writeModel } from "./model.mjs";
import { prepareNative, runNative } from "./native.mjs";

const MIB = 1 << 20;
const [SHORT, LONG] = [8, 72];
const STORY = "Tell me a story about a brave fox named Pip.";
const prompt = "Tell me a story about a brave fox and a bear. ".repeat(6);
/** What a native prompt has; the one above has about as many. */
const PROMPT_TOKENS = 150;

/** Runs in the page: loads the model with one engine, and gives tokens a second. */
async function measure({ engine, threads, story, prompt, lengths: [short, long] }) {
  const { load } = await import(`/benches/${engine}.mjs`);
  const { ask, adapter, countTokens, memory } = await load("/model.gguf", "cpu", threads);
  const time = async (content, max_tokens) => {
    const started = performance.now();
    const { usage } = await ask([{ role: "user", content }], max_tokens);
    const ended = usage && usage.completion_tokens < max_tokens;
    return ended ? NaN : performance.now() - started; // A reply that ended early tells nothing.
  };
  // Engines compile their hottest code while they are first used.
  await time(`7919 ${prompt}`, 2);
  const prefill_ms = await time(`15838 ${prompt}`, 1);
  const prompt_tokens = await countTokens?.(`15838 ${prompt}`);
  await time(story, short);
  const [less, more] = [await time(story, short), await time(story, long)];
  return {
    adapter,
    prompt_tokens,
    prefill_ms,
    decode_tps: (long - short) / ((more - less) / 1000),
    memory: await memory?.(),
  };
}

/** Does something in a page of a browser of its own. */
async function inPage(site, work) {
  const context = await launchOnDisk({ webgpu: false });
  try {
    const page = await context.newPage();
    await page.goto(`${site.origin}/benches/blank.html`);
    return await work(page, context);
  } finally {
    await context.close();
  }
}

/** One run, and the renderer's peak of memory, in which much is the browser's. */
const runIn = (site, engine, threads) =>
  inPage(site, async (page, context) => {
    const result = await page.evaluate(measure, { engine, threads, story: STORY, prompt, lengths: [SHORT, LONG] });
    const session = await context.browser().newBrowserCDPSession();
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    const renderers = processInfo.filter(({ type }) => type === "renderer");
    const peaks = renderers.map(({ id }) => /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, "utf8"))[1]);
    return { ...result, peak_mib: (Math.max(...peaks) * 1024) / MIB };
  });

/** What the threads of a page can do, without any model. */
const limitsIn = (site, threads) => inPage(site, (page) => page.evaluate(measureLimits, { ...limits(), threads }));

/** Tokens a second, were reading or multiplying all that takes time. The slower is the limit where one hides behind the other. */
function roofline(most, { bytes, weights }) {
  const read_gbs = median(most.map(({ gigabytes }) => gigabytes));
  const multiply_gs = median(most.map(({ multiplications }) => multiplications));
  return { read_gbs, multiply_gs, bytes_tps: (read_gbs * 1e9) / bytes, multiply_tps: (multiply_gs * 1e9) / weights };
}

/** The rows of a model in Chromium. `read` is what a token needs of it: where it is known, limits are measured beside. */
async function inChromium(file, { runs, ...one }, read) {
  const site = await serve({ "/model.gguf": file, "/cpu/": import.meta.dirname, ...folders }, { isolated: true });
  const results = { plume: [], peer: [] };
  const most = [];
  for (let index = 0; index < runs; index++) {
    if (read) most.push(await limitsIn(site, one.threads));
    results.plume.push(await runIn(site, "plume", one.threads));
    results.peer.push(await runIn(site, "wllama", one.threads));
  }
  await site.close();
  const { prompt_tokens } = results.plume[0];
  for (const result of [...results.plume, ...results.peer])
    result.prefill_tps = prompt_tokens / (result.prefill_ms / 1000);
  const middle = (engine, value) => median(results[engine].map(value));
  const peaks = {
    plume_peak_mib: middle("plume", (run) => run.peak_mib),
    peer_peak_mib: middle("peer", (run) => run.peak_mib),
    plume_core_mib: middle("plume", (run) => run.memory / MIB),
    file_mib: statSync(file).size / MIB,
  };
  return rowsOf({ ...one, runtime: "chromium", peer: "wllama" }, results, peaks, read && roofline(most, read));
}

/** The rows of a model natively. */
function natively(file, { runs, ...one }) {
  const results = { plume: [], peer: [] };
  const lengths = { prompt: PROMPT_TOKENS, tokens: LONG - SHORT };
  for (let index = 0; index < runs; index++) {
    results.plume.push(runNative("plume", file, one.threads, lengths));
    results.peer.push(runNative("llama", file, one.threads, lengths));
  }
  return rowsOf({ ...one, runtime: "native", peer: "llama.cpp" }, results);
}

function rowsOf(one, results, peaks, limit) {
  const adapters = { plume: results.plume[0].adapter, peer: results.peer[0].adapter };
  const rows = [];
  for (const phase of ["decode", "prefill"]) {
    const [plume_tps, peer_tps] = ["plume", "peer"].map((engine) =>
      median(results[engine].map((result) => result[`${phase}_tps`])),
    );
    if (!(plume_tps > 0 && peer_tps > 0)) {
      console.log(`${one.model} ${one.format}, ${phase}: left out, an engine gave no time; did a reply end early?`);
      continue;
    }
    const figures = { phase, plume_tps, peer_tps, ratio: plume_tps / peer_tps };
    rows.push({ ...one, ...figures, ...(phase === "decode" && limit), ...peaks, adapters });
    console.log(JSON.stringify(rows.at(-1)));
  }
  return rows;
}

export const options = {
  formats: { type: "string" },
  zeros: { type: "string" },
  threads: { type: "string" },
  runtimes: { type: "string" },
};

export async function run({
  runs = "3",
  formats = "Q8_0,Q4_0,Q4_K_M",
  zeros = "0.9,0.5",
  threads = "1,2",
  runtimes = "chromium,native",
}) {
  const [chromium, native] = ["chromium", "native"].map((runtime) => runtimes.split(",").includes(runtime));
  if (chromium) await prepare();
  if (native) prepareNative();
  const folder = mkdtempSync(path.join(tmpdir(), "plume-cpu-"));
  const rows = [];
  try {
    const cases = [];
    for (const format of formats.split(",")) {
      for (const share of zeros.split(",").map(Number)) {
        const file = path.join(folder, `${format}-${share}.gguf`);
        cases.push({
          model: "125M",
          format,
          zeros: share,
          file,
          make: () => writeModel(file, { format, zeros: share }),
        });
      }
      cases.push({
        model: "plm-tiny",
        format,
        zeros: 0.66,
        file: path.join(root, `tests/data/plm-tiny-${format}.gguf`),
      });
    }
    for (const { file, make, ...one } of cases) {
      const read = make?.();
      for (const count of threads.split(",").map(Number)) {
        const asked = { ...one, threads: count, runs: Number(runs) };
        if (chromium) rows.push(...(await inChromium(file, asked, read)));
        if (native) rows.push(...natively(file, asked));
      }
      if (make) rmSync(file);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  console.table(
    rows.map(({ adapters: _, ...row }) =>
      Object.fromEntries(
        Object.entries(row).map(([key, value]) => [key, Number.isFinite(value) ? Number(value.toFixed(2)) : value]),
      ),
    ),
  );
  return { suite: "cpu", rows };
}
