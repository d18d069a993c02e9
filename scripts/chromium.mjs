// Headless Chromium for tests and benches, with WebGPU on SwiftShader. CHROMIUM names another executable than Debian's.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { chromium } from "playwright-core";

const webGpu = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-unsafe-swiftshader"];
const noWebGpu = ["--disable-features=WebGPU", "--disable-gpu"];
const quiet = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-quic",
  "--no-first-run",
  "--no-sandbox", // Its sandbox does not start as root, which containers and CI are.
];

function settings(webgpu, more = []) {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  if (!existsSync(executablePath)) throw new Error(`${executablePath} is missing; set CHROMIUM to where it is`);
  return { executablePath, args: [...(webgpu ? webGpu : noWebGpu), ...quiet, ...more] };
}

/** A browser whose contexts each have a fresh profile, in memory; `webgpu: false` starts it without WebGPU, `args` with more flags. */
export function launch({ webgpu = true, args } = {}) {
  return chromium.launch(settings(webgpu, args));
}

/** A browser of one context, whose profile is on the disk, as a visitor's is, and goes with it. */
export async function launchOnDisk({ webgpu = true } = {}) {
  const folder = mkdtempSync(path.join(tmpdir(), "plume-profile-"));
  const context = await chromium.launchPersistentContext(folder, settings(webgpu));
  // The browser's last process may still write while it ends.
  const remove = () => {
    try {
      rmSync(folder, { recursive: true, force: true });
    } catch {
      setTimeout(remove, 100).unref();
    }
  };
  context.on("close", remove);
  return context;
}
