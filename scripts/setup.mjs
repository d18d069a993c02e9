// Brings what building and testing need and a fresh Debian machine with rustup and Node lacks.
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const drivers = "/usr/share/vulkan/icd.d";

/** The software Vulkan driver that comes with Debian's Chromium. */
export const swiftShader = "/usr/lib/chromium/vk_swiftshader_icd.json";

function has(command, ...args) {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

function fail(what, command) {
  console.error(`${what}. Please run:\n    ${command}`);
  process.exit(1);
}

/** The path of a software Vulkan driver: "lvp" is Mesa's lavapipe. */
export function vulkanDriver(name) {
  const file = existsSync(drivers) && readdirSync(drivers).find((file) => file.startsWith(name));
  return file ? path.join(drivers, file) : undefined;
}

/** rustup's wasm target, and the standard library's source: the core with threads needs one compiled for shared memory. */
export function setupRust() {
  if (!has("cargo", "--version")) fail("Rust is missing", "see https://rustup.rs");
  const installed = (kind) => spawnSync("rustup", [kind, "list", "--installed"], { encoding: "utf8" }).stdout ?? "";
  const add = (kind, name) => execFileSync("rustup", [kind, "add", name], { stdio: "inherit" });
  if (!installed("target").includes("wasm32-unknown-unknown")) add("target", "wasm32-unknown-unknown");
  if (!installed("component").includes("rust-src")) add("component", "rust-src");
}

/** npm's packages, when package-lock.json has changed since they were installed. */
export function setupNode() {
  installIn(root, root);
}

/** Installs in a folder what the package.json and the package-lock.json of another ask for, unless that has been done. */
export function installIn(folder, from) {
  const lock = readFileSync(path.join(from, "package-lock.json"), "utf8");
  const stamp = path.join(folder, "node_modules/.plume-installed");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  mkdirSync(folder, { recursive: true });
  if (folder !== from)
    for (const name of ["package.json", "package-lock.json"]) cpSync(path.join(from, name), path.join(folder, name));
  execFileSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: folder, stdio: "inherit" });
  writeFileSync(stamp, lock);
}

/** Chromium and a software Vulkan driver, through apt where that is allowed. */
export function setupBrowser() {
  const missing = [];
  if (!existsSync("/usr/bin/chromium")) missing.push("chromium");
  if (!vulkanDriver("lvp")) missing.push("libvulkan1", "mesa-vulkan-drivers");
  if (missing.length === 0) return;
  const install = ["apt-get", "install", "-y", "--no-install-recommends", ...missing];
  const sudo = process.getuid() === 0 ? [] : ["sudo", "-n"];
  const run = (command) =>
    spawnSync(command[0], command.slice(1), {
      stdio: "inherit",
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
  const allowed = sudo.length === 0 || has("sudo", "-n", "true");
  if (allowed) run([...sudo, "apt-get", "update"]);
  if (!allowed || run([...sudo, ...install]).status !== 0)
    fail(`The tests need ${missing.join(", ")}`, `sudo apt-get update && sudo ${install.join(" ")}`);
}

/** All of it. */
export function setup() {
  setupRust();
  setupNode();
  setupBrowser();
}
