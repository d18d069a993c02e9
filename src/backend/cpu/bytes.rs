//! Products of bytes of weights with activations: of 16 bits by 16 in general, of 8 by 7 where WebAssembly engines have the
//! instruction for it, which multiplies twice as many and adds them up as well.
//!
//! A lane of 32 bits has four bytes of a row, of columns 0, 4, 1 and 5 of eight, which are quad 0, or of 2, 6, 3 and 7, which are
//! quad 1: so nibbles and bytes of 16-bit lanes, taken by shifts and masks, belong to neighbouring columns.

use super::{activations::ActivationBlock, simd::Simd};

pub use products::{ByteSums, MOST, SIGNED, SignedSums, eights};
#[cfg(feature = "bytes")]
pub use products::{Eight, eights_of};

/// The quad of a column of 32, and its byte there.
pub fn place(column: usize) -> (usize, usize) {
    (column / 8 * 2 + column / 2 % 2, column / 4 % 2 + column % 2 * 2)
}

#[cfg(not(feature = "bytes"))]
mod products {
    use super::*;

    /// The largest integer of an activation.
    pub const MOST: f32 = super::super::activations::MOST;
    /// What signed bytes are kept changed by, with XOR: they are quicker to unpack without a sign.
    pub const SIGNED: u8 = 128;

    /// Pairs of eight activations.
    pub type Eight = [[i16; 2]; 4];

    /// The activations of a block.
    #[inline(always)]
    pub fn eights(x: &ActivationBlock) -> &[Eight; 4] {
        bytemuck::cast_ref(&x.pairs)
    }

    /// Sums of products, of a row in each lane.
    pub struct ByteSums<S: Simd>(S, S::I32);

    impl<S: Simd> ByteSums<S> {
        #[inline(always)]
        pub fn new(s: S, start: i32) -> Self {
            Self(s, s.splat_i32(start))
        }

        /// Adds those of a quad. Bytes are below 128.
        #[inline(always)]
        pub fn add<const QUAD: usize>(&mut self, bytes: S::I16, x: &Eight) {
            let Self(s, sum) = *self;
            let sum = s.dot_add(sum, s.and(bytes, 255), s.splat_pair(x[QUAD]));
            self.1 = s.dot_add(sum, s.shift_right::<8>(bytes), s.splat_pair(x[QUAD + 2]));
        }

        #[inline(always)]
        pub fn total(self) -> S::F32 {
            self.0.to_f32(self.1)
        }
    }

    /// The same for signed bytes.
    pub struct SignedSums<S: Simd>(ByteSums<S>);

    impl<S: Simd> SignedSums<S> {
        #[inline(always)]
        pub fn new(s: S, x: &ActivationBlock) -> Self {
            Self(ByteSums::new(s, -128 * x.integer_sum()))
        }

        /// Adds those of a quad. Bytes have been changed by [`SIGNED`].
        #[inline(always)]
        pub fn add<const QUAD: usize>(&mut self, bytes: S::I16, x: &Eight) {
            self.0.add::<QUAD>(bytes, x);
        }

        #[inline(always)]
        pub fn total(self) -> S::F32 {
            self.0.total()
        }
    }
}

#[cfg(feature = "bytes")]
mod products {
    use super::*;

    /// The largest integer of an activation: six bits, seven bits and a sign.
    pub const MOST: f32 = 8191.0;
    pub const SIGNED: u8 = 0;

    /// What the lower seven bits leave is a multiple of.
    const UPPER: f32 = 128.0;
    /// What makes the upper bits positive.
    const RAISED: i8 = 64;

    /// For each quad of eight activations the upper bits, the lower seven, and the upper ones raised.
    pub type Eight = [[[i8; 4]; 3]; 2];

    #[inline(always)]
    pub fn eights(x: &ActivationBlock) -> &[Eight; 4] {
        &x.eights
    }

    /// Those of a block's integers, eight bytes at once.
    #[inline(always)]
    pub fn eights_of(integers: &[i16; 32]) -> [Eight; 4] {
        let halves: [[u64; 2]; 4] = bytemuck::cast(*integers);
        halves.map(|halves| {
            // Eight bits of each integer, from bit `shift` on, of columns 0, 4, 1, 5, 2, 6, 3 and 7.
            let bytes = |shift: u32| {
                let [first, second] = halves.map(|half| half >> shift & 0x00ff_00ff_00ff_00ff);
                first | second << 8
            };
            let in_each = |byte: u8| u64::from_ne_bytes([byte; 8]);
            let upper = bytes(7);
            // From 0b00 or 0b11 in front of six bits to 0b01 or 0b00.
            let raised = (upper ^ in_each(RAISED as u8)) & in_each(127);
            let parts: [[[i8; 4]; 2]; 3] =
                [upper, bytes(0) & in_each(127), raised].map(|part| bytemuck::cast(part.to_le_bytes()));
            [0, 1].map(|quad| parts.map(|quads| quads[quad]))
        })
    }

    /// Sums with the upper bits and with the lower ones.
    pub struct ByteSums<S: Simd>(S, [S::I32; 2]);

    impl<S: Simd> ByteSums<S> {
        #[inline(always)]
        pub fn new(s: S, start: i32) -> Self {
            Self(s, [s.splat_i32(0), s.splat_i32(start)])
        }

        #[inline(always)]
        pub fn add<const QUAD: usize>(&mut self, bytes: S::I16, x: &Eight) {
            let Self(s, [upper, lower]) = *self;
            let [x_upper, x_lower, _] = &x[QUAD];
            self.1 =
                [s.dot_bytes(upper, s.splat_quad(x_upper), bytes), s.dot_bytes(lower, s.splat_quad(x_lower), bytes)];
        }

        #[inline(always)]
        pub fn total(self) -> S::F32 {
            let Self(s, [upper, lower]) = self;
            s.mul_add(s.to_f32(upper), s.splat_f32(UPPER), s.to_f32(lower))
        }
    }

    /// The instruction takes a sign on one side only, and bytes have one: upper bits are raised, and what that adds is summed too.
    pub struct SignedSums<S: Simd>(S, [S::I32; 3]);

    impl<S: Simd> SignedSums<S> {
        #[inline(always)]
        pub fn new(s: S, _x: &ActivationBlock) -> Self {
            Self(s, [s.splat_i32(0); 3])
        }

        #[inline(always)]
        pub fn add<const QUAD: usize>(&mut self, bytes: S::I16, x: &Eight) {
            let Self(s, [upper, lower, added]) = *self;
            let [_, x_lower, x_raised] = &x[QUAD];
            self.1 = [
                s.dot_bytes(upper, bytes, s.splat_quad(x_raised)),
                s.dot_bytes(lower, bytes, s.splat_quad(x_lower)),
                s.dot_bytes(added, bytes, s.splat_quad(&[RAISED; 4])),
            ];
        }

        #[inline(always)]
        pub fn total(self) -> S::F32 {
            let Self(s, sums) = self;
            let [upper, lower, added] = sums.map(|sum| s.to_f32(sum));
            let lower = s.mul_add(added, s.splat_f32(-UPPER), lower);
            s.mul_add(upper, s.splat_f32(UPPER), lower)
        }
    }
}

#[cfg(all(test, feature = "bytes"))]
mod tests {
    use super::*;

    #[test]
    fn every_integer_is_its_bytes_in_every_column() {
        let most = MOST as i16;
        for first in -most..=most {
            let integers: [i16; 32] =
                std::array::from_fn(|column| (first + most + 511 * column as i16) % (2 * most + 1) - most);
            let eights = eights_of(&integers);
            for (column, integer) in integers.into_iter().enumerate() {
                let (quad, byte) = place(column);
                let [upper, lower, raised] = eights[quad / 2][quad % 2].map(|bytes| i16::from(bytes[byte]));
                assert_eq!([upper * 128 + lower, raised], [integer, upper + 64], "{integer} in column {column}");
                assert!(lower >= 0 && raised >= 0);
            }
        }
    }
}
