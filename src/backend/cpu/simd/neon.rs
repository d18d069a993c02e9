//! NEON: vectors of 128 bits, two for one of ours. Every 64-bit Arm processor has it.

use super::Simd;
use core::arch::aarch64::*;
use std::array::from_fn;

#[derive(Clone, Copy)]
pub struct Neon;

/// Sixteen bits in the lower half of each lane, as f16, to f32 divided by 2^112.
#[inline(always)]
fn half_bits(bits: uint32x4_t) -> float32x4_t {
    // SAFETY: as below.
    unsafe {
        let moved = vshrq_n_s32::<3>(vreinterpretq_s32_u32(vshlq_n_u32::<16>(bits)));
        vreinterpretq_f32_s32(vandq_s32(moved, vdupq_n_s32(0x8fff_e000_u32 as i32)))
    }
}

// SAFETY, for all of these: the target has NEON, and loads and stores go to arrays of their size.
impl Simd for Neon {
    type I16 = [int16x8_t; 2];
    type I32 = [int32x4_t; 2];
    type F32 = [float32x4_t; 2];

    #[inline(always)]
    fn load_i16(self, bytes: &[u8; 32]) -> Self::I16 {
        // SAFETY: as above.
        unsafe { [0, 16].map(|at| vreinterpretq_s16_u8(vld1q_u8(bytes[at..at + 16].as_ptr()))) }
    }

    #[inline(always)]
    fn fetch(self, _bytes: &[u8]) {}

    #[inline(always)]
    fn store_i16(self, a: Self::I16) -> [i16; 16] {
        let mut values = [0; 16];
        // SAFETY: as above.
        unsafe {
            vst1q_s16(values[..8].as_mut_ptr(), a[0]);
            vst1q_s16(values[8..].as_mut_ptr(), a[1]);
        }
        values
    }

    #[inline(always)]
    fn interleave(self, a: &[u8; 16], b: &[u8; 16]) -> Self::I16 {
        // SAFETY: as above.
        unsafe {
            let [a, b] = [a, b].map(|bytes| vreinterpretq_s16_u8(vld1q_u8(bytes.as_ptr())));
            [vzip1q_s16(a, b), vzip2q_s16(a, b)]
        }
    }

    #[inline(always)]
    fn interleave_halves(self, [low, high]: Self::I16) -> Self::I16 {
        // SAFETY: as above.
        unsafe { [vzip1q_s16(low, high), vzip2q_s16(low, high)] }
    }

    #[inline(always)]
    fn splat_pair(self, pair: [i16; 2]) -> Self::I16 {
        // SAFETY: as above.
        unsafe { [vreinterpretq_s16_s32(vdupq_n_s32(bytemuck::cast(pair))); 2] }
    }

    #[inline(always)]
    fn and(self, a: Self::I16, mask: i16) -> Self::I16 {
        // SAFETY: as above.
        a.map(|a| unsafe { vandq_s16(a, vdupq_n_s16(mask)) })
    }

    #[inline(always)]
    fn or(self, a: Self::I16, b: Self::I16) -> Self::I16 {
        // SAFETY: as above.
        from_fn(|i| unsafe { vorrq_s16(a[i], b[i]) })
    }

    #[inline(always)]
    fn shift_left<const N: u32>(self, a: Self::I16) -> Self::I16 {
        // SAFETY: as above.
        a.map(|a| unsafe { vshlq_s16(a, vdupq_n_s16(N as i16)) })
    }

    #[inline(always)]
    fn shift_right<const N: u32>(self, a: Self::I16) -> Self::I16 {
        // SAFETY: as above.
        a.map(|a| unsafe { vreinterpretq_s16_u16(vshlq_u16(vreinterpretq_u16_s16(a), vdupq_n_s16(-(N as i16)))) })
    }

    #[inline(always)]
    fn shift_right_signed<const N: u32>(self, a: Self::I16) -> Self::I16 {
        // SAFETY: as above.
        a.map(|a| unsafe { vshlq_s16(a, vdupq_n_s16(-(N as i16))) })
    }

    #[inline(always)]
    fn add_i16(self, a: Self::I16, b: i16) -> Self::I16 {
        // SAFETY: as above.
        a.map(|a| unsafe { vaddq_s16(a, vdupq_n_s16(b)) })
    }

    #[inline(always)]
    fn dot_add(self, sum: Self::I32, a: Self::I16, b: Self::I16) -> Self::I32 {
        // SAFETY: as above.
        from_fn(|i| unsafe {
            let low = vmull_s16(vget_low_s16(a[i]), vget_low_s16(b[i]));
            vaddq_s32(sum[i], vpaddq_s32(low, vmull_high_s16(a[i], b[i])))
        })
    }

    #[inline(always)]
    fn multiply_high(self, a: Self::I16, b: Self::I16) -> Self::I16 {
        // SAFETY: as above.
        from_fn(|i| unsafe { vqrdmulhq_s16(a[i], b[i]) })
    }

    #[inline(always)]
    fn splat_i32(self, value: i32) -> Self::I32 {
        // SAFETY: as above.
        unsafe { [vdupq_n_s32(value); 2] }
    }

    #[inline(always)]
    fn sum_of_pairs(self, a: [Self::I32; 4]) -> Self::I32 {
        // SAFETY: as above.
        unsafe {
            let [a, b, c, d] = a.map(|[low, high]| vreinterpretq_s64_s32(vaddq_s32(low, high)));
            let sum = |low, high| vaddq_s32(vreinterpretq_s32_s64(low), vreinterpretq_s32_s64(high));
            [sum(vzip1q_s64(a, b), vzip2q_s64(a, b)), sum(vzip1q_s64(c, d), vzip2q_s64(c, d))]
        }
    }

    #[inline(always)]
    fn to_f32(self, a: Self::I32) -> Self::F32 {
        // SAFETY: as above.
        a.map(|a| unsafe { vcvtq_f32_s32(a) })
    }

    #[inline(always)]
    fn half_bits(self, bits: &[u16; 8]) -> Self::F32 {
        // SAFETY: as above.
        unsafe {
            let bits = vld1q_u16(bits.as_ptr());
            [half_bits(vmovl_u16(vget_low_u16(bits))), half_bits(vmovl_high_u16(bits))]
        }
    }

    #[inline(always)]
    fn load_i8(self, values: &[i8; 8]) -> Self::F32 {
        // SAFETY: as above.
        unsafe {
            let values = vmovl_s8(vld1_s8(values.as_ptr()));
            [vcvtq_f32_s32(vmovl_s16(vget_low_s16(values))), vcvtq_f32_s32(vmovl_high_s16(values))]
        }
    }

    #[inline(always)]
    fn load_u8(self, values: &[u8; 8]) -> Self::F32 {
        // SAFETY: as above.
        unsafe {
            let values = vmovl_u8(vld1_u8(values.as_ptr()));
            [vcvtq_f32_u32(vmovl_u16(vget_low_u16(values))), vcvtq_f32_u32(vmovl_high_u16(values))]
        }
    }

    #[inline(always)]
    fn load_f32(self, values: &[f32; 8]) -> Self::F32 {
        // SAFETY: as above.
        unsafe { [vld1q_f32(values[..4].as_ptr()), vld1q_f32(values[4..].as_ptr())] }
    }

    #[inline(always)]
    fn store_f32(self, a: Self::F32) -> [f32; 8] {
        let mut values = [0.0; 8];
        // SAFETY: as above.
        unsafe {
            vst1q_f32(values[..4].as_mut_ptr(), a[0]);
            vst1q_f32(values[4..].as_mut_ptr(), a[1]);
        }
        values
    }

    #[inline(always)]
    fn splat_f32(self, value: f32) -> Self::F32 {
        // SAFETY: as above.
        unsafe { [vdupq_n_f32(value); 2] }
    }

    #[inline(always)]
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        // SAFETY: as above.
        from_fn(|i| unsafe { vaddq_f32(a[i], b[i]) })
    }

    #[inline(always)]
    fn mul(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        // SAFETY: as above.
        from_fn(|i| unsafe { vmulq_f32(a[i], b[i]) })
    }

    #[inline(always)]
    fn mul_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32 {
        // SAFETY: as above.
        from_fn(|i| unsafe { vfmaq_f32(c[i], a[i], b[i]) })
    }
}
