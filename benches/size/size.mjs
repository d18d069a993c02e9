// What a page downloads before a model: each of the package's entry points, and what peers' packages have as installed.
import { build as bundle } from "esbuild";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "../../scripts/build.mjs";
import { root } from "../../scripts/setup.mjs";
import { here as peers, installPeers } from "../peers/browser.mjs";

const dist = path.join(root, "build/plume-lm/dist");
const peer = (...parts) => path.join(peers, "node_modules", ...parts);

const VERSIONS = ["@mlc-ai/web-llm@0.2.86", "@huggingface/transformers@4.3.2"];

/** By name: what a program imports, and the files that come with it. Plume's own scripts are bundled already. */
const runtimes = {
  "Plume, GPU": { files: ["index.js", "worker.js", "wasm/plume-gpu.wasm"].map((file) => path.join(dist, file)) },
  "Plume, CPU": {
    files: ["index.js", "worker.js", "wasm/plume-cpu-relaxed-threads.wasm"].map((file) => path.join(dist, file)),
  },
  "Plume, on the caller's thread, GPU": {
    files: ["local.js", "wasm/plume-gpu.wasm"].map((file) => path.join(dist, file)),
  },
  "Plume, GPU, replies that keep to a schema": {
    files: ["index.js", "worker.js", "wasm/plume-gpu.wasm", "wasm/plume-grammar.wasm"].map((file) =>
      path.join(dist, file),
    ),
  },
  wllama: {
    program: `import { Wllama } from "@wllama/wllama"; globalThis.use = Wllama;`,
    files: [peer("@wllama/wllama/esm/wasm/wllama.wasm")],
  },
  "WebLLM, and a library of its own for each model": {
    program: `import { CreateMLCEngine } from "@mlc-ai/web-llm"; globalThis.use = CreateMLCEngine;`,
    files: [],
  },
  "transformers.js and onnxruntime-web": {
    program: `import { pipeline } from "@huggingface/transformers"; globalThis.use = pipeline;`,
    // What it takes in a browser that has WebGPU.
    files: [peer("onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify.wasm")],
  },
};

/** What a page that imports this has of it, bundled and minified. */
async function script(program) {
  const { outputFiles } = await bundle({
    stdin: { contents: program, resolveDir: peers },
    ...{
      bundle: true,
      minify: true,
      write: false,
      format: "esm",
      platform: "browser",
      legalComments: "none",
      logLevel: "error",
    },
  });
  return Buffer.from(outputFiles[0].contents);
}

function compress(bytes) {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  return {
    bytes: bytes.length,
    gzip: gzipSync(bytes, { level: 9 }).length,
    brotli: brotliCompressSync(bytes, { params }).length,
  };
}

export async function run() {
  await build();
  if (!existsSync(peer("@mlc-ai/web-llm")) || !existsSync(peer("@huggingface/transformers")))
    installPeers("--no-save", "--ignore-scripts", "@wllama/wllama@3.13.0", ...VERSIONS);
  const results = [];
  for (const [runtime, { program, files }] of Object.entries(runtimes)) {
    const parts = [...(program ? [await script(program)] : []), ...files.map((file) => readFileSync(file))];
    const sizes = parts.map(compress);
    const sum = (name) => sizes.reduce((total, size) => total + size[name], 0);
    results.push({ runtime, bytes: sum("bytes"), gzip: sum("gzip"), brotli: sum("brotli") });
  }
  const plume = results[0].brotli;
  const kilobytes = (bytes) => `${(bytes / 1000).toFixed(0)} kB`.padStart(10);
  console.log(
    `${"".padEnd(52)}${"plain".padStart(10)}${"gzip".padStart(10)}${"brotli".padStart(10)}   of Plume's, GPU`,
  );
  for (const { runtime, bytes, gzip, brotli } of results)
    console.log(
      `${runtime.padEnd(52)}${kilobytes(bytes)}${kilobytes(gzip)}${kilobytes(brotli)}${(brotli / plume).toFixed(1).padStart(10)}`,
    );
  return results;
}
