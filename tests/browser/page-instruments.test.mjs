// The demo page's instruments show what is so, and cost nothing where nobody sees them; and its benchmark gives a result to share.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "node:test";
import { plmHeader, plmTensors, TYPES } from "../plm-gguf.mjs";
import { config, EMBEDDED, gguf } from "../support.mjs";
import * as p from "./page.mjs";

const instrument = (page, name) =>
  page.locator(".instrument").filter({ has: page.getByRole("heading", { name, exact: true }) });

/** Waits until the instruments have drawn a reply's end. */
const settled = (page) => page.waitForTimeout(500);

/** How many different colours the heat map has in each of its rows. */
const colours = (page) =>
  page.locator("canvas").evaluate((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return Array.from({ length: canvas.height }, (_, row) => {
      const found = new Set();
      for (let column = 0; column < canvas.width; column++) {
        const [red, green, blue, alpha] = data.slice((row * canvas.width + column) * 4);
        if (alpha) found.add((red << 16) | (green << 8) | blue);
      }
      return found.size;
    });
  });

const megabytes = (text) => parseFloat(text) * (/kB/.test(text) ? 1e-3 : 1);

test("the instruments tell speed, neurons, weights, cache, rivals and device of a reply", async (t) => {
  const { page } = await p.open(t);
  await p.ask(page, p.STORY);
  await settled(page);

  assert.match(await instrument(page, "Speed").innerText(), /\d+(\.\d)?\s+tokens\/s\s+first after \d+ ms/);

  const share = parseFloat(await instrument(page, "Neurons").locator(".number").textContent());
  assert.ok(share > 10 && share < 60, `${share} % of neurons are active`);
  const found = await colours(page);
  assert.equal(found.length, 4, "a row for each layer");
  assert.ok(
    found.every((count) => count > 3),
    `${found} colours in the rows`,
  );
  assert.match(
    await page.locator("canvas").getAttribute("aria-label"),
    /4 layers over \d+ tokens, \d\d(\.\d)? % on average/,
  );

  const [read, skipped] = await instrument(page, "Weights of this token").locator("p span").allTextContents();
  assert.match(read, / read$/);
  assert.match(skipped, / skipped$/);
  // The file's tensors, and of them the down projections, 34 bytes for each 32 weights.
  const tensors = statSync(gguf(EMBEDDED)).size / 1e6;
  assert.ok(Math.abs(megabytes(read) + megabytes(skipped) - tensors) < 0.2, `${read}, ${skipped} of ${tensors} MB`);
  const down = (4 * config.hidden_size * config.intermediate_size * 34) / 32 / 1e6;
  assert.ok(Math.abs(megabytes(skipped) / down - (1 - share / 100)) < 0.03, `${skipped} of ${down} MB at ${share} %`);

  // Of each token 4 x (64 + 16) values of 16 bits, against 4 x 8 x (48 + 32).
  assert.match(await instrument(page, "Cache").locator("p span").nth(1).textContent(), / expanded, 8\.0 ×$/);

  const rivals = instrument(page, "This token and its rivals");
  const lines = await rivals.locator("li").allInnerTexts();
  const shares = lines.map((line) => parseFloat(line.split("\n").at(-1).replace("< ", "")));
  assert.equal(lines.length, 6);
  assert.deepEqual(
    shares.toSorted((a, b) => b - a),
    shares,
    "the likeliest come first",
  );
  assert.ok(shares.reduce((sum, value) => sum + value, 0) < 101);
  assert.equal(await rivals.locator("li.chosen").count(), 1);
});

test("a token that is pointed at, or come to by keys, is shown with its layer and rivals", async (t) => {
  const { page } = await p.open(t);
  await p.ask(page, p.STORY);
  await settled(page);
  const under = instrument(page, "Neurons").locator(".under");
  const token = instrument(page, "This token and its rivals").locator(".number");
  const newest = await token.textContent();
  assert.match(await under.textContent(), /newest token is on the right/);

  await page.locator("canvas").hover({ position: { x: 8, y: 90 } });
  await under.filter({ hasText: /^Layer 4: \d+(\.\d)? %, at ./ }).waitFor();
  assert.notEqual(await token.textContent(), newest);
  await p.field(page).hover();
  await under.filter({ hasText: /newest token/ }).waitFor();
  assert.equal(await token.textContent(), newest);

  await page.locator("canvas").focus();
  await page.keyboard.press("ArrowLeft");
  await under.filter({ hasText: /^Layer 1: / }).waitFor();
  await page.keyboard.press("ArrowDown");
  await under.filter({ hasText: /^Layer 2: / }).waitFor();
});

test("each instrument explains itself in a sentence, to mouse and keyboard", async (t) => {
  const { page } = await p.open(t, { query: "" });
  const heads = page.locator(".instrument h3");
  assert.equal(await heads.count(), 6);
  for (let index = 0; index < 6; index++) {
    const head = heads.nth(index);
    const hint = page.locator(`#${await head.getAttribute("aria-describedby")}`);
    assert.match(await hint.textContent(), /^[A-Z][^]*\.$/);
    assert.equal(await hint.isVisible(), false);
    await head.hover();
    assert.ok(await hint.isVisible());
    await p.field(page).hover();
    assert.equal(await hint.isVisible(), false);
    await head.focus();
    await page.keyboard.press("Shift"); // So that the focus is one of a keyboard.
    assert.ok(await hint.isVisible());
    await p.field(page).focus();
  }
});

test("hidden instruments ask the model for nothing, and stay hidden at the next visit", async (t) => {
  const { page } = await p.open(t, { query: "" });
  const toggle = page.getByRole("button", { name: "Instruments" });
  await toggle.click();
  await p.ask(page, p.STORY);
  await toggle.click();
  await settled(page);
  assert.equal(await page.locator("canvas").evaluate(({ height }) => height), 150, "nothing was drawn");
  assert.equal(await instrument(page, "Neurons").locator(".number").textContent(), "–");
  await p.ask(page, p.CAPITAL);
  await settled(page);
  assert.equal((await colours(page)).length, 4);
  await toggle.click();
  await page.reload();
  await p.ready(page);
  assert.equal(await page.locator("#instruments").isVisible(), false);
});

test("instruments that are shown or hidden in the middle of a reply follow it, or leave it alone, from there on", async (t) => {
  const { page } = await p.open(t, { settings: { sampling: { temperature: 0 }, instruments: false } });
  const toggle = page.getByRole("button", { name: "Instruments" });
  await p.send(page, p.STORY);
  await p.writing(page);
  await toggle.click();
  await instrument(page, "Neurons").locator(".number", { hasText: "%" }).waitFor();
  assert.ok(await page.locator(".message.writing").isVisible(), "the reply was still being written");
  await p.finished(page, 2);
  assert.equal(await p.content(p.replies(page)), p.words(p.golden));
});

test("another model's neurons are another matter: instruments begin anew", async (t) => {
  const { page } = await p.open(t, { query: "" });
  await p.ask(page, p.STORY);
  await settled(page);
  // A model of two layers, and noise.
  const shape = {
    layers: 2,
    vocabulary: 67_000,
    hidden: 64,
    neurons: 96,
    rank: 32,
    heads: 2,
    nope: 32,
    rope: 32,
    value: 32,
  };
  const tensors = plmTensors(shape, () => "Q8_0");
  const { header, size } = plmHeader(shape, tensors);
  const file = Buffer.alloc(size);
  header.copy(file);
  for (const { at, length, type } of tensors)
    if (type === TYPES.F32) Buffer.from(new Float32Array(length / 4).fill(1).buffer).copy(file, at);
    else
      for (let block = at; block < at + length; block += type.bytes) {
        file.writeUInt16LE(0x2000, block);
        for (let byte = 2; byte < type.bytes; byte++) file[block + byte] = (block * 31 + byte * 7919) % 251;
      }
  const folder = mkdtempSync(path.join(tmpdir(), "plume-two-layers-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const two = path.join(folder, "two.gguf");
  writeFileSync(two, file);
  await page.locator("#open-models").click();
  await page.locator("#file").setInputFiles(two);
  await p.ready(page, "two.gguf");
  assert.equal(await instrument(page, "Neurons").locator(".number").textContent(), "–");
  await p.set(page, "Longest reply, tokens", "40");
  await p.send(page, "ab");
  await p.finished(page, 4);
  await settled(page);
  assert.equal((await colours(page)).length, 2);
  assert.match(await instrument(page, "Neurons").locator(".number").textContent(), /%$/);
});

test("the heat map takes the colours of the theme that is chosen", async (t) => {
  const { page } = await p.open(t, { query: "", colorScheme: "light" });
  await p.ask(page, p.STORY);
  await settled(page);
  const brightest = () =>
    page.locator("canvas").evaluate((canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return Math.max(...data.filter((_, index) => index % 4 === 0 && data[index + 3] > 0));
    });
  const light = await brightest();
  await p.set(page, "Appearance", "dark");
  await settled(page);
  assert.notEqual(await brightest(), light);
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(await paper(), "rgb(20, 24, 26)");
  await page.reload();
  assert.equal(await paper(), "rgb(20, 24, 26)");
});

test("the benchmark measures every length that fits, and gives a result as text and JSON", async (t) => {
  const { page } = await p.open(t, { query: "" });
  await page.getByRole("link", { name: "Benchmark" }).click();
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByText("Done.").waitFor({ timeout: 60_000 });
  const rows = await page.locator("#benchmark-table tbody tr").allInnerTexts();
  const lengths = [64, 128, 256, 512].filter((length) => length < config.max_position_embeddings);
  assert.equal(rows.length, lengths.length, `${lengths} tokens`);
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());

  await page.getByRole("button", { name: "Copy as JSON" }).click();
  await page.getByText("Copied.").waitFor();
  const result = JSON.parse(await clipboard());
  assert.deepEqual(
    [result.benchmark, result.model, result.backend, result.context_length],
    ["plume-page", "plm-tiny", "cpu", config.max_position_embeddings],
  );
  for (const [index, row] of result.rows.entries()) {
    const wanted = 64 << index;
    assert.ok(Math.abs(row.context - wanted) <= 0.1 * wanted, `${row.context} of ${wanted} tokens`);
    assert.ok(row.prefill_tokens_per_second > 0 && row.time_to_first_token_ms > 0 && row.decode_tokens_per_second > 0);
    assert.ok(row.decoded_tokens >= 32 && row.density > 0.1 && row.density < 0.6, JSON.stringify(row));
  }
  await page.getByRole("button", { name: "Copy as text" }).click();
  await page.waitForFunction(async () => (await navigator.clipboard.readText()).startsWith("Plume: plm-tiny on CPU"));
  assert.equal((await clipboard()).split("\n").length, lengths.length + 4);

  // Back at the chat everything is as it was.
  await page.getByRole("link", { name: "Chat" }).click();
  assert.match(await p.ask(page, p.CAPITAL), /Tokyo/);
});

test("a benchmark can be stopped, and run again", async (t) => {
  const { page } = await p.open(t, { query: "?device=gpu" });
  await p.ask(page, p.CAPITAL);
  await page.getByRole("link", { name: "Benchmark" }).click();
  await page.getByRole("button", { name: "Run" }).click();
  // Questions wait meanwhile, and say so.
  await page.getByRole("link", { name: "Chat" }).click();
  await p.send(page, p.CAPITAL);
  await page.getByText("the benchmark is running").waitFor();
  assert.equal(await p.field(page).inputValue(), p.CAPITAL);
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByLabel("Edit your message").fill("another question");
  await page.keyboard.press("Enter");
  assert.equal(await page.getByLabel("Edit your message").inputValue(), "another question");
  await page.keyboard.press("Escape");
  assert.equal(await p.content(page.locator(".message").first()), p.CAPITAL);
  await page.getByRole("link", { name: "Benchmark" }).click();
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByText("Stopped.").waitFor();
  await page.getByRole("button", { name: "Run" }).waitFor();
});
