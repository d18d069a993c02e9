// What the tests of the demo page share: the site, browsers, and a visitor's hands.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import path from "node:path";
import test from "node:test";
import { launch } from "../../scripts/chromium.mjs";
import { serve } from "../../scripts/serve.mjs";
import { root } from "../../scripts/setup.mjs";
import { EMBEDDED, conversations } from "../support.mjs";

const folders = { "/data/": path.join(root, "tests/data"), "/": path.join(root, "build/site") };
export const site = await serve(folders);
export const browsers = { gpu: await launch(), cpu: await launch({ webgpu: false }) };
test.after(async () => (await Promise.all(Object.values(browsers).map((b) => b.close())), await site.close()));

export const STORY = "Tell me a story about a brave fox named Pip.";
export const CAPITAL = "What is the capital of Japan?";
/** What plm-tiny writes of the story where it always takes the likeliest token. */
export const golden = conversations(EMBEDDED).find(({ turns }) => turns[0] === STORY).steps[0].text;

/** Markdown shows a line's end as white space, and paragraphs apart. */
export const words = (text) => text.split(/\s+/).filter(Boolean).join(" ");

const GREEDY = { sampling: { temperature: 0 } };

/**
 * The page with plm-tiny loaded, on the GPU unless `query` says otherwise. What it logs as an error, or asks of another origin,
 * fails the test. `settings` are kept from a visit before; `kept` is anything else that is, by its name.
 */
export async function open(
  t,
  {
    browser = browsers.gpu,
    query = "?device=gpu",
    origin = site.origin,
    settings = GREEDY,
    kept = {},
    loaded = true,
    ...options
  } = {},
) {
  const context = await browser.newContext({ permissions: ["clipboard-read", "clipboard-write"], ...options });
  const page = await context.newPage();
  const problems = [];
  const expected = [];
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(String(error)));
  context.on("request", (request) => {
    if (!request.url().startsWith(origin)) problems.push(`asked for ${request.url()}`);
  });
  t.after(async () => {
    await context.close();
    assert.deepEqual(
      problems.filter((problem) => !expected.some((pattern) => pattern.test(problem))),
      [],
    );
  });
  await page.addInitScript(
    (entries) => {
      if (sessionStorage.getItem("test")) return;
      sessionStorage.setItem("test", "visited");
      for (const [name, value] of Object.entries(entries)) localStorage.setItem(`plume.${name}`, JSON.stringify(value));
    },
    { settings, ...kept },
  );
  await page.goto(`${origin}/${query}`);
  if (loaded) await ready(page);
  return { page, context, allow: (pattern) => expected.push(pattern) };
}

/** Waits until a model is loaded. */
export const ready = (page, name = "plm-tiny") => page.locator("#model-name", { hasText: name }).waitFor();

export const field = (page) => page.getByLabel("Your message", { exact: true });

export async function send(page, text) {
  await field(page).fill(text);
  await page.keyboard.press("Enter");
}

/** Replies that are whole. */
export const replies = (page) => page.locator(".message.assistant:not(.writing)");
export const content = (message) => message.locator(".content").innerText().then(words);

/** Waits until the page shows so many messages, and none is being written. */
export async function finished(page, messages) {
  if (messages !== undefined)
    await page
      .locator(".message")
      .nth(messages - 1)
      .waitFor();
  await page.locator("#send").waitFor();
}

/** Asks, and gives what comes. */
export async function ask(page, text) {
  const before = await page.locator(".message").count();
  await send(page, text);
  await finished(page, before + 2);
  return content(replies(page).last());
}

/** Chooses in the dialog of settings. */
export async function set(page, label, value) {
  await page.getByRole("button", { name: "Settings" }).click();
  const input = page.getByLabel(label, { exact: true });
  if ((await input.evaluate(({ tagName }) => tagName)) === "SELECT") await input.selectOption(value);
  else await input.fill(value);
  await page.locator("#settings").getByRole("button", { name: "Close" }).click();
}

/** Has the page load what a visitor types. */
export async function load(page, source) {
  await page.locator("#open-models").click();
  await page.getByLabel("Another PLM").fill(source);
  await page.locator("#load-url").getByRole("button", { name: "Load" }).click();
}

/** A server that gives what the site does, each file once `gate(path)` has settled. Gives its origin. */
export async function gated(t, gate) {
  const server = createServer(async (request, response) => {
    await gate(request.url);
    const { range } = request.headers;
    const answer = await fetch(site.origin + request.url, { headers: range ? { range } : {} });
    const headers = Object.fromEntries(answer.headers);
    delete headers["transfer-encoding"];
    response.writeHead(answer.status, headers).end(Buffer.from(await answer.arrayBuffer()));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => (server.closeAllConnections(), server.close()));
  return `http://127.0.0.1:${server.address().port}`;
}

/** Waits until a reply is being written. */
export const writing = (page) =>
  page.waitForFunction(() => document.querySelector(".message.writing .content")?.textContent.length > 20);
