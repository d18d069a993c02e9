// The demo page, used as a visitor uses it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { launch } from "../../scripts/chromium.mjs";
import { serve } from "../../scripts/serve.mjs";
import { root } from "../../scripts/setup.mjs";
import { hub } from "../hub.mjs";
import { EMBEDDED, conversations, gguf } from "../support.mjs";

const site = await serve({ "/data/": path.join(root, "tests/data"), "/": path.join(root, "build/site") });
const browsers = { gpu: await launch(), cpu: await launch({ webgpu: false }) };
test.after(async () => (await Promise.all(Object.values(browsers).map((b) => b.close())), await site.close()));

const story = "Tell me a story about a brave fox named Pip.";
const golden = conversations(EMBEDDED).find(({ turns }) => turns[0] === story).steps[0].text;

/** The page with plm-tiny loaded, on the GPU unless `query` says otherwise. What it logs as an error, or asks of another origin, fails the test. */
async function open(t, { browser = browsers.gpu, query = "?device=gpu" } = {}) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const problems = [];
  const expected = [];
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(String(error)));
  context.on("request", (request) => {
    if (!request.url().startsWith(site.origin)) problems.push(`asked for ${request.url()}`);
  });
  t.after(async () => {
    await context.close();
    assert.deepEqual(
      problems.filter((problem) => !expected.some((pattern) => pattern.test(problem))),
      [],
    );
  });
  await page.addInitScript(() => {
    addEventListener("DOMContentLoaded", () => {
      window.seen = [];
      new MutationObserver(() => window.seen.push(document.getElementById("progress-text").textContent)).observe(
        document.getElementById("progress-text"),
        { childList: true },
      );
    });
  });
  await page.goto(`${site.origin}/${query}`);
  await page.locator("#send:enabled").waitFor();
  return { page, allow: (pattern) => expected.push(pattern) };
}

async function setTemperature(page, value) {
  await page.getByText("Model and settings").click();
  await page.getByLabel("Temperature").fill(value);
  await page.getByText("Model and settings").click();
}

async function ask(page, text) {
  await page.getByLabel("Your message").fill(text);
  await page.keyboard.press("Enter");
}

const replies = (page) => page.locator(".message.assistant:not(.writing)");
const finished = (page) => page.locator("#send:enabled").waitFor();

test("a visitor loads the page, asks for a story, and reads it as it is written", async (t) => {
  const { page } = await open(t);
  assert.match(await page.locator("#adapter").textContent(), /^WebGPU: .*swiftshader/i);
  assert.equal(await page.locator("#notice").isVisible(), false);
  const progress = await page.evaluate(() => window.seen);
  assert.ok(
    progress.some((text) => /^Downloading: \d+\.\d MB of 3\.8 MB/.test(text)),
    progress.join("; "),
  );
  await setTemperature(page, "0");
  await ask(page, story);
  const lengths = new Set();
  while (await page.locator("#stop").isVisible())
    lengths.add((await page.locator(".message.assistant").textContent()).length);
  assert.ok(lengths.size > 5, `the text grew in ${lengths.size} steps`);
  assert.equal(await replies(page).textContent(), golden);
  await page.locator("#speed:not(:empty)").waitFor();
  assert.match(await page.locator("#speed").textContent(), /^\d+\.\d tokens\/s, first after \d+ ms$/);
  assert.match(await page.locator("#density").textContent(), /^\d+ % of neurons active$/);
  assert.match(await page.locator("#cache").textContent(), /^\d+ kB of cache$/);
});

test("the conversation goes on, and a new chat forgets it", async (t) => {
  const { page } = await open(t);
  await setTemperature(page, "0");
  const { turns, steps } = conversations(EMBEDDED).find(({ turns }) => turns.length > 1);
  for (const [index, turn] of turns.entries()) {
    await ask(page, turn);
    await finished(page);
    assert.equal(await replies(page).nth(index).textContent(), steps[index].text);
  }
  await page.getByRole("button", { name: "New chat" }).click();
  assert.equal(await page.locator(".message").count(), 0);
  assert.ok(await page.locator("#welcome").isVisible());
  await page.getByRole("button", { name: story }).click();
  await finished(page);
  assert.equal(await replies(page).textContent(), golden);
});

test("a reply can be stopped; what was written stays, and the next one is right", async (t) => {
  const { page } = await open(t);
  await setTemperature(page, "0");
  await ask(page, story);
  await page.waitForFunction(() => document.querySelector(".message.assistant")?.textContent.length > 20);
  await page.getByRole("button", { name: "Stop" }).click();
  await finished(page);
  const kept = await replies(page).textContent();
  assert.ok(kept.length > 20 && kept.length < golden.length && golden.startsWith(kept), kept);
  await page.getByRole("button", { name: "New chat" }).click();
  await ask(page, story);
  await finished(page);
  assert.equal(await replies(page).textContent(), golden);
});

test("a long message shows how far it is read", async (t) => {
  const { page } = await open(t, { query: "" });
  await page.evaluate(() => {
    const reading = document.getElementById("reading");
    window.read = [];
    new MutationObserver(() => window.read.push(reading.textContent)).observe(reading, { childList: true });
  });
  await ask(page, "One two three four five six seven. ".repeat(40));
  await finished(page);
  const [first, second, ...rest] = await page.evaluate(() => window.read);
  assert.match(first, /^Reading the prompt: 0 of \d{3} tokens$/);
  assert.match(second, /^Reading the prompt: 256 of \d{3} tokens$/);
  assert.deepEqual(new Set(rest), new Set([""]));
});

test("without WebGPU the page says so and runs on the CPU", async (t) => {
  const { page } = await open(t, { browser: browsers.cpu, query: "" });
  assert.match(await page.locator("#notice").textContent(), /runs on the CPU.*no adapter was found/);
  assert.match(await page.locator("#adapter").textContent(), /^CPU, (relaxed )?SIMD$/);
  await setTemperature(page, "0");
  await ask(page, story);
  await finished(page);
  assert.equal(await replies(page).textContent(), golden);
});

test("where WebGPU is only emulated the page takes the CPU and says so", async (t) => {
  const { page } = await open(t, { query: "" });
  assert.match(await page.locator("#notice").textContent(), /runs on the CPU.*software adapter/);
  assert.match(await page.locator("#adapter").textContent(), /^CPU, (relaxed )?SIMD$/);
});

test("a model that cannot be loaded is explained, the old one stays, and a good one loads afterwards", async (t) => {
  const { page, allow } = await open(t);
  allow(/404/); // The browser itself logs a missing file.
  const load = async (url) => {
    await page.getByText("Model and settings").click();
    await page.getByLabel("Name on Hugging Face").fill(url);
    await page.getByRole("button", { name: "Load", exact: true }).click();
  };
  for (const [file, pattern] of [
    ["/missing.gguf", /404/],
    ["/100%.gguf", /404/],
    ["/index.html", /an HTML page/],
  ]) {
    await load(site.origin + file);
    await page.locator("#error").waitFor();
    await page.locator("#loading").waitFor({ state: "hidden" });
    const error = await page.locator("#error").textContent();
    assert.match(error, pattern);
    assert.match(error, /plm-tiny is still loaded/);
  }
  await load(`${site.origin}/data/plm-tiny-Q8_0.gguf`);
  await page.locator("#model-name", { hasText: "plm-tiny-Q8_0.gguf" }).waitFor();
  assert.equal(await page.locator("#error").isVisible(), false);
  await ask(page, "What is the capital of Japan?");
  await finished(page);
  assert.match(await replies(page).textContent(), /Tokyo/);
});

test("what a busy server makes the visitor wait for is told, and the model loads once it answers", async (t) => {
  const faults = [{ status: 503, retryAfter: 2 }];
  const server = await hub({ "model.gguf": readFileSync(gguf("Q8_0")) }, () => faults.shift());
  t.after(server.close);
  const { page, allow } = await open(t, { browser: browsers.cpu, query: "" });
  allow(/503|asked for http:\/\/127/);
  await page.getByText("Model and settings").click();
  await page.getByLabel("Name on Hugging Face").fill(`${server.origin}/model.gguf`);
  await page.getByRole("button", { name: "Load", exact: true }).click();
  await page.locator("#progress-text", { hasText: /tried again.* 503/ }).waitFor();
  await page.locator("#model-name", { hasText: "model.gguf" }).waitFor();
});

test("on a phone nothing is wider than the screen", async (t) => {
  const { page } = await open(t, { query: "" });
  await page.setViewportSize({ width: 360, height: 640 });
  await page.getByText("Model and settings").click();
  const widest = () =>
    Math.max(...Array.from(document.querySelectorAll("body *"), (e) => e.getBoundingClientRect().right));
  assert.ok((await page.evaluate(widest)) <= 360, `${await page.evaluate(widest)} pixels`);
});

test("a GGUF from the visitor's disk loads", async (t) => {
  const { page } = await open(t);
  await page.locator("#file").setInputFiles(gguf("Q4_0"));
  await page.locator("#model-name", { hasText: "plm-tiny-Q4_0.gguf" }).waitFor();
  await ask(page, "What is the capital of Japan?");
  await finished(page);
  assert.match(await replies(page).textContent(), /Tokyo/);
});

test("a conversation that outgrows the context is explained, and the question is kept", async (t) => {
  const { page } = await open(t);
  await ask(page, "word ".repeat(600));
  await page.locator("#error").waitFor();
  assert.match(await page.locator("#error").textContent(), /context/);
  assert.match(await page.getByLabel("Your message").inputValue(), /^word word/);
  await ask(page, story);
  await finished(page);
  assert.equal(await replies(page).count(), 1);
});

test("a lost device is told, the model comes back, and the conversation goes on", async (t) => {
  const browser = await launch();
  t.after(() => browser.close());
  const { page, allow } = await open(t, { browser });
  allow(/GPU|context|lost/i); // Chromium logs that its GPU process went away.
  await setTemperature(page, "0");
  await ask(page, story);
  await page.waitForFunction(() => document.querySelector(".message.assistant")?.textContent.length > 0);
  const session = await browser.newBrowserCDPSession();
  await session.send("Browser.crashGpuProcess").catch(() => {}); // It may not live to answer.
  await page.getByText("The model was loaded again: you can go on.").waitFor();
  await page.getByRole("button", { name: "New chat" }).click();
  await ask(page, story);
  await finished(page);
  assert.equal(await replies(page).textContent(), golden);
});
