// The demo page's chat, used as a visitor uses it.
import assert from "node:assert/strict";
import test from "node:test";
import { launch } from "../../scripts/chromium.mjs";
import { EMBEDDED, conversations } from "../support.mjs";
import * as p from "./page.mjs";

test("a visitor loads the page, asks for a story, and reads it as it is written", async (t) => {
  const { page } = await p.open(t);
  await p.send(page, p.STORY);
  const lengths = new Set();
  while (await page.locator("#stop").isVisible())
    lengths.add((await page.locator(".message.assistant .content").textContent()).length);
  assert.ok(lengths.size > 5, `the text grew in ${lengths.size} steps`);
  assert.equal(await p.content(p.replies(page)), p.words(p.golden));
  assert.match(await p.replies(page).locator(".note").textContent(), /^plm-tiny · \d+(\.\d)? tokens\/s$/);
  assert.equal(await page.locator("#announce").textContent(), `Reply: ${p.golden}`);
});

test("the conversation goes on, and a new chat begins another", async (t) => {
  const { page } = await p.open(t);
  const { turns, steps } = conversations(EMBEDDED).find(({ turns }) => turns.length > 1);
  for (const [index, turn] of turns.entries()) assert.equal(await p.ask(page, turn), p.words(steps[index].text));
  await page.getByRole("button", { name: "New chat" }).click();
  assert.equal(await page.locator(".message").count(), 0);
  assert.ok(await page.locator("#welcome").isVisible());
  await page.getByRole("button", { name: p.STORY }).click();
  await p.finished(page, 2);
  assert.equal(await p.content(p.replies(page)), p.words(p.golden));
});

test("a reply can be stopped, by button and by Escape; what was written stays, and the next one is right", async (t) => {
  const { page } = await p.open(t);
  const { length } = p.words(p.golden);
  for (const stop of [() => page.getByRole("button", { name: "Stop" }).click(), () => page.keyboard.press("Escape")]) {
    await page.getByRole("button", { name: "New chat" }).click();
    await p.send(page, p.STORY);
    await p.writing(page);
    await stop();
    await p.finished(page);
    const kept = await p.content(p.replies(page));
    assert.ok(kept.length >= 20 && kept.length < length && p.words(p.golden).startsWith(kept), kept);
    assert.match(await p.replies(page).locator(".note").textContent(), /stopped$/);
  }
  await page.getByRole("button", { name: "New chat" }).click();
  assert.equal(await p.ask(page, p.STORY), p.words(p.golden));
});

test("a question can be edited and a reply asked for again; every version stays, at the next visit too", async (t) => {
  const { page } = await p.open(t, { query: "" });
  const tokyo = await p.ask(page, p.CAPITAL);
  assert.match(tokyo, /Tokyo/);
  await p.set(page, "Preset", "Lively");
  await p.ask(page, "Name three fruits.");

  // Another question in the place of the first one: what followed belongs to the other version.
  await page.getByRole("button", { name: "Edit" }).first().click();
  await page.getByLabel("Edit your message").fill("What is the capital of France?");
  await page.keyboard.press("Enter");
  await p.finished(page, 2);
  assert.equal(await page.locator(".message").count(), 2);
  assert.match(await p.content(p.replies(page)), /Paris/);
  assert.equal(await page.locator(".versions").textContent(), "2 of 2");

  await page.getByRole("button", { name: "Try again" }).click();
  await page.locator(".assistant .versions", { hasText: "2 of 2" }).waitFor();
  await p.finished(page);

  await page.reload();
  await p.ready(page);
  await page.locator(".conversation").click();
  assert.deepEqual(await page.locator(".versions").allTextContents(), ["2 of 2", "2 of 2"]);
  await page.locator(".user").getByLabel("The version before").click();
  assert.equal(await page.locator(".message").count(), 4);
  assert.equal(await p.content(p.replies(page).first()), tokyo);
  // What is cancelled changes nothing.
  await page.getByRole("button", { name: "Edit" }).first().click();
  await page.keyboard.press("Escape");
  assert.equal(await p.content(page.locator(".message").first()), p.CAPITAL);
});

test("conversations are kept, renamed, deleted, and come back where that was a mistake", async (t) => {
  const { page, context } = await p.open(t, { query: "" });
  await p.ask(page, p.CAPITAL);
  await page.getByRole("button", { name: "New chat" }).click();
  const sum = await p.ask(page, "What is 5 plus 9?");
  const titles = () => page.locator(".conversation").allTextContents();
  assert.deepEqual(await titles(), ["What is 5 plus 9?", p.CAPITAL]);

  await page.locator(".conversation").first().hover();
  await page.getByRole("button", { name: "Rename What is 5 plus 9?" }).click();
  await page.keyboard.type("Sums");
  await page.keyboard.press("Enter");
  assert.deepEqual(await titles(), ["Sums", p.CAPITAL]);

  // Another tab sees them, and what happens to them.
  const other = await context.newPage();
  await other.goto(`${p.site.origin}/`);
  await p.ready(other);
  assert.deepEqual(await other.locator(".conversation").allTextContents(), ["Sums", p.CAPITAL]);
  await page.locator(".conversation").first().hover();
  await page.getByRole("button", { name: "Delete Sums" }).click();
  assert.deepEqual(await titles(), [p.CAPITAL]);
  assert.equal(await page.locator(".message").count(), 0);
  await other.locator(".conversation").nth(1).waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Undo" }).click();
  assert.deepEqual(await titles(), ["Sums", p.CAPITAL]);
  assert.equal(await p.content(p.replies(page)), sum);

  await other.reload();
  assert.deepEqual(await other.locator(".conversation").allTextContents(), ["Sums", p.CAPITAL]);

  // What is open here and deleted there can still be gone on with.
  await other.locator(".conversation").first().click();
  await page.locator(".conversation").first().hover();
  await page.getByRole("button", { name: "Delete Sums" }).click();
  await other.locator(".conversation").nth(1).waitFor({ state: "detached" });
  assert.match(await p.ask(other, p.CAPITAL), /Tokyo/);
  assert.equal(await other.locator(".message").count(), 4);

  // A title that is being typed is kept where another row is clicked, and the click counts.
  await page.locator(".conversation", { hasText: p.CAPITAL }).first().hover();
  await page
    .getByRole("button", { name: `Rename ${p.CAPITAL}` })
    .first()
    .click();
  await page.keyboard.type("Capitals");
  await page.locator(".conversation").last().click();
  await page.locator(".conversation", { hasText: "Capitals" }).waitFor();
  await page.locator(".message").first().waitFor();
});

test("where the browser's room is full that is said, and deleting conversations helps", async (t) => {
  const message = (role, content, next = []) => ({ role, content, next, chosen: 0 });
  const long = message("user", "x", [message("assistant", "word ".repeat(1_040_000))]);
  const conversation = { id: "1", title: "long", changed: 1, system: "", ...message("user", "", [long]) };
  const { page } = await p.open(t, { query: "", kept: { "conversation.1": conversation } });
  await page.evaluate(() => {
    const rest =
      5 * 2 ** 20 - Object.entries(localStorage).reduce((sum, [key, value]) => sum + key.length + value.length, 0);
    localStorage.setItem("rest", "x".repeat(rest - 100));
  });
  await p.ask(page, p.CAPITAL);
  await page.locator("#notice-kept", { hasText: "delete conversations" }).waitFor();
  await page.locator(".conversation", { hasText: "long" }).hover();
  await page.getByRole("button", { name: "Delete long" }).click();
  await page.locator("#notice-kept").waitFor({ state: "detached" });
  await page.reload();
  await page.locator(".conversation").click();
  assert.match(await p.content(p.replies(page)), /Tokyo/);
});

test("settings hold: the seed repeats a reply, its length ends it, and what makes no sense is not taken", async (t) => {
  const { page } = await p.open(t, { query: "", settings: {} });
  await p.set(page, "Preset", "Lively");
  await p.set(page, "Seed", "7");
  await p.set(page, "Longest reply, tokens", "20");
  const again = async () => {
    await page.getByRole("button", { name: "New chat" }).click();
    return p.ask(page, p.STORY);
  };
  const first = await again();
  assert.match(await p.replies(page).locator(".note").textContent(), /cut at its longest$/);
  assert.equal(await again(), first);
  await p.set(page, "Seed", "8");
  assert.notEqual(await again(), first);
  await p.set(page, "Temperature", "-3");
  const kept = () => page.evaluate(() => JSON.parse(localStorage.getItem("plume.settings")).sampling);
  const { temperature, seed, max_tokens } = await kept();
  assert.deepEqual({ temperature, seed, max_tokens }, { temperature: 1, seed: 8, max_tokens: 20 });
  await page.getByRole("button", { name: "Settings" }).click();
  assert.equal(await page.locator("#preset").inputValue(), "Lively");
  assert.equal(await page.locator("#temperature").inputValue(), "1");
});

test("a system prompt goes ahead of a conversation, and belongs to it", async (t) => {
  const { page } = await p.open(t, { query: "" });
  const cache = () => page.locator(".split p span").nth(2).textContent();
  await p.ask(page, p.CAPITAL);
  await page.locator("#instruments", { hasText: "expanded" }).waitFor();
  const without = await page
    .waitForFunction(() => document.querySelectorAll(".split p span")[2].textContent)
    .then(cache);
  await page.getByRole("button", { name: "New chat" }).click();
  await p.set(page, "System prompt of this conversation", "You are a very old and very wise turtle who likes rain.");
  await p.ask(page, p.CAPITAL);
  await page.waitForFunction((before) => document.querySelectorAll(".split p span")[2].textContent !== before, without);
  assert.ok(parseFloat(await cache()) > parseFloat(without), `${await cache()} after ${without}`);
  await page.reload();
  await page.locator(".conversation").first().click();
  await page.getByRole("button", { name: "Settings" }).click();
  assert.match(await page.locator("#system").inputValue(), /wise turtle/);
});

test("Markdown is shown as what it means, HTML as what it is, and nothing of it is fetched", async (t) => {
  const text = [
    "# Title",
    'Some **bold**, *slanted* and ~~gone~~ `code <b>`; <img src="https://example.org/x.png" onerror="window.hit=1"> &amp; more.',
    "- one\n- two\n  1. deep",
    "| a | b |\n|--:|---|\n| 1 | 2 |",
    "```js\nif (a < b) alert(1);\n```",
    "<script>window.hit = 1</script>",
    "[good](https://example.org/a?b=c) [bad](javascript:window.hit=1) ![picture](https://example.org/p.png) [data](data:text/html,x)",
    "> quoted",
    "- [x] done",
  ].join("\n\n");
  const message = (role, content, next = []) => ({ role, content, next, chosen: 0 });
  const conversation = {
    id: "1",
    title: "",
    changed: 1,
    system: "",
    ...message("user", "", [message("user", "<b>mine</b> **stars**", [message("assistant", text)])]),
  };
  const { page } = await p.open(t, {
    query: "",
    kept: { "conversation.1": conversation, "conversation.2": { id: 3 } },
  });
  assert.equal(await page.locator(".conversation").count(), 1, "what is no conversation is left alone");
  await page.locator(".conversation").click();
  const reply = page.locator(".assistant .content");
  await reply.locator("strong").waitFor();
  const count = (selector) => reply.locator(selector).count();
  for (const [selector, expected] of Object.entries({
    h3: 1,
    strong: 1,
    em: 1,
    del: 1,
    "ul > li": 3,
    "ol > li": 1,
    th: 2,
    "td.right": 1,
    "pre code": 1,
    "blockquote p": 1,
    "img, script, iframe, b": 0,
    a: 2,
  }))
    assert.equal(await count(selector), expected, selector);
  assert.match(
    await reply.innerText(),
    /code <b>.*<img src="https:\/\/example.org\/x.png" onerror="window.hit=1"> & more/,
  );
  assert.match(await reply.innerText(), /<script>window.hit = 1<\/script>/);
  const links = await reply.locator("a").evaluateAll((all) => all.map(({ href, rel, target }) => [href, rel, target]));
  const safe = ["noopener noreferrer", "_blank"];
  assert.deepEqual(links, [
    ["https://example.org/a?b=c", ...safe],
    ["https://example.org/p.png", ...safe],
  ]);
  assert.equal(await page.locator(".user .content").innerText(), "<b>mine</b> **stars**");
  assert.equal(await page.evaluate(() => window.hit), undefined);
});

test("a message is copied as it was written", async (t) => {
  const { page } = await p.open(t, { query: "" });
  await p.ask(page, p.CAPITAL);
  await p.replies(page).getByRole("button", { name: "Copy" }).click();
  await p.replies(page).getByRole("button", { name: "Copied" }).waitFor();
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /Tokyo/);
});

test("a question that is sent before the model is there is answered once it is", async (t) => {
  let open;
  const gate = new Promise((resolve) => (open = resolve));
  const origin = await p.gated(t, (url) => url.endsWith(".gguf") && gate);
  const { page } = await p.open(t, { query: "", origin, loaded: false });
  await p.send(page, p.CAPITAL);
  await page.getByText("Waiting for the model").waitFor();
  open();
  await p.finished(page, 2);
  assert.match(await p.content(p.replies(page)), /Tokyo/);
});

test("a conversation that is deleted while a reply is written stays so, until it is wanted back", async (t) => {
  const { page } = await p.open(t);
  await p.send(page, p.STORY);
  await p.writing(page);
  await page.locator(".conversation").hover();
  await page.getByRole("button", { name: /^Delete / }).click();
  await p.finished(page);
  assert.equal(await page.locator(".conversation").count(), 0);
  await page.getByRole("button", { name: "Undo" }).click();
  const kept = await p.content(p.replies(page));
  assert.ok(kept.length > 20 && p.words(p.golden).startsWith(kept), kept);
  await page.reload();
  assert.equal(await page.locator(".conversation").count(), 1);
});

test("two tabs keep out of each other's way, and show what the other wrote", async (t) => {
  const { page, context } = await p.open(t);
  const other = await context.newPage();
  await other.goto(`${p.site.origin}/`);
  await p.ready(other);
  // One writes a long reply, whose reader has gone on to a new chat; the other tab has a conversation of its own meanwhile.
  await page.bringToFront();
  await p.send(page, p.STORY);
  await p.writing(page);
  await page.getByRole("button", { name: "New chat" }).click();
  await p.ask(other, p.CAPITAL);
  await p.finished(page);
  const titles = () => page.locator(".conversation").allTextContents();
  assert.deepEqual((await titles()).toSorted(), [p.STORY, p.CAPITAL].toSorted());
  await page.locator(".conversation", { hasText: p.STORY }).click();
  assert.equal(await p.content(p.replies(page)), p.words(p.golden));

  // The same conversation in both: each turn shows in the other.
  await other.locator(".conversation", { hasText: p.STORY }).click();
  await p.ask(other, p.CAPITAL);
  await page.locator(".message").nth(3).waitFor();
  await p.ask(page, "What is 5 plus 9?");
  await other.locator(".message").nth(5).waitFor();
  assert.deepEqual(await other.locator(".user .content").allTextContents(), [p.STORY, p.CAPITAL, "What is 5 plus 9?"]);
});

test("a draft is never lost: not to a suggestion, not to a reply that gave nothing", async (t) => {
  let open;
  const gate = new Promise((resolve) => (open = resolve));
  const origin = await p.gated(t, (url) => url.endsWith(".gguf") && gate);
  const { page } = await p.open(t, { query: "", origin, loaded: false });
  await p.field(page).fill("my draft");
  await page.getByRole("button", { name: p.CAPITAL }).click();
  assert.equal(await p.field(page).inputValue(), "my draft");
  // A second question has to wait, and says so.
  await page.keyboard.press("Escape");
  await p.finished(page);
  assert.equal(await p.content(page.locator(".message")), p.CAPITAL, "the question has no reply, and stays");
  await page.getByRole("button", { name: "Try again" }).click();
  await p.field(page).press("Enter");
  await page.locator("#error", { hasText: "a reply is being written" }).waitFor();
  assert.equal(await p.field(page).inputValue(), "my draft");
  open();
  await p.finished(page, 2);
  assert.match(await p.content(p.replies(page)), /Tokyo/);
});

test("a long message shows how far it is read", async (t) => {
  const { page } = await p.open(t, { query: "" });
  await page.evaluate(() => {
    const reading = document.getElementById("reading");
    window.read = [];
    new MutationObserver(() => window.read.push(reading.textContent)).observe(reading, { childList: true });
  });
  await p.ask(page, "One two three four five six seven. ".repeat(40));
  const [first, second, ...rest] = await page.evaluate(() => window.read);
  assert.match(first, /^Reading the prompt: 0 of \d{3} tokens$/);
  assert.match(second, /^Reading the prompt: 256 of \d{3} tokens$/);
  assert.deepEqual(new Set(rest), new Set([""]));
});

test("a conversation that outgrows the context is explained, and the question is kept", async (t) => {
  const { page } = await p.open(t);
  await p.send(page, "word ".repeat(600));
  await page.locator("#error").waitFor();
  assert.match(await page.locator("#error").textContent(), /context/);
  assert.match(await p.field(page).inputValue(), /^word word/);
  assert.equal(await page.locator(".message").count(), 0);
  await p.ask(page, p.STORY);
  assert.equal(await p.replies(page).count(), 1);
});

test("a page that came without TLS works, but for what browsers forbid it", async (t) => {
  const args = ["--host-resolver-rules=MAP plume.test 127.0.0.1"];
  const browser = await launch({ webgpu: false, args });
  t.after(() => browser.close());
  const origin = p.site.origin.replace("localhost", "plume.test");
  const { page } = await p.open(t, { browser, origin, query: "", permissions: [] });
  assert.equal(await page.evaluate(() => isSecureContext), false);
  assert.match(await p.ask(page, p.CAPITAL), /Tokyo/);
  await p.replies(page).getByRole("button", { name: "Copy" }).click();
  await page.locator("#announce", { hasText: "only pages that came by https" }).waitFor();
  await page.reload();
  await page.locator(".conversation").click();
  assert.match(await p.content(p.replies(page)), /Tokyo/);
});

test("a lost device is told, the model comes back, and the conversation goes on", async (t) => {
  const browser = await launch();
  t.after(() => browser.close());
  const { page, allow } = await p.open(t, { browser });
  allow(/GPU|context|lost/i); // Chromium logs that its GPU process went away.
  await p.send(page, p.STORY);
  await page.waitForFunction(() => document.querySelector(".message.assistant .content")?.textContent.length > 0);
  const session = await browser.newBrowserCDPSession();
  await session.send("Browser.crashGpuProcess").catch(() => {}); // It may not live to answer.
  await page.getByText("The model was loaded again: you can go on.").waitFor();
  assert.equal(await p.replies(page).count(), 1, "what was written stays");
  await page.getByRole("button", { name: "New chat" }).click();
  assert.equal(await p.ask(page, p.STORY), p.words(p.golden));

  // Who gives the second load up is told that there is no model, and may choose one.
  await p.send(page, p.STORY);
  await p.writing(page);
  const again = await browser.newBrowserCDPSession();
  await page.evaluate(() => {
    const bar = document.getElementById("loading");
    const cancel = () => bar.hidden || document.getElementById("cancel-load").click();
    new MutationObserver(cancel).observe(bar, { attributes: true });
  });
  await again.send("Browser.crashGpuProcess").catch(() => {});
  await page.getByText(/plm-tiny was not loaded again.* Choose a model to go on/).waitFor();
  assert.equal(await page.locator("#model-name").textContent(), "no model");
});
