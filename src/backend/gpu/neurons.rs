//! The down projection turned neuron-major, exactly: the weights of one neuron, a column of the file's matrix, lie together,
//! so that those of a zero neuron are never read. Blocks in the file run along the neurons, so the quants are turned and the
//! scales, which 32 or 256 neurons share, are kept beside them. The layouts are those at the head of the `neurons_*.wgsl`
//! shaders.
//!
//! A few rows of the file at a time are turned in memory, as if they were a whole matrix of as few hidden values, and
//! `place_columns.wgsl` puts what they give into the planes on the device, where it is some columns of words.

use super::{
    kernels::Variant,
    planes::{half_bits, q4_k_scales, q6_k_quant, q6_k_scales, row_variant},
};
use crate::{Result, weights::ElementType};

/// Rows of the file that are turned at a time: a whole number of words in every layout.
pub(super) const GROUP: usize = 64;

/// Columns of words of one plane, in rows of `from` words, that go to a plane with rows of `to` words. Each is (words a row, first word).
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    pub rows: usize,
    pub width: usize,
    pub from: (usize, usize),
    pub to: (usize, usize),
}

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

    /// Where the planes of rows `first..first + count`, turned as a matrix of [`GROUP`] rows, go in these planes: what goes to
    /// that of quants, and what goes to that of scales. `first` is a multiple of [`GROUP`].
    pub fn places(&self, first: usize, count: usize) -> (Vec<Columns>, Option<Columns>) {
        let (neurons, stride) = (self.neurons, self.stride);
        // Columns of `words` words for each `values` hidden values; each row of the planes has as many more for `stride` of them.
        let columns = |rows, values: usize, words: usize| Columns {
            rows,
            width: count.div_ceil(values) * words,
            from: (GROUP / values * words, 0),
            to: (stride / values * words, first / values * words),
        };
        match self.variant {
            Variant::NeuronsQ8_0 => (vec![columns(neurons, 4, 1)], Some(columns(neurons / 32, 2, 1))),
            Variant::NeuronsQ4_0 => (vec![columns(neurons, 8, 1)], Some(columns(neurons / 32, 2, 1))),
            Variant::NeuronsQ4K => (vec![columns(neurons, 8, 1)], Some(columns(neurons / 256, 1, 4))),
            Variant::NeuronsQ6K => {
                let row = |values: usize| values / 16 * 3;
                let part = |values: usize, from: usize, to: usize| Columns {
                    rows: neurons,
                    width: count.div_ceil(values),
                    from: (row(GROUP), from),
                    to: (row(stride), to + first / values),
                };
                (vec![part(8, 0, 0), part(16, GROUP / 8, stride / 8)], Some(columns(neurons / 256, 1, 5)))
            }
            Variant::F16 | Variant::BF16 => (vec![columns(neurons, 2, 1)], None),
            _ => (vec![columns(neurons, 1, 1)], None),
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
                    let neurons = weights[index * 32 * stride / 4..].chunks_exact_mut(stride / 4);
                    for (neuron, quant) in neurons.zip(&block[2..]) {
                        neuron[row / 4] |= u32::from(*quant) << (8 * (row % 4));
                    }
                }
            }
            Variant::NeuronsQ4_0 => {
                for (index, block) in encoded.chunks_exact(18).enumerate() {
                    scales[(index * stride + row) / 2] |= u32::from(half_bits(block, 0)) << (16 * (row % 2));
                    // Low halves are the first sixteen.
                    put_halves(&mut weights[index * 32 * stride / 8..][..32 * stride / 8], &block[2..], stride, row);
                }
            }
            Variant::NeuronsQ4K => {
                for (index, block) in encoded.chunks_exact(144).enumerate() {
                    scales[(index * stride + row) * 4..][..4].copy_from_slice(&q4_k_scales(block));
                    let neurons = &mut weights[index * 256 * stride / 8..][..256 * stride / 8];
                    // Each 32 bytes hold 64 values, the low halves first.
                    for (neurons, quants) in neurons.chunks_exact_mut(64 * stride / 8).zip(block[16..].chunks_exact(32))
                    {
                        put_halves(neurons, quants, stride, row);
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

/// Puts quants of four bits, hidden value `row`, into twice as many neurons: the low halves into the first of them.
fn put_halves(neurons: &mut [u32], quants: &[u8], stride: usize, row: usize) {
    let (words, word, shift) = (stride / 8, row / 8, 4 * (row % 8));
    let (low, high) = neurons.split_at_mut(quants.len() * words);
    for ((quant, low), high) in quants.iter().zip(low.chunks_exact_mut(words)).zip(high.chunks_exact_mut(words)) {
        low[word] |= u32::from(quant & 15) << shift;
        high[word] |= u32::from(quant >> 4) << shift;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As place_columns.wgsl does it.
    fn place(columns: Columns, from: &[u32], to: &mut [u32]) {
        for row in 0..columns.rows {
            for i in 0..columns.width {
                to[row * columns.to.0 + columns.to.1 + i] = from[row * columns.from.0 + columns.from.1 + i];
            }
        }
    }

    #[test]
    fn groups_of_rows_come_to_where_the_whole_matrix_has_them() {
        use ElementType::*;
        for element_type in [F32, F16, BF16, Q8_0, Q4_0, Q4K, Q5_1, Q6K] {
            for hidden in [1, 63, 64, 65, 100, 200] {
                let neurons = 512;
                let row_bytes = element_type.byte_length(neurons as u64).unwrap() as usize;
                let encoded: Vec<u8> = (0..row_bytes * hidden).map(|i| (i * i % 251) as u8 ^ (i >> 7) as u8).collect();
                let zeros = |planes: &NeuronPlanes| {
                    let (weights, scales) = planes.words();
                    (vec![0; weights as usize], vec![0; scales as usize])
                };
                let whole = NeuronPlanes::new(element_type, neurons, hidden);
                let mut expected = zeros(&whole);
                let mut found = zeros(&whole);
                for (row, encoded) in encoded.chunks_exact(row_bytes).enumerate() {
                    whole.put_row(element_type, encoded, row, &mut expected.0, &mut expected.1).unwrap();
                }
                let group = NeuronPlanes::new(element_type, neurons, GROUP);
                for (index, rows) in encoded.chunks(row_bytes * GROUP).enumerate() {
                    let mut turned = zeros(&group);
                    for (row, encoded) in rows.chunks_exact(row_bytes).enumerate() {
                        group.put_row(element_type, encoded, row, &mut turned.0, &mut turned.1).unwrap();
                    }
                    let (weights, scales) = whole.places(index * GROUP, rows.len() / row_bytes);
                    weights.iter().for_each(|columns| place(*columns, &turned.0, &mut found.0));
                    scales.iter().for_each(|columns| place(*columns, &turned.1, &mut found.1));
                }
                assert!(found == expected, "{element_type:?}, {hidden} rows");
            }
        }
    }
}
