// npm test: installs what the tests need, runs every check, and stops at the first that fails.
import { spawnSync } from "node:child_process";
import { root, setup, vulkanDriver } from "./setup.mjs";

const rust = {
  VK_ICD_FILENAMES: undefined,
  PLUME_REQUIRE_GPU: "1",
  XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? "/tmp",
};
const steps = [
  ["format of Rust", "cargo fmt --check"],
  ["clippy, native", "cargo clippy --all-targets -- -D warnings"],
  ["clippy, wasm", "cargo clippy --lib --target wasm32-unknown-unknown -- -D warnings"],
  ["Rust tests", "cargo test", rust],
];

setup();
rust.VK_ICD_FILENAMES = vulkanDriver("lvp");
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
