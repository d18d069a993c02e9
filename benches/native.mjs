// What the suites share that are Rust programs and run natively, on one Vulkan adapter.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { root, swiftShader, vulkanDriver } from "../scripts/setup.mjs";

/** The environment in which Vulkan gives the adapter of this name: lavapipe, swiftshader or default. */
export function environment(adapter) {
  const driver = { lavapipe: () => vulkanDriver("lvp"), swiftshader: () => swiftShader, default: () => undefined }[
    adapter
  ];
  if (!driver) throw new Error(`--adapter is ${adapter}; expected lavapipe, swiftshader or default`);
  const file = driver();
  if (adapter !== "default" && !existsSync(file ?? ""))
    throw new Error(`the Vulkan driver of ${adapter} is not installed`);
  return {
    ...process.env,
    XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? "/tmp",
    ...(file && { VK_ICD_FILENAMES: file }),
  };
}

/** Builds a bench of Cargo.toml, runs it with `valued` options (those that are given) and `flags`, and gives its figures. */
export function runBench(name, env, valued, flags = {}) {
  const folder = mkdtempSync(path.join(tmpdir(), "plume-bench-"));
  const file = path.join(folder, `${name}.json`);
  const passed = Object.entries(valued).flatMap(([name, value]) => (value ? [`--${name}`, value] : []));
  for (const [name, given] of Object.entries(flags)) if (given) passed.push(`--${name}`);
  try {
    execFileSync("cargo", ["bench", "--quiet", "--bench", name, "--", "--json", file, ...passed], {
      cwd: root,
      env,
      stdio: "inherit",
    });
    return JSON.parse(readFileSync(file, "utf8"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
