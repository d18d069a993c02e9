// npm run bench -- SUITE [--json FILE] [options]: runs one suite, prints its table, and writes its figures.
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";

const suites = {
  peers: "./peers/peers.mjs",
  agreement: "./peers/agreement.mjs",
  cpu: "./cpu/cpu.mjs",
  gpu: "./gpu/gpu.mjs",
  accuracy: "./accuracy/accuracy.mjs",
  eval: "./eval/eval.mjs",
  load: "./load/load.mjs",
  "main-thread": "./main-thread/main-thread.mjs",
  page: "./page/page.mjs",
  size: "./size/size.mjs",
  soak: "./soak/soak.mjs",
};

const [name, ...args] = process.argv.slice(2);
if (!Object.hasOwn(suites, name ?? "")) {
  console.error(
    `usage: npm run bench -- ${Object.keys(suites).join("|")} [--json FILE] [options: see benches/README.md]`,
  );
  process.exit(2);
}
const { options = {}, run } = await import(suites[name]);
const { values } = parseArgs({ args, options: { json: { type: "string" }, runs: { type: "string" }, ...options } });
const result = await run(values);
if (values.json) await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
process.exit(0);
