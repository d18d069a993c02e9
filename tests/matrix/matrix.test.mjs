// The package as users have it: packed, installed into a fresh project of each bundler and runtime, built without any
// configuration, and run.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { launch } from "../../scripts/chromium.mjs";
import { writeDocs } from "../../scripts/docs.mjs";
import { serve } from "../../scripts/serve.mjs";
import { root } from "../../scripts/setup.mjs";
import { conversations, EMBEDDED, gguf } from "../support.mjs";
import { Project, tarball } from "./projects.mjs";

const prompt = "Tell me a story about a brave fox named Pip.";
const golden = conversations(EMBEDDED).find(({ turns }) => turns[0] === prompt).steps[0].text;
const browser = await launch({ webgpu: false });
test.after(() => browser.close());

/** What a page says when it is done, what it has downloaded, and what its policy has stopped. */
async function visit(t, url) {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  const asked = [];
  const stopped = [];
  context.on("request", (request) => asked.push(new URL(request.url()).pathname));
  page.on("console", (message) => /Content Security Policy/.test(message.text()) && stopped.push(message.text()));
  await page.goto(url);
  await page.waitForFunction(() => /^(Written by|\w*Error): /.test(document.title), undefined, { timeout: 60_000 });
  return { title: await page.title(), story: await page.locator("#story").textContent(), asked, stopped };
}

/** Visits what a project was built into. */
async function visitBuilt(t, folder, { query = "", ...options } = {}) {
  const site = await serve({ "/model.gguf": gguf("Q8_0"), "/": folder }, options);
  t.after(site.close);
  return visit(t, `${site.origin}/${query}`);
}

function check({ title, story }, adapter = /^Written by: CPU, relaxed SIMD$/) {
  assert.match(title, adapter);
  assert.equal(story, golden);
}

const inline = (asked) => asked.filter((path) => /inline/.test(path));

/** What allows a page that has no scripts of its own in it. */
const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'";

test("publint and arethetypeswrong find nothing to say", async () => {
  const project = new Project("checked", "node");
  const { stdout } = await project.run("publint", "node_modules/plume-lm", "--strict");
  assert.match(stdout, /All good!/);
  // Without CommonJS: what cannot import modules cannot have a worker either.
  await project.run("attw", "../" + tarball, "--profile", "esm-only");
});

test("the API reference is written, and lacks nothing", () => {
  writeDocs();
  assert.match(readFileSync(path.join(root, "build/docs/index.html"), "utf8"), /plume-lm/);
});

test("Vite: what it builds, under a strict Content-Security-Policy, alone and with threads", async (t) => {
  const project = new Project("vite", "page");
  const { stdout, stderr } = await project.run("vite", "build");
  assert.doesNotMatch(stdout + stderr, /\(!\)|warn/i);
  const headers = { "content-security-policy": POLICY };
  const found = await visitBuilt(t, project.path("dist"), { headers });
  check(found);
  assert.deepEqual(found.stopped, []);
  assert.deepEqual(inline(found.asked), []);
  check(
    await visitBuilt(t, project.path("dist"), { headers, isolated: true }),
    /^Written by: CPU, relaxed SIMD, \d threads$/,
  );
});

test("OpenAI's client in a page", async (t) => {
  const project = new Project("openai-page", "page");
  const program = `import OpenAI from "openai";
    import { Plume } from "plume-lm";
    (async () => {
      const lm = await Plume.load();
      const client = new OpenAI({ fetch: lm.fetch, apiKey: "none", dangerouslyAllowBrowser: true });
      const messages = [{ role: "user", content: ${JSON.stringify(prompt)} }];
      const stream = await client.chat.completions.create({ model: "plm-tiny", messages, temperature: 0, stream: true });
      for await (const part of stream) document.getElementById("story").append(part.choices[0]?.delta?.content ?? "");
      return (await lm.stats()).adapter;
    })().then((adapter) => (document.title = "Written by: " + adapter), (error) => (document.title = "Error: " + error));`;
  writeFileSync(project.path("main.js"), program);
  await project.run("vite", "build");
  check(await visitBuilt(t, project.path("dist")));
});

test("Vite: its server for development", async (t) => {
  const project = new Project("vite-server", "page");
  const { origin, close } = await project.serve("vite", 18_101, "--port", "18101", "--strictPort");
  t.after(close);
  check(await visit(t, origin));
});

test("webpack", async (t) => {
  const project = new Project("webpack", "page");
  await project.run("webpack", "--entry", "./main.js", "--mode", "production");
  cpSync(project.path("index.html"), project.path("dist/index.html"));
  const found = await visitBuilt(t, project.path("dist"));
  check(found);
  // With threads: a worker of webpack's starts others of itself.
  check(await visitBuilt(t, project.path("dist"), { isolated: true }), /^Written by: CPU, relaxed SIMD, \d threads$/);
});

test("Parcel", async (t) => {
  const project = new Project("parcel", "page");
  await project.run("parcel", "build", "index.html", "--no-cache", "--no-source-maps");
  const found = await visitBuilt(t, project.path("dist"));
  check(found);
  assert.deepEqual(inline(found.asked), []);
});

test("what a program does not use of the package is not in its bundle", async () => {
  const project = new Project("shaken", "page");
  for (const entry of ["plume-lm", "plume-lm/local"]) {
    writeFileSync(project.path("main.js"), `import { PlumeError } from "${entry}"; console.log(PlumeError.name);`);
    await project.run("esbuild", "main.js", "--bundle", "--format=esm", "--minify", "--outfile=shaken/esbuild.js");
    await project.run("rollup", "main.js", "-p", "@rollup/plugin-node-resolve", "-d", "shaken", "-f", "es");
    for (const name of ["esbuild.js", "main.js"]) {
      const { length } = readFileSync(project.path("shaken", name), "utf8");
      assert.ok(length < 2000, `${entry}, ${name}: ${length} characters`);
    }
  }
});

for (const [bundler, ...args] of [
  ["esbuild", "main.js", "--bundle", "--format=esm", "--splitting", "--outdir=dist"],
  ["rollup", "main.js", "-p", "@rollup/plugin-node-resolve", "-d", "dist", "-f", "es"],
])
  test(`${bundler}, which copies no files`, async (t) => {
    const project = new Project(bundler, "page");
    await project.run(bundler, ...args);
    cpSync(project.path("index.html"), project.path("dist/index.html"));
    const query = "?model=/model.gguf";
    const found = await visitBuilt(t, project.path("dist"), { query });
    check(found, /^Written by: CPU, SIMD$/);
    assert.equal(inline(found.asked).length, 3, "the worker and two halves of a core");
    // The embedded model is a file too.
    const missing = await visitBuilt(t, project.path("dist"));
    assert.match(
      missing.title,
      /^PlumeError: the embedded model is not at http.*plm-tiny.gguf.* Load a model by its name/,
    );
    // With the files beside it everything is as elsewhere.
    cpSync(project.path("node_modules/plume-lm/dist"), project.path("dist"), { recursive: true });
    const copied = await visitBuilt(t, project.path("dist"), { query });
    check(copied);
    assert.deepEqual(inline(copied.asked), []);
  });

test("esbuild, with the package's files in a folder of their own", async (t) => {
  const project = new Project("assets", "page");
  const main = readFileSync(project.path("main.js"), "utf8");
  writeFileSync(project.path("main.js"), main.replace("const story", 'Plume.assets = "/static/plume";\n\nconst story'));
  await project.run("esbuild", "main.js", "--bundle", "--format=esm", "--splitting", "--outdir=dist");
  cpSync(project.path("index.html"), project.path("dist/index.html"));
  cpSync(project.path("node_modules/plume-lm/dist"), project.path("dist/static/plume"), { recursive: true });
  const headers = { "content-security-policy": POLICY };
  const found = await visitBuilt(t, project.path("dist"), { query: "?model=/model.gguf", headers });
  check(found);
  assert.deepEqual(inline(found.asked), []);
  assert.ok(found.asked.includes("/static/plume/worker.js"));
});

test("a worker that may not be started, or that fails, is an error and not silence", async (t) => {
  const project = new Project("no-worker", "page");
  await project.run("esbuild", "main.js", "--bundle", "--format=esm", "--splitting", "--outdir=dist");
  cpSync(project.path("index.html"), project.path("dist/index.html"));
  // Its file is not there, and the policy forbids to take it from elsewhere.
  const headers = { "content-security-policy": POLICY };
  const forbidden = await visitBuilt(t, project.path("dist"), { query: "?model=/model.gguf", headers });
  assert.match(forbidden.title, /^PlumeError: the worker could not be started: .*not found/);
  writeFileSync(project.path("dist/worker.js"), "throw new Error('no luck')");
  const failed = await visitBuilt(t, project.path("dist"), { query: "?model=/model.gguf" });
  assert.match(failed.title, /^PlumeError: the worker failed: .*no luck/);
});

test("esbuild into one file", async (t) => {
  const project = new Project("esbuild-one", "page");
  await project.run("esbuild", "main.js", "--bundle", "--format=esm", "--minify", "--outfile=dist/main.js");
  cpSync(project.path("index.html"), project.path("dist/index.html"));
  check(await visitBuilt(t, project.path("dist"), { query: "?model=/model.gguf" }), /^Written by: CPU, SIMD$/);
});

test("Next.js", async (t) => {
  const project = new Project("next", "next");
  await project.run("next", "build");
  const { origin, close } = await project.serve("next", 18_102, "start", "--port", "18102");
  t.after(close);
  check(await visit(t, origin));
});

/** A page that imports the package from `url`. */
function plain(name, url) {
  const project = new Project(name, "page");
  const map = `<script type="importmap">{ "imports": { "plume-lm": "${url}" } }</script>`;
  writeFileSync(
    project.path("index.html"),
    `<!doctype html><title>A story</title>${map}<script type="module" src="./main.js"></script><p id="story"></p>`,
  );
  return project;
}

test("no bundler: a script of a static server", async (t) => {
  const project = plain("plain", "./node_modules/plume-lm/dist/index.js");
  const found = await visitBuilt(t, project.folder);
  check(found);
  assert.deepEqual(inline(found.asked), []);
});

test("no bundler: the package on the server of another origin", async (t) => {
  const headers = { "access-control-allow-origin": "*", "access-control-expose-headers": "content-range, etag" };
  const other = await serve({ "/plume-lm/": new Project("cdn", "page").path("node_modules/plume-lm") }, { headers });
  t.after(other.close);
  const found = await visitBuilt(t, plain("plain-cdn", `${other.origin}/plume-lm/dist/index.js`).folder);
  check(found);
  assert.deepEqual(inline(found.asked), []);
});

test("a worker of the program's own, by Vite, alone and with threads", async (t) => {
  const project = new Project("worker", "worker");
  await project.run("vite", "build");
  check(await visitBuilt(t, project.path("dist")));
  const threads = /^Written by: CPU, relaxed SIMD, \d threads$/;
  check(await visitBuilt(t, project.path("dist"), { isolated: true }), threads);
});

test("a service worker answers OpenAI's requests", async (t) => {
  const project = new Project("service-worker", "service-worker");
  await project.run(
    "esbuild",
    "service-worker.js",
    "--bundle",
    "--format=esm",
    "--allow-overwrite",
    "--outfile=service-worker.js",
  );
  // esbuild copies no files.
  for (const name of ["dist/wasm", "models"])
    cpSync(project.path("node_modules/plume-lm", name), project.path(name.replace("dist/", "")), { recursive: true });
  const { title, story } = await visitBuilt(t, project.folder);
  assert.equal(title, "Written by: the service worker");
  assert.equal(story, golden);
});

for (const [runtime, ...args] of [
  ["bun", "run"],
  ["deno", "run", "--allow-read", "--allow-env", "--allow-sys"],
])
  test(runtime, async () => {
    const project = new Project(runtime, "node");
    assert.equal((await project.run(runtime, ...args, "main.mjs")).stdout, golden);
  });

test("Node", () => {
  const project = new Project("node", "node");
  const options = { cwd: project.folder, encoding: "utf8", timeout: 60_000 };
  assert.equal(execFileSync(process.execPath, ["main.mjs"], options), golden);
});

test("Node, bundled into one file", async () => {
  const project = new Project("node-bundled", "node");
  await project.run("esbuild", "main.mjs", "--bundle", "--platform=node", "--format=esm", "--outfile=dist/main.mjs");
  writeFileSync(project.path("dist/package.json"), JSON.stringify({ type: "module" }));
  cpSync(project.path("node_modules/plume-lm/models"), project.path("models"), { recursive: true });
  const options = { cwd: project.path("dist"), encoding: "utf8", timeout: 60_000 };
  assert.equal(execFileSync(process.execPath, ["main.mjs"], options), golden);
});
