// Whether the engine multiplies bytes by relaxed SIMD, and rightly: some that know the instruction have lost what it adds to.

/**
 * (module (func (export "f") (result i32) (local v128)
 *   (local.set 0 (i32x4.relaxed_dot_i8x16_i7x16_add_s
 *     (v128.const i8x16 -128 127 -3 5 17 -100 64 -1 127 127 127 127 -128 -128 -128 -128)
 *     (v128.const i8x16 127 126 1 64 99 3 127 0 127 127 127 127 127 127 127 127)
 *     (v128.const i32x4 1000 -70000 12345678 -5)))
 *   ...the XOR of the four lanes))
 */
const PROGRAM =
  "AGFzbQEAAAABBQFgAAF/AwIBAAcFAQFmAAAKWAFWAQF7/QyAf/0FEZxA/39/f3+AgICA/Qx/fgFAYwN/AH9/f39/f39//QzoAwAAkO7+/05hvAD7/////ZMCIQAg" +
  "AP0bACAA/RsBcyAA/RsCIAD9GwNzcws=";
const RESULT = 12_405_561;

let known: boolean | undefined;

/** Whether it does. */
export function multipliesBytes(): boolean {
  return (known ??= check());
}

function check(): boolean {
  const bytes = Uint8Array.from(atob(PROGRAM), (character) => character.charCodeAt(0));
  if (!WebAssembly.validate(bytes)) return false;
  const { f } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as { f(): number };
  return f() === RESULT;
}
