// The demo page for everybody: people with screen readers and keyboards, on phones, in the dark, on slow links.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import test from "node:test";
import { root } from "../../scripts/setup.mjs";
import * as p from "./page.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PHONE = { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true };

/** What axe finds that keeps people out. */
async function barriers(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  return violations
    .filter(({ impact }) => ["serious", "critical"].includes(impact))
    .map(
      ({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`,
    );
}

for (const [name, options] of Object.entries({
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  "on a phone": { ...PHONE, colorScheme: "dark" },
}))
  test(`axe finds nothing serious, ${name}`, async (t) => {
    const { page } = await p.open(t, { query: "", ...options });
    await page.locator("#notice-device").waitFor();
    const check = async (what) => assert.deepEqual(await barriers(page), [], what);
    await check("the welcome");
    await p.ask(page, p.CAPITAL);
    if (name === "on a phone") await page.locator("#toggle-instruments").click();
    await p.ask(page, p.STORY);
    await page.waitForTimeout(400);
    await check("a conversation, and instruments");
    if (name === "on a phone") await page.locator("#toggle-instruments").click();
    await page.getByRole("button", { name: "Edit" }).first().click();
    await check("a message that is edited");
    await page.keyboard.press("Escape");
    if (name === "on a phone") await page.locator("#toggle-conversations").click();
    await check("the list of conversations");
    if (name === "on a phone") await page.locator("#toggle-conversations").click();
    await page.locator("#open-models").click();
    await page.locator("#kept li").first().waitFor();
    await check("models");
    await page.keyboard.press("Escape");
    await page.locator("#open-settings").click();
    await check("settings");
    await page.keyboard.press("Escape");
    await page.getByRole("link", { name: "Benchmark" }).click();
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByText("Done.").waitFor({ timeout: 60_000 });
    await check("the benchmark");
  });

test("a whole conversation by keyboard", async (t) => {
  const { page } = await p.open(t, { query: "" });
  assert.equal(await page.evaluate(() => document.activeElement.id), "prompt", "one can write at once");
  await page.keyboard.type("What is 5 plus 9?");
  await page.keyboard.press("Shift+Enter");
  assert.equal(await page.locator(".message").count(), 0, "Shift and Enter begin a line");
  await page.keyboard.press("Backspace");
  await page.keyboard.press("Enter");
  await p.finished(page, 2);
  /** Goes on by Tab, or back, to what has this name. */
  const tabTo = async (name, key = "Tab") => {
    const focused = () =>
      page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.innerText.trim());
    for (let presses = 0; presses < 40 && (await focused()) !== name; presses++) await page.keyboard.press(key);
    assert.equal(await focused(), name);
  };
  await tabTo("Try again", "Shift+Tab");
  await page.keyboard.press("Enter");
  await page.locator(".versions").waitFor();
  await p.finished(page);
  await tabTo("Settings", "Shift+Tab");
  await page.keyboard.press("Enter");
  assert.ok(await page.locator("#settings").isVisible());
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("#settings").isVisible(), false);
});

test("on a phone nothing is wider than the screen, and the chat is in reach", async (t) => {
  const { page } = await p.open(t, { query: "", ...PHONE });
  const widest = () =>
    page.evaluate(() =>
      Math.max(
        ...Array.from(document.querySelectorAll("body *"), (element) => element.getBoundingClientRect().right),
        document.documentElement.scrollWidth,
      ),
    );
  const fits = async (what) => assert.ok((await widest()) <= 360, `${what}: ${await widest()} pixels`);
  await fits("the welcome");
  await p.ask(page, p.STORY);
  await fits("a conversation");
  for (const [open, close] of [
    ["#toggle-instruments", "#toggle-instruments"],
    ["#toggle-conversations", "#toggle-conversations"],
    ["#open-models", "#models .title button"],
    ["#open-settings", "#settings .title button"],
  ]) {
    await page.locator(open).click();
    await fits(open);
    await page.locator(close).click();
  }
  const box = await p.field(page).boundingBox();
  assert.ok(box.y + box.height <= 640 && box.height >= 36, JSON.stringify(box));
});

test("what comes before the first paint is less than 100 kB, uncompressed", async () => {
  const file = (name) => readFileSync(path.join(root, "build/site", name), "utf8");
  const html = file("index.html");
  const found = new Set(["index.html", "style.css", "icon.svg", "main.js"]);
  for (const [, name] of html.matchAll(/(?:src|href)="([^"#]+)"/g)) if (/\.(css|js|svg)$/.test(name)) found.add(name);
  // A set gives what is added while it is gone through.
  for (const name of found)
    if (name.endsWith(".js"))
      for (const [, imported] of file(name).matchAll(/(?:from|import)"\.\/([^"]+)"/g))
        found.add(path.posix.join(path.posix.dirname(name), imported));
  assert.ok(found.has("plume-lm/dist/index.js"), [...found].join(", "));
  const bytes = [...found].reduce((sum, name) => sum + Buffer.byteLength(file(name)), 0);
  assert.ok(bytes < 100_000, `${bytes} bytes: ${[...found].join(", ")}`);
});
