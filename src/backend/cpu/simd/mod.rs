//! The vector operations that the kernels are written in, once for every processor. Vectors have eight lanes of 32 bits, or
//! sixteen of 16: one register with AVX2, two with WebAssembly's SIMD and with NEON.

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(not(target_feature = "simd128"))]
mod portable;
#[cfg(target_feature = "simd128")]
mod wasm;
#[cfg(target_arch = "x86_64")]
mod x86;

/// What [`Simd::half_bits`] leaves for others to multiply by: the distance of the exponents of f16 and f32, as a power of 2.
pub const HALF_UNIT: f32 = 5_192_296_858_534_827_628_530_496_329_220_096.0; // 2^112

/// The operations of one instruction set. A value of the type is the proof that the processor has it.
pub trait Simd: Copy + Send + Sync {
    /// Sixteen i16.
    type I16: Copy;
    /// Eight i32.
    type I32: Copy;
    /// Eight f32.
    type F32: Copy;

    fn load_i16(self, bytes: &[u8; 32]) -> Self::I16;
    /// The same values, where a loop over them is better not unrolled.
    #[inline(always)]
    fn rolled<T>(self, values: &[T]) -> &[T] {
        values
    }
    /// Asks for bytes that will be wanted soon.
    fn fetch(self, bytes: &[u8]);
    fn store_i16(self, a: Self::I16) -> [i16; 16];
    /// a[0], b[0], a[1], b[1] and so on, of i16.
    fn interleave(self, a: &[u8; 16], b: &[u8; 16]) -> Self::I16;
    /// a[0], a[8], a[1], a[9] and so on.
    fn interleave_halves(self, a: Self::I16) -> Self::I16;
    /// `pair` eight times.
    fn splat_pair(self, pair: [i16; 2]) -> Self::I16;
    fn and(self, a: Self::I16, mask: i16) -> Self::I16;
    fn or(self, a: Self::I16, b: Self::I16) -> Self::I16;
    fn shift_left<const N: u32>(self, a: Self::I16) -> Self::I16;
    /// Fills with zeros.
    fn shift_right<const N: u32>(self, a: Self::I16) -> Self::I16;
    /// Fills with the sign.
    fn shift_right_signed<const N: u32>(self, a: Self::I16) -> Self::I16;
    fn add_i16(self, a: Self::I16, b: i16) -> Self::I16;
    /// sum[i] + a[2 i] b[2 i] + a[2 i + 1] b[2 i + 1]. The two products together must fit in 32 bits, as must all sums.
    fn dot_add(self, sum: Self::I32, a: Self::I16, b: Self::I16) -> Self::I32;

    /// Adds the products of `dot_add`, each in some lane that is as even or odd as its own: [`Simd::sum_of_pairs`] sums those up.
    #[inline(always)]
    fn dot_add_anywhere(self, sum: Self::I32, a: Self::I16, b: Self::I16) -> Self::I32 {
        self.dot_add(sum, a, b)
    }
    /// (a[i] b[i] + 2^14) >> 15. Not both are -2^15.
    fn multiply_high(self, a: Self::I16, b: Self::I16) -> Self::I16;

    /// sum[i] + a[4 i] b[4 i] + a[4 i + 1] b[4 i + 1] and so on, of bytes; none of b is negative.
    #[cfg(feature = "bytes")]
    #[inline(always)]
    fn dot_bytes(self, sum: Self::I32, a: Self::I16, b: Self::I16) -> Self::I32 {
        let sum = self.dot_add(sum, self.shift_right_signed::<8>(self.shift_left::<8>(a)), self.and(b, 255));
        self.dot_add(sum, self.shift_right_signed::<8>(a), self.shift_right::<8>(b))
    }
    /// `quad` eight times.
    #[cfg(feature = "bytes")]
    #[inline(always)]
    fn splat_quad(self, quad: &[i8; 4]) -> Self::I16 {
        self.splat_pair(bytemuck::cast(*quad))
    }

    fn splat_i32(self, value: i32) -> Self::I32;
    /// Lane 2 v + i is the sum of lanes i, 2 + i, 4 + i and 6 + i of vector v.
    fn sum_of_pairs(self, a: [Self::I32; 4]) -> Self::I32;
    fn to_f32(self, a: Self::I32) -> Self::F32;

    /// The f16 of these bits, divided by [`HALF_UNIT`]. A subnormal one makes a subnormal f32, and infinity a number.
    fn half_bits(self, bits: &[u16; 8]) -> Self::F32;
    /// The f16 of these bits.
    #[inline(always)]
    fn half(self, bits: &[u16; 8]) -> Self::F32 {
        self.mul(self.half_bits(bits), self.splat_f32(HALF_UNIT))
    }
    fn load_i8(self, values: &[i8; 8]) -> Self::F32;
    fn load_u8(self, values: &[u8; 8]) -> Self::F32;
    fn load_f32(self, values: &[f32; 8]) -> Self::F32;
    fn store_f32(self, a: Self::F32) -> [f32; 8];
    fn splat_f32(self, value: f32) -> Self::F32;
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32;
    fn mul(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// a b + c, rounded once or twice.
    fn mul_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    /// The sum of the lanes.
    fn sum(self, a: Self::F32) -> f32 {
        let [a, b, c, d, e, f, g, h] = self.store_f32(a);
        ((a + e) + (b + f)) + ((c + g) + (d + h))
    }
}

/// Something that is computed with vectors. `run` and what it calls have to be inlined, so that they are compiled for
/// the instruction set of `S`.
pub trait Kernel {
    fn run<S: Simd>(self, simd: S);
}

/// An instruction set that this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    #[cfg(not(target_feature = "simd128"))]
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(target_feature = "simd128")]
    Simd128,
}

impl InstructionSet {
    /// All that can surely run here, the best one first.
    pub fn all() -> Vec<Self> {
        vec![
            #[cfg(target_arch = "aarch64")]
            Self::Neon,
            #[cfg(target_feature = "simd128")]
            Self::Simd128,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2,
            #[cfg(not(target_feature = "simd128"))]
            Self::Portable,
        ]
        .into_iter()
        .filter(|set| set.is_there())
        .collect()
    }

    pub fn best() -> Self {
        Self::all()[0]
    }

    fn is_there(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => x86::Avx2::new().is_some(),
            _ => true,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            #[cfg(not(target_feature = "simd128"))]
            Self::Portable => "no SIMD",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "AVX2",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "NEON",
            #[cfg(target_feature = "simd128")]
            Self::Simd128 if cfg!(target_feature = "relaxed-simd") => "relaxed SIMD",
            #[cfg(target_feature = "simd128")]
            Self::Simd128 => "SIMD",
        }
    }

    /// Runs a kernel, which is a function of its own: an engine compiles many small ones sooner than one that has them all.
    #[inline(never)]
    pub fn run(self, kernel: impl Kernel) {
        match self {
            #[cfg(not(target_feature = "simd128"))]
            Self::Portable => kernel.run(portable::Portable),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => match x86::Avx2::new() {
                Some(avx2) => avx2.run(kernel),
                None => kernel.run(portable::Portable),
            },
            #[cfg(target_arch = "aarch64")]
            Self::Neon => kernel.run(neon::Neon),
            #[cfg(target_feature = "simd128")]
            Self::Simd128 => kernel.run(wasm::Simd128::new()),
        }
    }
}
