// What the parts of the build share: paths, commands, and making what is out of date.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync, statSync, utimesSync } from "node:fs";
import path from "node:path";
import { root } from "./setup.mjs";

/** A path in the repository. */
export const at = (...parts) => path.join(root, ...parts);

/** Where Cargo puts what it makes. */
export const targets = process.env.CARGO_TARGET_DIR ?? at("target");

/** Runs a command, and throws where it fails. */
export const run = (command, args, cwd = root, environment = {}) =>
  execFileSync(command, args, { cwd, stdio: "inherit", env: { ...process.env, ...environment } });

/** The same, with others beside it. */
export const start = (command, args, cwd = root, environment = {}) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: "inherit", env: { ...process.env, ...environment } });
    child.on("error", reject);
    child.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`${command} ${args.join(" ")}: failed`))));
  });

/** The files below a folder, or the file itself. */
export function files(entry) {
  if (!statSync(entry).isDirectory()) return [entry];
  return readdirSync(entry).flatMap((name) =>
    name === "target" || name === "node_modules" ? [] : files(path.join(entry, name)),
  );
}

/** Makes `product` where it is missing or older than one of `inputs`. Tells whether it had to. */
export async function make(product, inputs, build) {
  const newest = Math.max(...inputs.flatMap((input) => files(at(input))).map((file) => statSync(file).mtimeMs));
  if (existsSync(product) && statSync(product).mtimeMs >= newest) return false;
  const started = new Date();
  await build();
  // As old as the build's beginning, since what is edited meanwhile may not be in it; and never older, though Cargo leaves it
  // as it is where nothing that matters has changed.
  utimesSync(product, started, started);
  console.log(`built ${path.relative(root, product)} in ${((Date.now() - started) / 1000).toFixed(1)} s`);
  return true;
}
