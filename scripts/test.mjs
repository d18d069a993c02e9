// npm test: installs what the tests need, runs every check, and stops where one fails.
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { root, setup, swiftShader, vulkanDriver } from "./setup.mjs";

setup();
// Both drivers are wanted, so that no kernel passes by one driver's leniency.
const drivers = { lavapipe: vulkanDriver("lvp"), SwiftShader: existsSync(swiftShader) ? swiftShader : undefined };
for (const [name, file] of Object.entries(drivers))
  if (!file) {
    console.error(
      `The Vulkan driver ${name} is missing: Debian's packages mesa-vulkan-drivers and chromium bring them.`,
    );
    process.exit(1);
  }
const on = (driver) => ({
  VK_ICD_FILENAMES: drivers[driver],
  PLUME_REQUIRE_GPU: "1",
  XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? "/tmp",
});

const clippy = ([core, flags]) => [
  `clippy, wasm, ${core}${flags}`,
  `cargo clippy --release --lib --target wasm32-unknown-unknown --no-default-features --features ${core} -- -D warnings${flags}`,
];

/** Tests of the package in Node that have to do with time: how long something waits, who comes first. */
const TIMED = "bad-input cache download interface large lifecycle lock lost-device names start-up".split(" ");
const inNode = (wanted) => {
  const names = readdirSync(path.join(root, "tests/node")).filter((name) => name.endsWith(".test.mjs"));
  const chosen = names.filter((name) => TIMED.includes(name.replace(".test.mjs", "")) === wanted);
  return `node --test --test-concurrency=1 ${chosen.map((name) => `tests/node/${name}`).join(" ")}`;
};

/** Stages, one after the other. Each has lanes side by side, where each leaves processors idle, with their steps one after the other. */
const stages = [
  [
    [
      ["format of Rust", "cargo fmt --check"],
      ["format of the rest", "node_modules/.bin/prettier --check ."],
    ],
  ],
  [
    [
      ["clippy, native", "cargo clippy --all-targets -- -D warnings"],
      ["the Rust tests are compiled", "cargo test --no-run"],
    ],
    [
      ...[
        ["gpu", ""],
        ["cpu", ""],
        ["bytes", " -C target-feature=+relaxed-simd"],
      ].map(clippy),
      [
        "clippy, wasm, grammar",
        "cargo clippy --release --lib --target wasm32-unknown-unknown --package plume-grammar -- -D warnings",
      ],
      ["build, strict TypeScript included", "npm run --silent build"],
    ],
  ],
  [
    [
      ["Rust tests, GPU on lavapipe", "cargo test", on("lavapipe")],
      [
        "the CPU's kernels by products of bytes",
        "cargo test --features bytes --lib --test kernels --test goldens -- cpu:: cpu_logits",
      ],
      ["kernels on SwiftShader", "cargo test --test kernels", on("SwiftShader")],
    ],
    [
      ["the package with bundlers and runtimes", "node --test --test-concurrency=1 tests/matrix/*.test.mjs"],
      ["the package in Node", inNode(false), on("SwiftShader")],
    ],
  ],
  // These have the machine for themselves.
  [[["the package in Node, and time", inNode(true), on("SwiftShader")]]],
  [[["the package and the page in Chromium", "node --test --test-concurrency=1 tests/browser/*.test.mjs"]]],
];

/** Runs a step. What it prints comes at once, or, beside others, when it ends. */
function run([name, command, environment], alone) {
  const started = Date.now();
  const head = `\n== ${name}: ${command}`;
  if (alone) console.log(head);
  const child = spawn(command, {
    cwd: root,
    shell: true,
    stdio: alone ? "inherit" : ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  const output = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (bytes) => output.push(bytes));
  return new Promise((resolve) =>
    child.on("close", (status) => {
      if (!alone) process.stdout.write(`${head}\n${Buffer.concat(output)}`);
      console.log(`== ${name}: ${status === 0 ? "ok" : "FAILED"}, ${((Date.now() - started) / 1000).toFixed(0)} s`);
      resolve(status === 0);
    }),
  );
}

async function runLane(steps, alone) {
  for (const step of steps) if (!(await run(step, alone))) return false;
  return true;
}

for (const lanes of stages) {
  const results = await Promise.all(lanes.map((steps) => runLane(steps, lanes.length === 1)));
  if (results.includes(false)) process.exit(1);
}
