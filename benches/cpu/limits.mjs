// What one or more threads of a page can do at most: bytes read from memory that no cache holds, and multiplications by the
// instruction of Plume's plain kernels.
import binaryen from "binaryen";

/** Bytes of memory: far more than a processor's own caches. */
const MEMORY = 256 << 20;
const STREAMS = 4;
const SUMS = 12;

const times = (count, text) => Array.from({ length: count }, (_, index) => text(index)).join("\n");

/**
 * A module of three functions: `fill` writes to all of the memory, since what was never written to is one page of zeros; `read`
 * reads all of it, in some streams; `multiply` takes turns of independent products and sums in registers.
 */
export function limits() {
  const module = binaryen.parseText(`(module
    (memory (export "memory") ${MEMORY >> 16})
    (func (export "fill") (memory.fill (i32.const 0) (i32.const 1) (i32.const ${MEMORY})))
    (func (export "read") (result i32) (local $at i32) (local $sum v128)
      (loop $next
        ${times(STREAMS * 4, (index) => {
          const offset = (index >> 2) * (MEMORY / STREAMS) + (index & 3) * 16;
          return `(local.set $sum (v128.xor (local.get $sum) (v128.load offset=${offset} (local.get $at))))`;
        })}
        (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 64))) (i32.const ${MEMORY / STREAMS}))))
      (i32x4.extract_lane 0 (local.get $sum)))
    (func (export "multiply") (param $turns i32) (result i32) (local $a v128) ${times(SUMS, (index) => `(local $sum${index} v128)`)}
      (local.set $a (i32x4.splat (local.get $turns)))
      (loop $next
        ${times(SUMS, (index) => `(local.set $sum${index} (i32x4.add (local.get $sum${index}) (i32x4.dot_i16x8_s (local.get $sum${index}) (local.get $a))))`)}
        (br_if $next (local.tee $turns (i32.sub (local.get $turns) (i32.const 1)))))
      (i32x4.extract_lane 0 ${times(SUMS - 1, () => "(v128.xor")} (local.get $sum0)
        ${times(SUMS - 1, (index) => `(local.get $sum${index + 1}))`)}))
  )`);
  module.setFeatures(binaryen.Features.SIMD128 | binaryen.Features.BulkMemory);
  return { bytes: [...module.emitBinary()], memory: MEMORY, multiplications_a_turn: SUMS * 8 };
}

/** Runs in the page with `limits()`: GB read and 10^9 multiplications a second, of so many threads together. */
export async function measureLimits({ bytes, memory, multiplications_a_turn, threads }) {
  const worker = async ({ data: { bytes, memory, multiplications_a_turn } }) => {
    const { instance } = await WebAssembly.instantiate(new Uint8Array(bytes));
    const { fill, read, multiply } = instance.exports;
    fill();
    // By time, so that threads are busy together.
    const rate = (work, amount) => {
      const warm = performance.now() + 300;
      while (performance.now() < warm) work();
      const started = performance.now();
      let done = 0;
      for (; performance.now() < started + 1000; done += amount) work();
      return done / (performance.now() - started) / 1e6;
    };
    postMessage([rate(read, memory), rate(() => multiply(1 << 20), 2 ** 20 * multiplications_a_turn)]);
  };
  const url = URL.createObjectURL(new Blob([`onmessage = ${worker}`]));
  const rates = await Promise.all(
    Array.from({ length: threads }, () => {
      const worker = new Worker(url);
      return new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => (worker.terminate(), resolve(data));
        worker.onerror = ({ message }) => reject(new Error(message));
        worker.postMessage({ bytes, memory, multiplications_a_turn });
      });
    }),
  );
  const [gigabytes, multiplications] = [0, 1].map((index) => rates.reduce((sum, rate) => sum + rate[index], 0));
  return { gigabytes, multiplications };
}
