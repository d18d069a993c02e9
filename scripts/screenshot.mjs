// node scripts/screenshot.mjs: the pictures of the README and the docs, taken of the real page after real replies.
import { build } from "./build.mjs";
import { launch } from "./chromium.mjs";
import { at } from "./make.mjs";
import { serve } from "./serve.mjs";
import { siteFolder } from "./site.mjs";

const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

await build();
const site = await serve({ "/": siteFolder }, { isolated: true });
const browser = await launch();

/** A page whose model is loaded and whose replies can be repeated. */
async function open(options, query = "") {
  const page = await (await browser.newContext(options)).newPage();
  await page.addInitScript(() => {
    const sampling = { temperature: 0 };
    localStorage.setItem("plume.settings", JSON.stringify({ sampling }));
  });
  await page.goto(`${site.origin}/${query}`);
  await page.locator("#model-name", { hasText: "plm-tiny" }).waitFor();
  for (const close of await page.getByLabel("Close this notice").all()) await close.click();
  return page;
}

async function ask(page, ...questions) {
  for (const question of questions) {
    await page.getByLabel("Your message", { exact: true }).fill(question);
    await page.keyboard.press("Enter");
    await page.locator("#stop").waitFor();
    await page.locator("#send").waitFor({ timeout: 120_000 });
  }
  await page.evaluate(() => document.activeElement?.blur());
  await page.waitForTimeout(500); // The instruments' last drawing.
}

async function shoot(page, name) {
  await page.screenshot({ path: at("www/screenshots", `${name}.png`) });
  await page.context().close();
}

const STORY = "Tell me a story about a brave fox named Pip.";
const OTHER_STORY = "Tell me a story about a kind owl named Olive.";
const CAPITAL = "What is the capital of Japan?";

for (const colorScheme of ["light", "dark"]) {
  const desktop = await open({ ...DESKTOP, colorScheme });
  await ask(desktop, OTHER_STORY);
  await desktop.getByRole("button", { name: "New chat" }).click();
  await ask(desktop, CAPITAL, STORY);
  await shoot(desktop, `desktop-${colorScheme}`);

  const phone = await open({ ...PHONE, colorScheme });
  if (colorScheme === "dark") await phone.locator("#toggle-instruments").click();
  await ask(phone, OTHER_STORY, CAPITAL, STORY);
  await phone.waitForTimeout(300);
  await shoot(phone, `phone-${colorScheme}`);
}

const models = await open({ ...DESKTOP, colorScheme: "light" });
await models.locator("#open-models").click();
await models.locator("#kept li").first().waitFor();
await shoot(models, "models");

const settings = await open({ ...DESKTOP, colorScheme: "dark" });
await settings.locator("#open-settings").click();
await shoot(settings, "settings");

const benchmark = await open({ ...DESKTOP, colorScheme: "light" }, "#benchmark");
await benchmark.locator("#run-benchmark").click();
await benchmark.getByText("Done.").waitFor({ timeout: 120_000 });
await shoot(benchmark, "benchmark");

await browser.close();
await site.close();
process.exit(0);
