// What a page keeps of its downloads: in the origin private file system, and where that is missing in the Cache API.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { launch } from "../../scripts/chromium.mjs";
import { serve } from "../../scripts/serve.mjs";
import { root } from "../../scripts/setup.mjs";
import { bytesSent, hub } from "../hub.mjs";
import { gguf } from "../support.mjs";

// The package's modules one by one, so that one of them can be another.
const folders = { "/plume-lm/": path.join(root, "build/modules"), "/": path.join(root, "tests/browser") };
const without = { "/plume-lm/dist/store-opfs.js": path.join(root, "tests/browser/no-opfs.js") };
/** By what it keeps files in. */
const sites = { OPFS: await serve(folders), "the Cache API": await serve({ ...without, ...folders }) };
const browser = await launch({ webgpu: false });
test.after(() => Promise.all([browser.close(), ...Object.values(sites).map((site) => site.close())]));

const name = "plm-tiny-F16.gguf";
const file = readFileSync(gguf("F16"));

/** A page of a profile of its own. */
async function open(t, site = sites.OPFS) {
  const context = await browser.newContext();
  t.after(() => context.close());
  const tab = async () => {
    const page = await context.newPage();
    await page.goto(`${site.origin}/blank.html`);
    return page;
  };
  return { page: await tab(), tab };
}

/** Loads in the page. Gives the reply and the phases, or the error's code and message. */
const load = (page, source, options = {}) =>
  page.evaluate(
    async ([source, options]) => {
      const { Plume } = await import("/plume-lm/dist/index.js");
      const phases = new Set();
      const onProgress = ({ phase }) => phases.add(phase);
      try {
        const lm = await Plume.load(source, { device: "cpu", onProgress, ...options });
        const messages = [{ role: "user", content: "Tell me a story about a brave fox named Pip." }];
        const { choices } = await lm.chat.completions.create({ messages, temperature: 0, max_tokens: 16 });
        lm.dispose();
        return { reply: choices[0].message.content, phases: [...phases].join() };
      } catch ({ code, message }) {
        return { code, message };
      }
    },
    [source, options],
  );

const cache = (page, call, ...args) =>
  page.evaluate(
    async ([call, args]) => {
      const { Plume } = await import("/plume-lm/dist/index.js");
      const value = await Plume.cache[call](...args);
      if (!(value instanceof Blob)) return value;
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await value.arrayBuffer()));
      return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    },
    [call, args],
  );

for (const [kept, site] of Object.entries(sites)) {
  test(`${kept}: a model is downloaded once across origins, resumed in another tab, and there without a network`, async (t) => {
    const { page, tab } = await open(t, site);
    let stalled = true;
    const server = await hub({ [name]: file }, ({ headers }) =>
      stalled && !/=0-/.test(headers.range) ? { stall: 2.5e6 } : {},
    );
    t.after(server.close);
    const url = `${server.origin}/${name}`;
    // A tab that is closed in the middle.
    const closed = await tab();
    const cut = load(closed, url).catch(() => undefined);
    while ((await cache(page, "size")) < 3 << 20) await new Promise((resolve) => setTimeout(resolve, 100));
    await closed.close();
    await cut;
    const [{ stored, complete }] = await cache(page, "list");
    assert.ok(stored >= 3 << 20 && stored < file.length && !complete, `${stored} bytes`);
    stalled = false;
    server.log.length = 0;
    const { reply, phases } = await load(page, url);
    assert.match(reply, /Pip/);
    assert.equal(phases, "read,download,ready");
    assert.ok(bytesSent(server.log) <= file.length - stored + 1, `${bytesSent(server.log)} bytes`);
    server.log.length = 0;
    assert.deepEqual(await load(page, url), { reply, phases: "read,ready" });
    assert.ok(bytesSent(server.log) <= 1);
    assert.deepEqual(await cache(page, "list"), [{ url, size: file.length, stored: file.length, complete: true }]);
    const files = await page.evaluate(async () => {
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("plume-lm", { create: true });
      return (await Array.fromAsync(folder.keys())).length;
    });
    assert.equal(files > 0, kept === "OPFS");
    assert.equal(await cache(page, "export", url), createHash("sha256").update(file).digest("hex"));
    assert.deepEqual(await cache(page, "verify"), [{ url, bad: 0 }]);
    server.close();
    assert.deepEqual(await load(page, url), { reply, phases: "read,ready" });
    await cache(page, "delete", url);
    assert.equal(await cache(page, "size"), 0);
  });

  test(`${kept}: two tabs that load the same model share one download`, async (t) => {
    const { page, tab } = await open(t, site);
    const server = await hub({ [name]: file }, () => ({ rate: 8e6 }));
    t.after(server.close);
    const url = `${server.origin}/${name}`;
    const both = await Promise.all([load(page, url), load(await tab(), url)]);
    assert.equal(both[0].reply, both[1].reply);
    assert.ok(both[0].reply);
    assert.ok(bytesSent(server.log) < file.length * 1.01, `${bytesSent(server.log)} bytes`);
  });
}

test("a token is sent across origins to the hub alone", async (t) => {
  const { page } = await open(t);
  const models = { "plm/tiny": [name] };
  const server = await hub({ [name]: file }, undefined, { models, token: "hf_secret" });
  t.after(server.close);
  assert.equal((await load(page, "plm/tiny", { hub: server.origin })).code, "http");
  const { reply } = await load(page, "plm/tiny", { hub: server.origin, token: "hf_secret" });
  assert.match(reply, /Pip/);
  assert.ok(server.tokens.storage.length > 0 && server.tokens.storage.every((token) => token === undefined));
  const [{ sha256 }] = await cache(page, "list");
  assert.equal(sha256, createHash("sha256").update(file).digest("hex"));
});

test("too little room is told before the download, with the figures", async (t) => {
  const { page } = await open(t);
  const { quota } = await page.evaluate(() => navigator.storage.estimate());
  const server = await hub({ [name]: file }, () => ({ size: quota * 2 }));
  t.after(server.close);
  const { code, message } = await load(page, `${server.origin}/${name}`);
  assert.equal(code, "quota");
  assert.match(message, /takes \d+\.\d MB; of \d+\.\d MB that may be kept here \d+\.\d MB are free.*cache: false/);
  assert.ok(bytesSent(server.log) <= 1 << 20);
  assert.equal(await cache(page, "size"), 0);
});

test("the Cache API keeps the same where files cannot be had", async (t) => {
  const { page } = await open(t);
  const found = await page.evaluate(async () => {
    const { cacheApi } = await import("/plume-lm/dist/store-cache.js");
    const { BLOCK, Store } = await import("/plume-lm/dist/store.js");
    const { CacheManager } = await import("/plume-lm/dist/cache.js");
    const medium = await cacheApi();
    const { bindings: make } = await import("/plume-lm/dist/wasm/bindings-cpu.js");
    const bindings = make();
    await bindings.default({ module_or_path: "/plume-lm/dist/wasm/plume-cpu.wasm" });
    const store = new Store(medium, bindings.checksum);
    const blocks = [new Uint8Array(BLOCK).fill(7), Uint8Array.of(1, 2, 3)];
    const size = BLOCK + 3;
    const url = "https://example.test/model.gguf";
    let file = await store.open("key", url);
    await file.begin("1", size);
    await file.write(1, blocks[1]);
    file.close();
    file = await store.open("key", url);
    const resumed = [
      file.version,
      file.size,
      file.has(0),
      file.has(1),
      [...(await file.read(1, new Uint8Array(BLOCK)))],
    ];
    await file.write(0, blocks[0]);
    await file.verified("abc");
    file.close();
    await store.note("name", "text");
    const manager = new CacheManager(
      async () => medium,
      async () => bindings.checksum,
    );
    const list = await manager.list();
    const exported = new Uint8Array(await (await manager.export(url)).arrayBuffer());
    const same = exported.length === size && exported[0] === 7 && exported[BLOCK + 2] === 3;
    // A block that is not what was written.
    const cache = await caches.open("plume-lm");
    const [key] = (await cache.keys()).filter(({ url }) => url.endsWith("/0"));
    const { headers } = await cache.match(key);
    await cache.put(key, new Response(new Uint8Array(BLOCK), { headers }));
    const bad = await manager.verify(url);
    const [{ stored }] = await manager.list();
    const noted = await store.noted("name");
    await manager.delete();
    return { resumed, list, same, bad, stored, noted, after: (await cache.keys()).length };
  });
  const url = "https://example.test/model.gguf";
  const size = (1 << 20) + 3;
  assert.deepEqual(found, {
    resumed: ["1", size, false, true, [1, 2, 3]],
    list: [{ url, size, stored: size, complete: true, sha256: "abc" }],
    same: true,
    bad: [{ url, bad: 1 << 20 }],
    stored: 3,
    noted: "text",
    after: 0,
  });
});
