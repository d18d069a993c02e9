//! WebAssembly's vectors of 128 bits, two for one of ours.

use super::Simd;
use core::arch::wasm32::*;
use std::array::from_fn;

/// The module is compiled for it, so an engine that runs the module has it.
#[derive(Clone, Copy)]
pub struct Simd128 {
    /// Zero, which the compiler does not know.
    zero: usize,
}

impl Simd128 {
    pub fn new() -> Self {
        Self { zero: std::hint::black_box(0) }
    }
}

#[inline(always)]
fn load<T: bytemuck::Pod>(values: &[T]) -> v128 {
    debug_assert_eq!(size_of_val(values), 16);
    // SAFETY: callers give 16 bytes; loads need no alignment.
    unsafe { v128_load(values.as_ptr().cast()) }
}

/// Both halves of 32 bytes.
#[inline(always)]
fn load_both<T: bytemuck::Pod>(values: &[T]) -> [v128; 2] {
    let (low, high) = values.split_at(values.len() / 2);
    [load(low), load(high)]
}

#[inline(always)]
fn store<T: bytemuck::Pod + Default, const N: usize>(a: [v128; 2]) -> [T; N] {
    let mut values = [T::default(); N];
    debug_assert_eq!(size_of_val(&values), 32);
    let to: *mut v128 = values.as_mut_ptr().cast();
    // SAFETY: the array has 32 bytes; stores need no alignment.
    unsafe {
        v128_store(to, a[0]);
        v128_store(to.add(1), a[1]);
    }
    values
}

/// Sixteen bits in the lower half of each lane, as f16, to f32 divided by 2^112.
#[inline(always)]
fn half_bits(bits: v128) -> v128 {
    v128_and(i32x4_shr(i32x4_shl(bits, 16), 3), i32x4_splat(0x8fff_e000_u32 as i32))
}

impl Simd for Simd128 {
    type I16 = [v128; 2];
    type I32 = [v128; 2];
    type F32 = [v128; 2];

    #[inline(always)]
    fn load_i16(self, bytes: &[u8; 32]) -> [v128; 2] {
        load_both(bytes)
    }

    /// Engines load all that a block of code needs before they compute anything, and for a long one they have not the registers.
    #[inline(always)]
    fn rolled<T>(self, values: &[T]) -> &[T] {
        // SAFETY: as many values as there are.
        unsafe { std::slice::from_raw_parts(values.as_ptr(), values.len() + self.zero) }
    }

    #[inline(always)]
    fn fetch(self, bytes: &[u8]) {
        for line in bytes.chunks(64) {
            // SAFETY: a reference can be read.
            unsafe { std::ptr::read_volatile(&line[0]) };
        }
    }

    #[inline(always)]
    fn store_i16(self, a: [v128; 2]) -> [i16; 16] {
        store(a)
    }

    #[inline(always)]
    fn interleave(self, a: &[u8; 16], b: &[u8; 16]) -> [v128; 2] {
        let (a, b) = (load(a), load(b));
        [i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(a, b), i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(a, b)]
    }

    #[inline(always)]
    fn interleave_halves(self, [low, high]: [v128; 2]) -> [v128; 2] {
        let first = i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(low, high);
        [first, i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(low, high)]
    }

    #[inline(always)]
    fn splat_pair(self, pair: [i16; 2]) -> [v128; 2] {
        [i32x4_splat(bytemuck::cast(pair)); 2]
    }

    #[inline(always)]
    fn and(self, a: [v128; 2], mask: i16) -> [v128; 2] {
        a.map(|a| v128_and(a, i16x8_splat(mask)))
    }

    #[inline(always)]
    fn or(self, a: [v128; 2], b: [v128; 2]) -> [v128; 2] {
        from_fn(|i| v128_or(a[i], b[i]))
    }

    #[inline(always)]
    fn shift_left<const N: u32>(self, a: [v128; 2]) -> [v128; 2] {
        a.map(|a| i16x8_shl(a, N))
    }

    #[inline(always)]
    fn shift_right<const N: u32>(self, a: [v128; 2]) -> [v128; 2] {
        a.map(|a| u16x8_shr(a, N))
    }

    #[inline(always)]
    fn shift_right_signed<const N: u32>(self, a: [v128; 2]) -> [v128; 2] {
        a.map(|a| i16x8_shr(a, N))
    }

    #[inline(always)]
    fn add_i16(self, a: [v128; 2], b: i16) -> [v128; 2] {
        a.map(|a| i16x8_add(a, i16x8_splat(b)))
    }

    #[inline(always)]
    fn dot_add(self, sum: [v128; 2], a: [v128; 2], b: [v128; 2]) -> [v128; 2] {
        from_fn(|i| i32x4_add(sum[i], i32x4_dot_i16x8(a[i], b[i])))
    }

    /// In the first vector only, so that half as many registers are needed.
    #[inline(always)]
    fn dot_add_anywhere(self, [sum, zero]: [v128; 2], a: [v128; 2], b: [v128; 2]) -> [v128; 2] {
        [i32x4_add(i32x4_add(sum, i32x4_dot_i16x8(a[0], b[0])), i32x4_dot_i16x8(a[1], b[1])), zero]
    }

    #[inline(always)]
    fn multiply_high(self, a: [v128; 2], b: [v128; 2]) -> [v128; 2] {
        from_fn(|i| i16x8_q15mulr_sat(a[i], b[i]))
    }

    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    fn dot_bytes(self, sum: [v128; 2], a: [v128; 2], b: [v128; 2]) -> [v128; 2] {
        from_fn(|i| i32x4_relaxed_dot_i8x16_i7x16_add(a[i], b[i], sum[i]))
    }

    #[inline(always)]
    fn splat_i32(self, value: i32) -> [v128; 2] {
        [i32x4_splat(value); 2]
    }

    #[inline(always)]
    fn sum_of_pairs(self, a: [[v128; 2]; 4]) -> [v128; 2] {
        let [a, b, c, d] = a.map(|[low, high]| i32x4_add(low, high));
        let sum = |a, b| i32x4_add(i64x2_shuffle::<0, 2>(a, b), i64x2_shuffle::<1, 3>(a, b));
        [sum(a, b), sum(c, d)]
    }

    #[inline(always)]
    fn to_f32(self, a: [v128; 2]) -> [v128; 2] {
        a.map(|a| f32x4_convert_i32x4(a))
    }

    #[inline(always)]
    fn half_bits(self, bits: &[u16; 8]) -> [v128; 2] {
        let bits = load(bits);
        [half_bits(u32x4_extend_low_u16x8(bits)), half_bits(u32x4_extend_high_u16x8(bits))]
    }

    #[inline(always)]
    fn load_i8(self, values: &[i8; 8]) -> [v128; 2] {
        let values = i16x8_extend_low_i8x16(i64x2(i64::from_le_bytes(bytemuck::cast(*values)), 0));
        [i32x4_extend_low_i16x8(values), i32x4_extend_high_i16x8(values)].map(|a| f32x4_convert_i32x4(a))
    }

    #[inline(always)]
    fn load_u8(self, values: &[u8; 8]) -> [v128; 2] {
        let values = u16x8_extend_low_u8x16(i64x2(i64::from_le_bytes(*values), 0));
        [u32x4_extend_low_u16x8(values), u32x4_extend_high_u16x8(values)].map(|a| f32x4_convert_i32x4(a))
    }

    #[inline(always)]
    fn load_f32(self, values: &[f32; 8]) -> [v128; 2] {
        load_both(values)
    }

    #[inline(always)]
    fn store_f32(self, a: [v128; 2]) -> [f32; 8] {
        store(a)
    }

    #[inline(always)]
    fn splat_f32(self, value: f32) -> [v128; 2] {
        [f32x4_splat(value); 2]
    }

    #[inline(always)]
    fn add(self, a: [v128; 2], b: [v128; 2]) -> [v128; 2] {
        from_fn(|i| f32x4_add(a[i], b[i]))
    }

    #[inline(always)]
    fn mul(self, a: [v128; 2], b: [v128; 2]) -> [v128; 2] {
        from_fn(|i| f32x4_mul(a[i], b[i]))
    }

    #[inline(always)]
    fn mul_add(self, a: [v128; 2], b: [v128; 2], c: [v128; 2]) -> [v128; 2] {
        from_fn(|i| f32x4_add(f32x4_mul(a[i], b[i]), c[i]))
    }
}
