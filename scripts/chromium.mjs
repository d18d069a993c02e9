// Headless Chromium for tests and benches, with WebGPU on SwiftShader. CHROMIUM names another executable than Debian's.
import { existsSync } from "node:fs";
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

/** A browser with a fresh profile; `webgpu: false` starts it without WebGPU. */
export function launch({ webgpu = true } = {}) {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  if (!existsSync(executablePath)) throw new Error(`${executablePath} is missing; set CHROMIUM to where it is`);
  return chromium.launch({ executablePath, args: [...(webgpu ? webGpu : noWebGpu), ...quiet] });
}
