//! Vectors as arrays, for processors whose instructions are not used, and to test the others against.

use super::{HALF_UNIT, Simd};
use half::f16;
use std::array::from_fn;

#[derive(Clone, Copy)]
pub struct Portable;

impl Simd for Portable {
    type I16 = [i16; 16];
    type I32 = [i32; 8];
    type F32 = [f32; 8];

    #[inline(always)]
    fn load_i16(self, bytes: &[u8; 32]) -> [i16; 16] {
        from_fn(|i| i16::from_le_bytes([bytes[2 * i], bytes[2 * i + 1]]))
    }

    #[inline(always)]
    fn fetch(self, _bytes: &[u8]) {}

    #[inline(always)]
    fn store_i16(self, a: [i16; 16]) -> [i16; 16] {
        a
    }

    #[inline(always)]
    fn interleave(self, a: &[u8; 16], b: &[u8; 16]) -> [i16; 16] {
        from_fn(|i| {
            let (from, at) = (if i % 2 == 0 { a } else { b }, i / 2 * 2);
            i16::from_le_bytes([from[at], from[at + 1]])
        })
    }

    #[inline(always)]
    fn interleave_halves(self, a: [i16; 16]) -> [i16; 16] {
        from_fn(|i| a[i % 2 * 8 + i / 2])
    }

    #[inline(always)]
    fn splat_pair(self, pair: [i16; 2]) -> [i16; 16] {
        from_fn(|i| pair[i % 2])
    }

    #[inline(always)]
    fn and(self, a: [i16; 16], mask: i16) -> [i16; 16] {
        a.map(|a| a & mask)
    }

    #[inline(always)]
    fn or(self, a: [i16; 16], b: [i16; 16]) -> [i16; 16] {
        from_fn(|i| a[i] | b[i])
    }

    #[inline(always)]
    fn shift_left<const N: u32>(self, a: [i16; 16]) -> [i16; 16] {
        a.map(|a| a << N)
    }

    #[inline(always)]
    fn shift_right<const N: u32>(self, a: [i16; 16]) -> [i16; 16] {
        a.map(|a| (a as u16 >> N) as i16)
    }

    #[inline(always)]
    fn shift_right_signed<const N: u32>(self, a: [i16; 16]) -> [i16; 16] {
        a.map(|a| a >> N)
    }

    #[inline(always)]
    fn add_i16(self, a: [i16; 16], b: i16) -> [i16; 16] {
        a.map(|a| a.wrapping_add(b))
    }

    #[inline(always)]
    fn dot_add(self, sum: [i32; 8], a: [i16; 16], b: [i16; 16]) -> [i32; 8] {
        let product = |i: usize| i32::from(a[i]) * i32::from(b[i]);
        from_fn(|i| sum[i] + product(2 * i) + product(2 * i + 1))
    }

    #[inline(always)]
    fn multiply_high(self, a: [i16; 16], b: [i16; 16]) -> [i16; 16] {
        from_fn(|i| ((i32::from(a[i]) * i32::from(b[i]) + (1 << 14)) >> 15) as i16)
    }

    #[inline(always)]
    fn splat_i32(self, value: i32) -> [i32; 8] {
        [value; 8]
    }

    #[inline(always)]
    fn sum_of_pairs(self, a: [[i32; 8]; 4]) -> [i32; 8] {
        from_fn(|lane| a[lane / 2].iter().skip(lane % 2).step_by(2).sum())
    }

    #[inline(always)]
    fn to_f32(self, a: [i32; 8]) -> [f32; 8] {
        a.map(|a| a as f32)
    }

    #[inline(always)]
    fn half_bits(self, bits: &[u16; 8]) -> [f32; 8] {
        bits.map(|bits| f16::from_bits(bits).to_f32() / HALF_UNIT)
    }

    #[inline(always)]
    fn load_i8(self, values: &[i8; 8]) -> [f32; 8] {
        values.map(f32::from)
    }

    #[inline(always)]
    fn load_u8(self, values: &[u8; 8]) -> [f32; 8] {
        values.map(f32::from)
    }

    #[inline(always)]
    fn load_f32(self, values: &[f32; 8]) -> [f32; 8] {
        *values
    }

    #[inline(always)]
    fn store_f32(self, a: [f32; 8]) -> [f32; 8] {
        a
    }

    #[inline(always)]
    fn splat_f32(self, value: f32) -> [f32; 8] {
        [value; 8]
    }

    #[inline(always)]
    fn add(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn mul(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    fn mul_add(self, a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        from_fn(|i| a[i] * b[i] + c[i])
    }
}
