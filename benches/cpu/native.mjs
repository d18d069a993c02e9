// The CPU engine natively, and llama.cpp's CPU build as node-llama-cpp ships it.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { here as peers, installPeers } from "../peers/browser.mjs";
import { root } from "../../scripts/setup.mjs";

const VERSION = "3.22.1";
/** Platforms that it has a build for that needs no GPU. */
const BUILDS = ["linux-x64", "linux-arm64", "win32-x64", "win32-arm64", "darwin-x64"];

/** Installs llama.cpp's CPU build for this machine beside the other peers, and compiles Plume's bench. */
export function prepareNative() {
  const build = `${process.platform}-${process.arch}`;
  if (!BUILDS.includes(build))
    throw new Error(`node-llama-cpp has no CPU build for ${build}; measure with --runtimes chromium`);
  const installed = path.join(peers, "node_modules/node-llama-cpp/package.json");
  if (!existsSync(installed) || JSON.parse(readFileSync(installed)).version !== VERSION) {
    // Its optional packages are builds for every platform and for GPUs, and its scripts would compile another one.
    const name = build.replace("win32", "win").replace("darwin", "mac");
    const packages = ["node-llama-cpp", `@node-llama-cpp/${name}`].map((name) => `${name}@${VERSION}`);
    installPeers("--no-save", "--omit=optional", "--ignore-scripts", ...packages);
  }
  execFileSync("cargo", ["bench", "--quiet", "--bench", "cpu", "--no-run"], { cwd: root, stdio: "inherit" });
}

/** Reads a prompt and decodes so many tokens, in a process of its own; gives tokens a second. */
export function runNative(engine, file, threads, { prompt, tokens }) {
  const commands = {
    plume: ["cargo", "bench", "--quiet", "--bench", "cpu", "--"],
    llama: [process.execPath, path.join(import.meta.dirname, "llama.mjs")],
  };
  const [command, ...options] = commands[engine];
  const output = execFileSync(command, [...options, file, threads, prompt, tokens].map(String), {
    cwd: root,
    encoding: "utf8",
  });
  return JSON.parse(output.trim().split("\n").at(-1));
}
