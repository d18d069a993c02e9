// npm test: installs what the tests need, runs every check, and stops at the first that fails.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
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

const steps = [
  ["format of Rust", "cargo fmt --check"],
  ["format of the rest", "node_modules/.bin/prettier --check ."],
  ["clippy, native", "cargo clippy --all-targets -- -D warnings"],
  ...[
    ["gpu", ""],
    ["cpu", ""],
    ["bytes", " -C target-feature=+relaxed-simd"],
  ].map(([core, flags]) => [
    `clippy, wasm, ${core}${flags}`,
    `cargo clippy --release --lib --target wasm32-unknown-unknown --no-default-features --features ${core} -- -D warnings${flags}`,
  ]),
  ["build, strict TypeScript included", "npm run --silent build"],
  ["Rust tests, GPU on lavapipe", "cargo test", on("lavapipe")],
  [
    "the CPU's kernels by products of bytes",
    "cargo test --features bytes --lib --test kernels --test goldens -- cpu:: cpu_logits",
  ],
  ["kernels on SwiftShader", "cargo test --test kernels", on("SwiftShader")],
  ["the package in Node", "node --test --test-concurrency=1 tests/node/*.test.mjs", on("SwiftShader")],
  ["the package and the page in Chromium", "node --test --test-concurrency=1 tests/browser/*.test.mjs"],
];

for (const [name, command, environment] of steps) {
  const started = Date.now();
  console.log(`\n== ${name}: ${command}`);
  const { status } = spawnSync(command, {
    cwd: root,
    shell: true,
    stdio: "inherit",
    env: { ...process.env, ...environment },
  });
  console.log(`== ${name}: ${status === 0 ? "ok" : "FAILED"}, ${((Date.now() - started) / 1000).toFixed(0)} s`);
  if (status !== 0) process.exit(1);
}
