// Plume and wllama on the same GGUF in the same Chromium, in alternating runs, each in a fresh profile.
// Prefill: prompt tokens over the time to the first token. Decode: later tokens over the time from the first to the last.
import { execFileSync } from "node:child_process";
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, "../..");
const story = "Tell me a story about a brave fox named Pip.";
const types = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };

/** What both engines are asked: a long prompt for one token, then a story. */
const prompts = {
  prefill: `${"Name three fruits. Count to 12. What is the capital of Japan? ".repeat(18)}${story}`,
  decode: story,
};

function serve(model) {
  const folders = { "/plume-lm/": path.join(root, "build/plume-lm"), "/peers/": path.join(here, "node_modules") };
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://localhost").pathname;
    if (url === "/")
      return response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>bench</title>");
    const prefix = Object.keys(folders).find((folder) => url.startsWith(folder));
    const file =
      url === "/model.gguf" ? model : prefix && path.join(folders[prefix], path.normalize(url.slice(prefix.length)));
    if (!file || !existsSync(file)) return response.writeHead(404).end();
    const size = statSync(file).size;
    const type = { "content-type": types[path.extname(file)] ?? "application/octet-stream", "accept-ranges": "bytes" };
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    if (!range) {
      response.writeHead(200, { ...type, "content-length": size });
      return createReadStream(file).pipe(response);
    }
    const start = Number(range[1]);
    const end = Math.min(range[2] ? Number(range[2]) : size - 1, size - 1);
    response.writeHead(206, {
      ...type,
      "content-length": end - start + 1,
      "content-range": `bytes ${start}-${end}/${size}`,
    });
    createReadStream(file, { start, end }).pipe(response);
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

/** Runs in the page: loads the model with one engine and answers both prompts. */
async function measure({ engine, prompts }) {
  const started = performance.now();
  let stream, adapter;
  let countTokens = () => undefined;
  if (engine === "plume") {
    const { Plume } = await import("/plume-lm/dist/index.js");
    const lm = await Plume.load(new URL("/model.gguf", location.href).href);
    adapter = (await lm.stats()).adapter;
    countTokens = async (content) =>
      (await lm.chat.completions.create({ messages: [{ role: "user", content }], max_tokens: 1 })).usage.prompt_tokens;
    stream = (content, max_tokens) =>
      lm.chat.completions.create({ messages: [{ role: "user", content }], temperature: 0, max_tokens, stream: true });
  } else {
    const { Wllama } = await import("/peers/@wllama/wllama/esm/index.js");
    const lm = new Wllama({ default: "/peers/@wllama/wllama/esm/wasm/wllama.wasm" }, { suppressNativeLog: true });
    await lm.loadModelFromUrl(new URL("/model.gguf", location.href).href, {
      n_ctx: 512,
      n_threads: 1,
      flash_attn: false,
    });
    adapter = "CPU, 1 thread";
    stream = (content, max_tokens) =>
      lm.createChatCompletion({
        messages: [{ role: "user", content }],
        temperature: 0,
        max_tokens,
        stream: true,
        cache_prompt: false,
      });
  }
  const load_ms = performance.now() - started;
  const ask = async (content, max_tokens) => {
    const asked = performance.now();
    const times = [];
    let text = "";
    for await (const part of await stream(content, max_tokens)) {
      const delta = part.choices[0]?.delta?.content;
      if (delta) times.push(performance.now());
      text += delta ?? "";
    }
    return { text, first_ms: times[0] - asked, rest_ms: times.at(-1) - times[0], parts: times.length };
  };
  await ask("Hello!", 4); // The first request pays for shader compilation; it is not what is measured here.
  const prefill = await ask(prompts.prefill, 2);
  const decode = await ask(prompts.decode, 120);
  const prefill_tokens = await countTokens(prompts.prefill);
  return {
    load_ms,
    adapter,
    prefill_tokens,
    prefill_ms: prefill.first_ms,
    decode_tps: (decode.parts - 1) / (decode.rest_ms / 1000),
    text: decode.text,
  };
}

async function once(engine, origin) {
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: [
      "--enable-unsafe-webgpu",
      "--use-webgpu-adapter=swiftshader",
      "--enable-unsafe-swiftshader",
      "--no-sandbox",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
      "--disable-quic",
    ],
  });
  try {
    const page = await browser.newPage();
    await page.goto(origin);
    return await page.evaluate(measure, { engine, prompts });
  } finally {
    await browser.close();
  }
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

export async function run({ runs = "3", model = path.join(root, "tests/data/plm-tiny-Q8_0.gguf") }) {
  if (!existsSync(path.join(here, "node_modules")))
    execFileSync("npm", ["install", "--no-audit", "--no-fund", "--no-package-lock"], { cwd: here, stdio: "inherit" });
  if (!existsSync(path.join(root, "build/plume-lm")))
    execFileSync("npm", ["run", "build"], { cwd: root, stdio: "inherit" });
  const server = await serve(path.resolve(model));
  const origin = `http://127.0.0.1:${server.address().port}/`;
  const results = { plume: [], wllama: [] };
  for (let index = 0; index < Number(runs); index++)
    for (const engine of Object.keys(results)) {
      results[engine].push(await once(engine, origin));
      console.log(`run ${index + 1}: ${engine} ${JSON.stringify({ ...results[engine].at(-1), text: undefined })}`);
    }
  server.close();

  const words = (text) => text.split(/\s+/);
  const [ours, theirs] = [words(results.plume[0].text), words(results.wllama[0].text)];
  const differing = ours.findIndex((word, index) => word !== theirs[index]);
  const same = differing < 0 ? "the whole reply" : `the first ${differing} words`;
  // Both are given the same prompt and have the same tokenizer, so one count serves both.
  const { prefill_tokens } = results.plume[0];
  const summary = (engine) => ({
    decode_tps: median(results[engine].map((r) => r.decode_tps)),
    prefill_tps: prefill_tokens / (median(results[engine].map((r) => r.prefill_ms)) / 1000),
    load_ms: median(results[engine].map((r) => r.load_ms)),
    adapter: results[engine][0].adapter,
  });
  const result = {
    suite: "peers",
    model: path.basename(model),
    plume: summary("plume"),
    wllama: summary("wllama"),
    same_text: same,
  };
  console.table(
    Object.fromEntries(
      ["decode_tps", "prefill_tps", "load_ms"].map((key) => [
        key,
        {
          plume: result.plume[key].toFixed(1),
          wllama: result.wllama[key].toFixed(1),
          ratio: (result.plume[key] / result.wllama[key]).toFixed(2),
        },
      ]),
    ),
  );
  console.log(`plume on ${result.plume.adapter}, wllama on ${result.wllama.adapter}; greedy text equal for ${same}`);
  return result;
}
