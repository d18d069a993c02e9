//! The blocks of files as integers and scales, each value where its kind of matrix wants it. What they mean is in
//! [`crate::weights`].

use super::activations::{MOST, inverse, scale_of};
use crate::backend::arithmetic::nearest;
use crate::{
    Error, Result,
    backend::MatrixDescriptor,
    weights::{ElementType, half_at},
};
use half::f16;
use std::borrow::Cow;

/// How a matrix is kept: in its file's own precision where kernels know it, and otherwise as 16-bit integers with a scale for
/// each 32, which is as good as f16 and takes as much memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Q8_0,
    Q4_0,
    Q4K,
    Q6K,
    Fixed16,
}

impl Format {
    pub fn of(element_type: ElementType) -> Self {
        match element_type {
            ElementType::Q8_0 => Self::Q8_0,
            ElementType::Q4_0 => Self::Q4_0,
            ElementType::Q4K => Self::Q4K,
            ElementType::Q6K => Self::Q6K,
            _ => Self::Fixed16,
        }
    }
}

/// Scales of Q8_0 and Q4_0 are kept as f16 times this where all of a row allow it: none is subnormal then, and processors take
/// a hundred times as long over a subnormal number.
const RAISED: f32 = 1024.0;

/// One row of a matrix as a file has it, checked.
pub struct EncodedRow<'a> {
    bytes: &'a [u8],
    block_bytes: usize,
    /// What it decodes to, where it is kept as [`Format::Fixed16`].
    values: Cow<'a, [f32]>,
    /// What the kept scales of Q8_0 and Q4_0 have been multiplied with.
    raised: f32,
}

impl<'a> EncodedRow<'a> {
    /// # Errors
    /// [`Error::Malformed`] where a scale or a weight is infinite or not a number.
    pub fn new(descriptor: &MatrixDescriptor, bytes: &'a [u8]) -> Result<Self> {
        let MatrixDescriptor { name, element_type, columns, .. } = descriptor;
        let offsets: &[usize] = match Format::of(*element_type) {
            Format::Q8_0 | Format::Q4_0 => &[0],
            Format::Q4K => &[0, 2],
            Format::Q6K => &[208],
            Format::Fixed16 => &[],
        };
        let block_bytes = element_type.block_bytes();
        let mut row = Self { bytes, block_bytes, values: Cow::default(), raised: 1.0 };
        if offsets.is_empty() {
            let mut values = vec![0.0; *columns];
            element_type.decode(bytes, &mut values)?;
            row.values = values.into();
        }
        let scales = bytes.chunks_exact(block_bytes).flat_map(|block| offsets.iter().map(|at| half_at(block, *at)));
        let mut most = 0.0f32;
        for value in scales.chain(row.values.iter().copied()) {
            if !value.is_finite() {
                return Err(Error::Malformed(format!("{name}: a weight is {value}; expected finite numbers")));
            }
            most = most.max(value.abs());
        }
        if most * RAISED <= f32::from(f16::MAX) {
            row.raised = RAISED;
        }
        Ok(row)
    }

    /// A row of finite values, to be kept as [`Format::Fixed16`].
    pub fn of_values(values: &'a [f32]) -> Self {
        Self { bytes: &[], block_bytes: 0, values: values.into(), raised: 1.0 }
    }

    /// The values, of this type.
    ///
    /// # Errors
    /// As [`ElementType::decode`].
    pub fn decode(&self, element_type: ElementType, to: &mut [f32]) -> Result<()> {
        if self.values.is_empty() {
            return element_type.decode(self.bytes, to);
        }
        to.copy_from_slice(&self.values);
        Ok(())
    }

    /// What a sum over this row of Q8_0 or Q4_0 is to be multiplied with.
    pub fn unit(&self) -> f32 {
        self.raised.recip()
    }

    /// The bytes of a block.
    pub fn block(&self, index: usize) -> &'a [u8] {
        &self.bytes[index * self.block_bytes..][..self.block_bytes]
    }

    /// The bits of a block's scale of Q8_0 or Q4_0, as they are kept.
    pub fn scale_bits(&self, index: usize) -> u16 {
        f16::from_f32(half_at(self.block(index), 0) * self.raised).to_bits()
    }

    /// Up to `count` decoded values, where the row is kept as [`Format::Fixed16`].
    pub fn values(&self, from: usize, count: usize) -> &[f32] {
        &self.values[from..self.values.len().min(from + count)]
    }
}

/// Records of each format, of one of the two layouts.
pub enum Records<A, B, C, D, E> {
    Q8_0(Vec<A>),
    Q4_0(Vec<B>),
    Q4K(Vec<C>),
    Q6K(Vec<D>),
    Fixed16(Vec<E>),
}

/// Runs the same expression on whichever records there are.
macro_rules! on {
    ($any:expr, $records:ident => $expression:expr) => {
        match $any {
            Records::Q8_0($records) => $expression,
            Records::Q4_0($records) => $expression,
            Records::Q4K($records) => $expression,
            Records::Q6K($records) => $expression,
            Records::Fixed16($records) => $expression,
        }
    };
}
pub(super) use on;

/// The 32 nibbles of a Q4_0 block.
pub fn q4_0_quants(block: &[u8]) -> [u8; 32] {
    std::array::from_fn(|i| (block[2 + i % 16] >> (i / 16 * 4)) & 15)
}

/// The 32 nibbles of part `part`, of eight, of a Q4_K block.
pub fn q4_k_quants(block: &[u8], part: usize) -> [u8; 32] {
    let quants = &block[16 + part / 2 * 32..][..32];
    std::array::from_fn(|i| (quants[i] >> (part % 2 * 4)) & 15)
}

/// The 32 values, from 0 to 63, of part `part`, of eight, of a Q6_K block.
pub fn q6_k_quants(block: &[u8], part: usize) -> [u8; 32] {
    let low = &block[part / 4 * 64 + part % 2 * 32..][..32];
    let high = &block[128 + part / 4 * 32..][..32];
    std::array::from_fn(|i| ((low[i] >> (part % 4 / 2 * 4)) & 15) | ((high[i] >> (part % 4 * 2)) & 3) << 4)
}

/// Gives each of finite `values` as an integer, and what they are multiples of.
pub fn fixed16(values: &[f32], mut put: impl FnMut(usize, i16)) -> f32 {
    let scale = scale_of(values, MOST);
    let inverse = inverse(scale);
    values.iter().enumerate().for_each(|(i, value)| put(i, nearest(value * inverse) as i16));
    scale
}
