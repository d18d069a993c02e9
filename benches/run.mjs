// npm run bench -- SUITE [--json FILE] [options]: runs one suite, prints its table, and writes its figures.
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";

const suites = { peers: "./peers/peers.mjs", agreement: "./peers/agreement.mjs" };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "string" }, runs: { type: "string" }, model: { type: "string" } },
});
const suite = suites[positionals[0]];
if (!suite) {
  console.error(`usage: npm run bench -- ${Object.keys(suites).join("|")} [--json FILE] [--runs N] [--model GGUF]`);
  process.exit(2);
}
const { run } = await import(suite);
const result = await run(values);
if (values.json) await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
process.exit(0);
