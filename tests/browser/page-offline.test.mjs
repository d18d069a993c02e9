// The demo page without a network, on servers that send no headers, and when a newer version of it is there.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "node:test";
import { launchOnDisk } from "../../scripts/chromium.mjs";
import { serve } from "../../scripts/serve.mjs";
import { root } from "../../scripts/setup.mjs";
import * as p from "./page.mjs";

const built = path.join(root, "build/site");

test("after one visit the page opens, loads its model and answers without its server, with threads", async (t) => {
  const server = await serve({ "/": built });
  // A profile in memory has less room for what is kept.
  const context = await launchOnDisk({ webgpu: false });
  t.after(() => Promise.all([context.close(), server.close()]));
  const page = await context.newPage();
  await page.goto(`${server.origin}/`);
  await p.ready(page);
  const { headers } = await fetch(server.origin);
  assert.equal(headers.get("cross-origin-embedder-policy"), null, "the server does not isolate it");
  assert.equal(await page.evaluate(() => crossOriginIsolated), true);
  const threads = Math.min(await page.evaluate(() => navigator.hardwareConcurrency), 8);
  const device = () => page.locator(".device li").first().textContent();
  const expected = new RegExp(threads > 1 ? `, ${threads} threads$` : "^CPU");
  assert.match(await device(), expected);
  assert.match(await p.ask(page, p.CAPITAL), /Tokyo/);
  await server.close();

  await page.reload();
  await p.ready(page);
  assert.match(await device(), expected);
  await page.locator(".conversation").click();
  assert.match(await p.content(p.replies(page)), /Tokyo/);
  await p.set(page, "Preset", "Precise");
  await page.getByRole("button", { name: "New chat" }).click();
  assert.equal(await p.ask(page, p.STORY), p.words(p.golden));

  // As a bookmark with another query it is the same page.
  await page.goto(`${server.origin}/?device=cpu#benchmark`);
  await p.ready(page);
  assert.ok(await page.getByRole("heading", { name: "How fast is this machine?" }).isVisible());
});

test("a newer version of the page is offered, and comes whole", async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), "plume-site-"));
  cpSync(built, folder, { recursive: true });
  const server = await serve({ "/under/a/path/": folder });
  t.after(async () => (await server.close(), rmSync(folder, { recursive: true })));
  const { page, allow } = await p.open(t, {
    browser: p.browsers.cpu,
    origin: `${server.origin}/under/a/path`,
    query: "",
  });
  await page.waitForFunction(() => navigator.serviceWorker.controller);
  assert.equal(await page.title(), "Plume");
  const at = (name) => path.join(folder, name);
  const sha256 = (name) =>
    createHash("sha256")
      .update(readFileSync(at(name)))
      .digest("hex");
  const hashes = [];
  const change = (name, edit) => {
    const before = sha256(name);
    writeFileSync(at(name), edit(readFileSync(at(name))));
    hashes.push([before, sha256(name)]);
  };
  change("index.html", (text) => String(text).replace("<title>Plume<", "<title>Plume, newer<"));
  change("plume-lm/dist/wasm/plume-gpu.wasm", (bytes) => Buffer.concat([bytes, Buffer.from("newer")]));
  // A part of the newer version that the older one has not asked for yet would not fit it.
  const core = () => page.evaluate(() => fetch("plume-lm/dist/wasm/plume-gpu.wasm").then(({ status }) => status));
  allow(/409/);
  assert.equal(await core(), 409);
  let script = readFileSync(at("service-worker.js"), "utf8").replace(/"[0-9a-f]{16}"/, '"0123456789abcdef"');
  for (const [before, after] of hashes) {
    assert.ok(script.includes(before));
    script = script.replaceAll(before, after);
  }
  writeFileSync(at("service-worker.js"), script);
  await page.reload();
  await p.ready(page);
  assert.equal(await page.title(), "Plume", "nothing changes unasked");
  await page.locator("#notice-update").getByRole("button", { name: "Reload" }).click();
  await page.waitForFunction(() => document.title === "Plume, newer");
  await p.ready(page);
  assert.equal(await core(), 200);
  assert.match(await p.ask(page, p.CAPITAL), /Tokyo/);

  // What the older version had of it is there without a network, too.
  allow(/ERR_CONNECTION|Failed to (load|fetch)/);
  await server.close();
  await page.reload();
  await p.ready(page);
  assert.equal(await page.title(), "Plume, newer");
  await page.getByRole("button", { name: "New chat" }).click();
  assert.match(await p.ask(page, p.CAPITAL), /Tokyo/);
});

test("the page can be installed: its manifest names what is there", async () => {
  const manifest = JSON.parse(readFileSync(path.join(built, "manifest.webmanifest"), "utf8"));
  for (const { src, sizes } of manifest.icons) {
    const bytes = readFileSync(path.join(built, src));
    if (src.endsWith(".png")) assert.equal(`${bytes.readUInt32BE(16)}x${bytes.readUInt32BE(20)}`, sizes);
  }
  assert.ok(manifest.icons.some(({ purpose }) => purpose === "maskable"));
  assert.equal(manifest.start_url, "./");
});
