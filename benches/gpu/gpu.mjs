// The GPU backend at PLM-1.8B's shapes, natively, on one Vulkan adapter: builds benches/gpu/main.rs, runs it and gives its rows.
// With --host it adds what a token costs the host in Node.
// With --first-light DIR, a checkout of an older commit, it also lets that commit and this one decode in turns.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { build } from "../../scripts/build.mjs";
import { root } from "../../scripts/setup.mjs";
import { median } from "../median.mjs";
import { environment, runBench } from "../native.mjs";

export const options = {
  adapter: { type: "string", default: "default" },
  quick: { type: "boolean" },
  whole: { type: "boolean" },
  formats: { type: "string" },
  layers: { type: "string" },
  vocabulary: { type: "string" },
  suites: { type: "string" },
  host: { type: "boolean" },
  "first-light": { type: "string" },
};

/** Rows that compare decoding in `older`, a checkout, with decoding here, in alternating runs. */
function firstLight(older, env, runs) {
  // An example needs no entry in the older commit's Cargo.toml.
  const example = path.join(older, "examples/first_light");
  mkdirSync(example, { recursive: true });
  cpSync(path.join(root, "benches/gpu/first_light.rs"), path.join(example, "main.rs"));
  cpSync(path.join(root, "benches/gpu/random_model.rs"), path.join(example, "random_model.rs"));
  writeFileSync(path.join(example, "known.rs"), "pub fn known(ids: &[u32]) -> &[u32] {\n    ids\n}\n");
  const model = path.join(root, "tests/data/plm-tiny-Q8_0.gguf");
  // Cargo may take two checkouts of one package for the same, so each has a folder of its own.
  const contenders = {
    here: [root, ["bench", "--bench", "first_light"], env],
    older: [
      path.resolve(older),
      ["run", "--release", "--example", "first_light"],
      { ...env, CARGO_TARGET_DIR: path.resolve(older, "target") },
    ],
  };
  const results = { here: [], older: [] };
  for (let run = 0; run < runs; run++)
    for (const [name, [cwd, command, env]] of Object.entries(contenders)) {
      const output = execFileSync("cargo", [...command, "--quiet", "--", model], { cwd, env, encoding: "utf8" });
      results[name].push(JSON.parse(output.trim().split("\n").at(-1)));
    }
  const row = (key, name) => {
    const [value, baseline] = [results.here, results.older].map((runs) => median(runs.map((run) => run[key])));
    return {
      case: name,
      value,
      unit: "ms",
      baseline,
      ratio: baseline / value,
      against: "older / this",
      runs,
      repeats: 1,
    };
  };
  return [
    row("plm_tiny", "plm-tiny Q8_0: a token, logits read"),
    row("two_layers", "two layers of PLM-1.8B, Q8_0: a token, logits read"),
  ];
}

export async function run({
  adapter,
  runs,
  quick,
  whole,
  formats,
  layers,
  vocabulary,
  suites,
  host,
  "first-light": older,
}) {
  const env = environment(adapter);
  const result = runBench("gpu", env, { runs, formats, layers, vocabulary, suites }, { quick, whole });
  if (host) {
    await build();
    const { hostRows } = await import("./host.mjs");
    const rows = await hostRows(Number(runs ?? 3));
    console.table(rows);
    result.rows.push(...rows);
  }
  if (older) {
    const rows = firstLight(older, env, Number(runs ?? 3));
    console.table(rows);
    result.rows.push(...rows);
  }
  return result;
}
