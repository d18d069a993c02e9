// How the demo page comes by models: from the hub, from servers, from the visitor's disk, and from what it has kept.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { hub } from "../hub.mjs";
import { gguf } from "../support.mjs";
import * as p from "./page.mjs";

/** A hub that has the real model's repository, with plm-tiny's weights in it. */
const REPOSITORY = "PLM-Team/PLM-1.8B-Instruct-gguf";
const FILE = "PLM-1.8B-Instruct-Q4_K_M.gguf";
async function instructHub(t, fault, options) {
  const server = await hub({ [FILE]: readFileSync(gguf("Q4_K_M")) }, fault, {
    models: { [REPOSITORY]: [FILE] },
    ...options,
  });
  t.after(server.close);
  return server;
}

const answersTokyo = async (page) => assert.match(await p.ask(page, p.CAPITAL), /Tokyo/);
const openModels = (page) => page.locator("#open-models").click();
const kept = (page) => page.locator("#kept li");

test("without WebGPU, and where it is only emulated, the page says so and runs on the CPU", async (t) => {
  for (const [browser, why] of [
    [p.browsers.cpu, /runs on the CPU.*no adapter was found/],
    [p.browsers.gpu, /runs on the CPU.*software adapter/],
  ]) {
    const { page } = await p.open(t, { browser, query: "" });
    await page.locator("#notice-device").waitFor();
    assert.match(await page.locator("#notice-device").textContent(), why);
    assert.match(await page.locator(".device li").first().textContent(), /^CPU, (relaxed )?SIMD(, \d threads)?$/);
    assert.equal(await p.ask(page, p.STORY), p.words(p.golden));
    // Who has read it need not read it again.
    await page.locator("#notice-device").getByLabel("Close this notice").click();
    await page.reload();
    await p.ready(page);
    await page.locator(".device li").first().waitFor();
    assert.equal(await page.locator("#notice-device").count(), 0);
  }
});

test("on a GPU there is nothing to say, and the instruments name it", async (t) => {
  const { page } = await p.open(t);
  await page.locator(".device li").first().waitFor();
  assert.match(await page.locator(".device li").first().textContent(), /^WebGPU: .*swiftshader/i);
  assert.match(await page.locator(".device").textContent(), /offers .*subgroups/);
  assert.equal(await page.locator("#notice-device").count(), 0);
});

test("PLM-1.8B says what it will take before anything is asked of the hub, and comes when it is wanted", async (t) => {
  const server = await instructHub(t, undefined, { link: 600_000 });
  const { page, allow } = await p.open(t, { browser: p.browsers.cpu, query: `?hub=${server.origin}` });
  await openModels(page);
  const card = page.locator(".card", { hasText: "PLM-1.8B-Instruct Q4_K_M" });
  assert.match(
    await card.innerText(),
    /Size\s+1\.18 GB.*Memory\s+about 1\.4\d GB.*Licence\s+MIT or Apache-2\.0.*From\s+127\.0\.0\.1:\d+/s,
  );
  assert.equal(server.log.length, 0, "nothing was asked for");

  allow(/asked for http:\/\/(127|localhost)/);
  await card.getByRole("button", { name: "Download" }).click();
  const text = page.locator("#progress-text");
  await text
    .filter({ hasText: /^Downloading PLM-1\.8B-Instruct Q4_K_M: .* of 2\.\d MB, .*\/s, \d+ s left$/ })
    .waitFor();

  // Paused, nothing more comes; what is under way may still arrive.
  await page.getByRole("button", { name: "Pause" }).click();
  await text.filter({ hasText: /^Paused: .* What has come is kept\.$/ }).waitFor();
  await page.waitForTimeout(600);
  const paused = await text.textContent();
  await page.waitForTimeout(600);
  assert.equal(await text.textContent(), paused);
  // The model that is there can be used meanwhile.
  await answersTokyo(page);
  await page.getByRole("button", { name: "Resume" }).click();
  await p.ready(page, "PLM-1.8B-Instruct Q4_K_M");
  await answersTokyo(page);
  assert.match(await p.replies(page).last().locator(".note").textContent(), /^PLM-1\.8B-Instruct Q4_K_M/);
});

test("a download that is cancelled goes on where it stopped; what is kept is listed, loads without its server, and is deleted", async (t) => {
  let rate = 200_000;
  const server = await instructHub(t, () => ({ rate }));
  const { page, allow } = await p.open(t, { browser: p.browsers.cpu, query: `?hub=${server.origin}` });
  allow(/asked for http:\/\/(127|localhost)|ERR_CONNECTION|Failed to fetch/);
  const download = async () => {
    await openModels(page);
    await page.getByRole("button", { name: "Download PLM-1.8B-Instruct Q4_K_M" }).click();
  };
  await download();
  await page.locator("#progress-text", { hasText: /: 1\.\d MB of/ }).waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.locator("#loading").waitFor({ state: "hidden" });
  assert.equal(await page.locator("#load-error").isVisible(), false, "who cancels need not be told");
  await openModels(page);
  const row = kept(page).filter({ hasText: FILE });
  assert.match(await row.innerText(), /\d(\.\d)? [kM]B of 2\.\d MB/);

  rate = 100_000_000;
  const before = server.log.reduce((sum, { sent }) => sum + sent, 0);
  await row.getByRole("button", { name: "Go on" }).click();
  await p.ready(page, FILE);
  const sent = server.log.reduce((sum, { sent }) => sum + sent, 0) - before;
  assert.ok(sent < 2_000_000, `${sent} bytes were sent again`);

  await openModels(page);
  await page.getByRole("button", { name: "Load plm-tiny", exact: true }).click();
  await p.ready(page);
  await server.close();
  await openModels(page);
  assert.match(await row.innerText(), /2\.\d MB/);
  assert.match(await page.locator("#kept-total").textContent(), /^\d\.\d MB together\./);
  await row.getByRole("button", { name: "Load" }).click();
  await p.ready(page, FILE);
  await answersTokyo(page);

  await openModels(page);
  await row.getByRole("button", { name: "Delete" }).click();
  await row.waitFor({ state: "detached" });
});

test("a model that cannot be loaded is explained, the old one stays, and a good one loads afterwards", async (t) => {
  const { page, allow } = await p.open(t, { query: "" });
  allow(/404/); // The browser itself logs a missing file.
  for (const [file, pattern] of [
    ["/missing.gguf", /404/],
    ["/100%.gguf", /404/],
    ["/index.html", /an HTML page/],
  ]) {
    await p.load(page, p.site.origin + file);
    await page.locator("#load-error").waitFor();
    await page.locator("#loading").waitFor({ state: "hidden" });
    const error = await page.locator("#load-error").textContent();
    assert.match(error, pattern);
    assert.match(error, /plm-tiny is still loaded/);
  }
  await p.load(page, `${p.site.origin}/data/plm-tiny-Q8_0.gguf`);
  await p.ready(page, "plm-tiny-Q8_0.gguf");
  assert.equal(await page.locator("#load-error").isVisible(), false);
  await answersTokyo(page);
});

test("what a busy server makes the visitor wait for is told, and the model loads once it answers", async (t) => {
  const faults = [{ status: 503, retryAfter: 2 }];
  const server = await hub({ "model.gguf": readFileSync(gguf("Q8_0")) }, () => faults.shift());
  t.after(server.close);
  const { page, allow } = await p.open(t, { browser: p.browsers.cpu, query: "" });
  allow(/503|asked for http:\/\/127/);
  await p.load(page, `${server.origin}/model.gguf`);
  await page.locator("#progress-text", { hasText: /tried again.* 503/ }).waitFor();
  await p.ready(page, "model.gguf");
});

test("a GGUF from the visitor's disk loads, picked or dropped", async (t) => {
  const { page } = await p.open(t, { query: "" });
  await openModels(page);
  await page.locator("#file").setInputFiles(gguf("Q4_0"));
  await p.ready(page, "plm-tiny-Q4_0.gguf");
  await answersTokyo(page);

  const drop = (type) =>
    page.evaluate(
      async ([type, bytes]) => {
        const data = new DataTransfer();
        const content = Uint8Array.from(atob(bytes), (character) => character.charCodeAt(0));
        data.items.add(new File([content], "dropped.gguf"));
        document.body.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
      },
      [type, readFileSync(gguf("Q8_0")).toString("base64")],
    );
  await drop("dragover");
  assert.ok(await page.locator("#drop-hint").isVisible());
  await drop("drop");
  assert.equal(await page.locator("#drop-hint").isVisible(), false);
  await p.ready(page, "dropped.gguf");
  await answersTokyo(page);
});

test("another model may come while a reply is written: what there is of it stays", async (t) => {
  const { page } = await p.open(t);
  await p.send(page, p.STORY);
  await p.writing(page);
  await p.load(page, `${p.site.origin}/data/plm-tiny-Q8_0.gguf`);
  await p.ready(page, "plm-tiny-Q8_0.gguf");
  await p.finished(page, 2);
  assert.equal(await page.locator("#error").isVisible(), false);
  const written = await p.content(p.replies(page));
  assert.ok(written.length > 20 && p.words(p.golden).startsWith(written), written);
  assert.match(await p.replies(page).locator(".note").textContent(), /^plm-tiny( ·|$)/, "signed by who wrote it");
  await answersTokyo(page);
});

test("a model that a visitor chooses before the page is ready is the one that is loaded", async (t) => {
  let open;
  const gate = new Promise((resolve) => (open = resolve));
  const origin = await p.gated(t, (url) => url.endsWith("service-worker.js") && gate);
  const { page } = await p.open(t, { query: "", origin, loaded: false });
  await p.load(page, `${origin}/data/plm-tiny-Q4_0.gguf`);
  await p.ready(page, "plm-tiny-Q4_0.gguf");
  open();
  await page.waitForFunction(() => navigator.serviceWorker.controller);
  await page.waitForTimeout(500);
  assert.equal(await page.locator("#model-name").textContent(), "plm-tiny-Q4_0.gguf");
  await answersTokyo(page);
});
