//! The down projection turned neuron-major, exactly: the weights of one neuron, a column of the file's matrix, lie together,
//! so that those of a zero neuron are never read. Blocks in the file run along the neurons, so the quants are turned and the
//! scales, which 32 or 256 neurons share, are kept beside them. The layouts are those at the head of the `neurons_*.wgsl`
//! shaders.

use super::{
    kernels::Variant,
    planes::{half_bits, q4_k_scales, q6_k_quant, q6_k_scales, row_variant},
};
use crate::{Result, weights::ElementType};

/// The shape of a neuron-major matrix.
pub(super) struct NeuronPlanes {
    pub variant: Variant,
    neurons: usize,
    /// Hidden values of one neuron, with padding, so that a neuron's row and a row of scales are whole words.
    stride: usize,
}

impl NeuronPlanes {
    /// `neurons` is a whole number of the element type's blocks.
    pub fn new(element_type: ElementType, neurons: usize, hidden: usize) -> Self {
        let (variant, unit) = match row_variant(element_type) {
            Variant::Q8_0 => (Variant::NeuronsQ8_0, 8),
            Variant::Q4_0 => (Variant::NeuronsQ4_0, 8),
            Variant::Q4K => (Variant::NeuronsQ4K, 8),
            Variant::Q6K => (Variant::NeuronsQ6K, 16),
            kept => (kept, 32),
        };
        Self { variant, neurons, stride: hidden.next_multiple_of(unit) }
    }

    /// Words of the plane of quants and of that of scales. Counted in 64 bits: a build of 32 must refuse, not wrap.
    pub fn words(&self) -> (u64, u64) {
        let (neurons, stride) = (self.neurons as u64, self.stride as u64);
        match self.variant {
            Variant::NeuronsQ8_0 => (neurons * stride / 4, neurons / 32 * stride / 2),
            Variant::NeuronsQ4_0 => (neurons * stride / 8, neurons / 32 * stride / 2),
            Variant::NeuronsQ4K => (neurons * stride / 8, neurons / 256 * stride * 4),
            Variant::NeuronsQ6K => (neurons * stride / 16 * 3, neurons / 256 * stride * 5),
            Variant::F16 | Variant::BF16 => (neurons * stride / 2, 0),
            _ => (neurons * stride, 0),
        }
    }

    /// Puts one row of the file, hidden value `row` of all neurons, into the planes.
    ///
    /// # Errors
    /// What decoding gives, where the type is widened.
    pub fn put_row(
        &self,
        element_type: ElementType,
        encoded: &[u8],
        row: usize,
        weights: &mut [u32],
        scales: &mut [u32],
    ) -> Result<()> {
        let stride = self.stride;
        match self.variant {
            Variant::NeuronsQ8_0 => {
                for (index, block) in encoded.chunks_exact(34).enumerate() {
                    scales[(index * stride + row) / 2] |= u32::from(half_bits(block, 0)) << (16 * (row % 2));
                    for (i, quant) in block[2..].iter().enumerate() {
                        weights[((index * 32 + i) * stride + row) / 4] |= u32::from(*quant) << (8 * (row % 4));
                    }
                }
            }
            Variant::NeuronsQ4_0 => {
                for (index, block) in encoded.chunks_exact(18).enumerate() {
                    scales[(index * stride + row) / 2] |= u32::from(half_bits(block, 0)) << (16 * (row % 2));
                    for i in 0..32 {
                        // Low halves are the first sixteen.
                        let quant = u32::from(block[2 + i % 16] >> (4 * (i / 16)) & 15);
                        weights[((index * 32 + i) * stride + row) / 8] |= quant << (4 * (row % 8));
                    }
                }
            }
            Variant::NeuronsQ4K => {
                for (index, block) in encoded.chunks_exact(144).enumerate() {
                    scales[(index * stride + row) * 4..][..4].copy_from_slice(&q4_k_scales(block));
                    for i in 0..256 {
                        // Each 32 bytes hold 64 values, the low halves first.
                        let quant = u32::from(block[16 + i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15);
                        weights[((index * 256 + i) * stride + row) / 8] |= quant << (4 * (row % 8));
                    }
                }
            }
            Variant::NeuronsQ6K => {
                for (index, block) in encoded.chunks_exact(210).enumerate() {
                    scales[(index * stride + row) * 5..][..5].copy_from_slice(&q6_k_scales(block));
                    for i in 0..256 {
                        let quant = u32::from(q6_k_quant(block, i));
                        let neuron = (index * 256 + i) * (stride / 16 * 3);
                        weights[neuron + row / 8] |= (quant & 15) << (4 * (row % 8));
                        weights[neuron + stride / 8 + row / 16] |= (quant >> 4) << (2 * (row % 16));
                    }
                }
            }
            Variant::F16 | Variant::BF16 => {
                for (neuron, bits) in encoded.chunks_exact(2).enumerate() {
                    weights[(neuron * stride + row) / 2] |= u32::from(half_bits(bits, 0)) << (16 * (row % 2));
                }
            }
            _ => {
                let mut values = vec![0.0; self.neurons];
                element_type.decode(encoded, &mut values)?;
                for (neuron, value) in values.iter().enumerate() {
                    weights[neuron * stride + row] = value.to_bits();
                }
            }
        }
        Ok(())
    }
}
