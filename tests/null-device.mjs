// Dawn, which is Chrome's WebGPU, with its null device: it compiles every kernel and checks every command as any device's, and
// computes nothing.
import { create, globals } from "webgpu";

/** Makes it `navigator.gpu`, which must not be there yet, and gives it. Whatever is read from it is zero. */
export function provideNullDevice() {
  if (!("navigator" in globalThis)) Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
  Object.assign(globalThis, globals);
  const gpu = create(["backend=null"]);
  Object.defineProperty(navigator, "gpu", { value: gpu, configurable: true });
  // Its memory holds what was there before.
  const { getMappedRange } = GPUBuffer.prototype;
  GPUBuffer.prototype.getMappedRange = function (...options) {
    const range = getMappedRange.apply(this, options);
    new Uint8Array(range).fill(0);
    return range;
  };
  return gpu;
}
