// The generated bindings of all cores.
import { bindings as gpu } from "./wasm/bindings-gpu.js";
import { bindings as cpu } from "./wasm/bindings-cpu.js";
import { bindings as cpuRelaxed } from "./wasm/bindings-cpu-relaxed.js";
import { bindings as cpuThreads } from "./wasm/bindings-cpu-threads.js";
import { bindings as cpuRelaxedThreads } from "./wasm/bindings-cpu-relaxed-threads.js";

/** By core. Each call gives new ones, that have no instance of their module yet. */
export const bindings = {
  gpu,
  cpu,
  "cpu-relaxed": cpuRelaxed,
  "cpu-threads": cpuThreads,
  "cpu-relaxed-threads": cpuRelaxedThreads,
};
