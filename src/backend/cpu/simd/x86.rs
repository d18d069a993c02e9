//! AVX2: vectors of 256 bits.

use super::{Kernel, Simd};
use core::arch::x86_64::*;

/// Exists only where the processor has AVX2 and FMA.
#[derive(Clone, Copy)]
pub struct Avx2(());

impl Avx2 {
    pub fn new() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }

    pub fn run(self, kernel: impl Kernel) {
        #[target_feature(enable = "avx2,fma")]
        fn compiled_for_avx2<K: Kernel>(simd: Avx2, kernel: K) {
            kernel.run(simd);
        }
        // SAFETY: the processor has both.
        unsafe { compiled_for_avx2(self, kernel) }
    }
}

/// Sixteen bytes.
#[inline(always)]
fn load<T: bytemuck::Pod>(values: &[T]) -> __m128i {
    debug_assert_eq!(size_of_val(values), 16);
    // SAFETY: callers give 16 bytes; every processor of this kind has SSE2, and the load needs no alignment.
    unsafe { _mm_loadu_si128(values.as_ptr().cast()) }
}

// SAFETY, for all of these: a value of Avx2 exists only where the processor has AVX2 and FMA, and loads and stores go to
// arrays of their size.
impl Simd for Avx2 {
    type I16 = __m256i;
    type I32 = __m256i;
    type F32 = __m256;

    #[inline(always)]
    fn load_i16(self, bytes: &[u8; 32]) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }

    #[inline(always)]
    fn fetch(self, bytes: &[u8]) {
        for line in bytes.chunks(64) {
            // SAFETY: a hint, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
        }
    }

    #[inline(always)]
    fn store_i16(self, a: __m256i) -> [i16; 16] {
        let mut values = [0; 16];
        // SAFETY: as above.
        unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), a) };
        values
    }

    #[inline(always)]
    fn interleave(self, a: &[u8; 16], b: &[u8; 16]) -> __m256i {
        // SAFETY: as above.
        unsafe {
            let (a, b) = (_mm256_cvtepu16_epi32(load(a)), _mm256_cvtepu16_epi32(load(b)));
            _mm256_or_si256(a, _mm256_slli_epi32::<16>(b))
        }
    }

    #[inline(always)]
    fn interleave_halves(self, a: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe {
            let (low, high) = (0x0b0a_0302_0908_0100, 0x0f0e_0706_0d0c_0504);
            let order = _mm256_set_epi64x(high, low, high, low);
            _mm256_shuffle_epi8(_mm256_permute4x64_epi64::<0b11_01_10_00>(a), order)
        }
    }

    #[inline(always)]
    fn splat_pair(self, pair: [i16; 2]) -> __m256i {
        self.splat_i32(bytemuck::cast(pair))
    }

    #[inline(always)]
    fn and(self, a: __m256i, mask: i16) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_and_si256(a, _mm256_set1_epi16(mask)) }
    }

    #[inline(always)]
    fn or(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_or_si256(a, b) }
    }

    #[inline(always)]
    fn shift_left<const N: u32>(self, a: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_sll_epi16(a, _mm_cvtsi32_si128(N as i32)) }
    }

    #[inline(always)]
    fn shift_right<const N: u32>(self, a: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_srl_epi16(a, _mm_cvtsi32_si128(N as i32)) }
    }

    #[inline(always)]
    fn shift_right_signed<const N: u32>(self, a: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_sra_epi16(a, _mm_cvtsi32_si128(N as i32)) }
    }

    #[inline(always)]
    fn add_i16(self, a: __m256i, b: i16) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_add_epi16(a, _mm256_set1_epi16(b)) }
    }

    #[inline(always)]
    fn dot_add(self, sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)) }
    }

    #[inline(always)]
    fn multiply_high(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_mulhrs_epi16(a, b) }
    }

    #[inline(always)]
    fn splat_i32(self, value: i32) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_set1_epi32(value) }
    }

    #[inline(always)]
    fn sum_of_pairs(self, [a, b, c, d]: [__m256i; 4]) -> __m256i {
        // SAFETY: as above.
        unsafe {
            let halves = |a, b| {
                let low = _mm256_permute2x128_si256::<0x20>(a, b);
                _mm256_add_epi32(low, _mm256_permute2x128_si256::<0x31>(a, b))
            };
            let (ac, bd) = (halves(a, c), halves(b, d));
            _mm256_add_epi32(_mm256_unpacklo_epi64(ac, bd), _mm256_unpackhi_epi64(ac, bd))
        }
    }

    #[inline(always)]
    fn to_f32(self, a: __m256i) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_cvtepi32_ps(a) }
    }

    #[inline(always)]
    fn half_bits(self, bits: &[u16; 8]) -> __m256 {
        // SAFETY: as above.
        unsafe {
            let bits = _mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(load(bits)));
            let moved = _mm256_srai_epi32::<3>(bits);
            _mm256_castsi256_ps(_mm256_and_si256(moved, _mm256_set1_epi32(0x8fff_e000_u32 as i32)))
        }
    }

    #[inline(always)]
    fn load_i8(self, values: &[i8; 8]) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadu_si64(values.as_ptr().cast()))) }
    }

    #[inline(always)]
    fn load_u8(self, values: &[u8; 8]) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadu_si64(values.as_ptr().cast()))) }
    }

    #[inline(always)]
    fn load_f32(self, values: &[f32; 8]) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_loadu_ps(values.as_ptr()) }
    }

    #[inline(always)]
    fn store_f32(self, a: __m256) -> [f32; 8] {
        let mut values = [0.0; 8];
        // SAFETY: as above.
        unsafe { _mm256_storeu_ps(values.as_mut_ptr(), a) };
        values
    }

    #[inline(always)]
    fn splat_f32(self, value: f32) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
}
