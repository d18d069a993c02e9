//! Activations as the kernels take them: 16-bit integers with a scale for each 32. What that rounds off is 2^-16 of the
//! largest of the 32, which is hundreds of times less than 8 bits would lose, and close to what summing in f32 does.

use super::bytes;
#[cfg(feature = "bytes")]
use super::bytes::Eight;
use crate::backend::arithmetic::nearest;
use bytemuck::Zeroable;

/// Values that share a scale.
pub const BLOCK: usize = 32;
/// The largest integer. Two products of two such numbers together fit in 32 bits.
pub const MOST: f32 = 32767.0;

/// Thirty-two values of one token.
#[derive(Clone, Copy, Zeroable)]
pub struct ActivationBlock {
    /// The integers, in order.
    pub pairs: [[i16; 2]; BLOCK / 2],
    #[cfg(feature = "bytes")]
    pub eights: [Eight; BLOCK / 8],
    /// What they are multiples of.
    pub scale: f32,
    /// The integers' sums in either half.
    pub half_sums: [i32; 2],
    /// The sum of the values.
    pub sum: f32,
}

impl ActivationBlock {
    /// At most 32 values; what is missing is zero.
    pub fn new(values: &[f32]) -> Self {
        let block = Self::within(values, bytes::MOST);
        #[cfg(feature = "bytes")]
        let block = Self { eights: bytes::eights_of(bytemuck::cast_ref(&block.pairs)), ..block };
        block
    }

    /// With integers of at most `most`, for other products than those of weights.
    #[inline(always)]
    pub fn within(values: &[f32], most: f32) -> Self {
        let mut padded = [0.0; BLOCK];
        padded[..values.len()].copy_from_slice(values);
        let scale = scale_of(&padded, most);
        let inverse = inverse(scale);
        let integers = padded.map(|value| nearest(value * inverse));
        let half_sums = [&integers[..BLOCK / 2], &integers[BLOCK / 2..]].map(|half| half.iter().sum());
        let sum = scale * (half_sums[0] + half_sums[1]) as f32;
        let integers = integers.map(|integer| integer as i16);
        Self {
            pairs: bytemuck::cast(integers),
            #[cfg(feature = "bytes")]
            eights: Zeroable::zeroed(),
            scale,
            half_sums,
            sum,
        }
    }

    /// The sum of the integers.
    pub fn integer_sum(&self) -> i32 {
        self.half_sums[0] + self.half_sums[1]
    }
}

/// The scale that makes the largest of some values `to`; NaN where one is not finite, so that it is not lost.
#[inline(always)]
pub fn scale_of(values: &[f32], to: f32) -> f32 {
    let bits = values.iter().fold(0, |most: u32, value| most.max(value.to_bits() & 0x7fff_ffff));
    match f32::from_bits(bits) {
        most if most.is_finite() => most / to,
        _ => f32::NAN,
    }
}

/// 1 / scale, or zero where values are too small to be told from it.
#[inline(always)]
pub fn inverse(scale: f32) -> f32 {
    if scale > 1e-36 { scale.recip() } else { 0.0 }
}

/// The blocks of one token's values.
pub fn quantise(values: &[f32]) -> impl Iterator<Item = ActivationBlock> + '_ {
    values.chunks(BLOCK).map(ActivationBlock::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_within_half_a_step_of_the_values() {
        for factor in [1e-30f32, 1e-3, 1.0, 1e30] {
            let values: Vec<f32> = (0..27).map(|i| ((i * i * 7) as f32).sin() * factor).collect();
            let block = ActivationBlock::new(&values);
            let integers: Vec<i16> = block.pairs.iter().flatten().copied().collect();
            assert_eq!(integers.iter().map(|i| i.unsigned_abs()).max(), Some(bytes::MOST as u16));
            for (value, integer) in values.iter().chain([0.0f32; 5].iter()).zip(&integers) {
                let error = (f64::from(*value) - f64::from(block.scale) * f64::from(*integer)).abs();
                // Rounding in the division moves a value by up to 2^-23 of itself, that is by 0.004 steps.
                assert!(error <= 0.504 * f64::from(block.scale), "{value} is {integer} of {}", block.scale);
            }
            let sum = |half: usize| integers[half * 16..half * 16 + 16].iter().map(|i| i32::from(*i)).sum::<i32>();
            assert_eq!(block.half_sums, [sum(0), sum(1)]);
            assert_eq!(block.sum, block.scale * block.integer_sum() as f32);
        }
    }

    #[test]
    fn nothing_and_next_to_nothing_are_zero() {
        for value in [0.0, f32::MIN_POSITIVE, -1e-40] {
            let block = ActivationBlock::new(&[value; 32]);
            assert_eq!(block.pairs, [[0; 2]; 16], "{value}");
        }
    }

    #[test]
    fn what_is_not_finite_is_not_lost() {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for values in [&[1.0, value][..], &[value; 32]] {
                let block = ActivationBlock::new(values);
                assert!(block.scale.is_nan() && block.sum.is_nan());
            }
        }
    }
}
