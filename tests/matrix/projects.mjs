// Fresh projects, each with the package as a user installs it, in build/matrix, where bundlers and runtimes are installed.
import { execFile, execFileSync, spawn } from "node:child_process";
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { installIn, root } from "../../scripts/setup.mjs";

const workshop = path.join(root, "build/matrix");
installIn(workshop, path.join(root, "tests/matrix"));

const environment = { ...process.env, NEXT_TELEMETRY_DISABLED: "1", PARCEL_WORKER_BACKEND: "process", CI: "1" };
/** The package's, beside all projects. */
export const tarball = execFileSync("npm", ["pack", "--silent", "--pack-destination", workshop], {
  cwd: path.join(root, "build/plume-lm"),
  encoding: "utf8",
}).trim();

/** A project with an example's files, and plume-lm from its tarball. */
export class Project {
  constructor(name, example) {
    this.folder = path.join(workshop, name);
    rmSync(this.folder, { recursive: true, force: true });
    cpSync(path.join(root, "examples", example), this.folder, { recursive: true });
    writeFileSync(path.join(this.folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
    const installed = path.join(this.folder, "node_modules/plume-lm");
    mkdirSync(installed, { recursive: true });
    // What `npm install` does with a tarball of a package that depends on nothing.
    execFileSync("tar", ["xzf", path.join(workshop, tarball), "-C", installed, "--strip-components=1"]);
  }

  path(...parts) {
    return path.join(this.folder, ...parts);
  }

  /** Runs a program that is installed, by its name, and gives what it prints, and what it warns of. */
  async run(program, ...args) {
    const file = path.join(workshop, "node_modules/.bin", program);
    const options = { cwd: this.folder, env: environment, timeout: 120_000 };
    try {
      return await promisify(execFile)(file, args, options);
    } catch (error) {
      throw new Error(`${program} ${args.join(" ")}: ${error.stdout}${error.stderr}`, { cause: error });
    }
  }

  /** Starts a server that is installed, and waits until it answers. */
  async serve(program, port, ...args) {
    const child = spawn(path.join(workshop, "node_modules/.bin", program), args, {
      ...{ cwd: this.folder, env: environment, stdio: "ignore", detached: true },
    });
    const origin = `http://localhost:${port}`;
    const close = () => process.kill(-child.pid);
    for (let tries = 0; ; tries++) {
      if (await fetch(origin).catch(() => undefined)) return { origin, close };
      if (tries === 300) throw (close(), new Error(`${program} does not answer on ${origin}`));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
