//! The down projection turned neuron-major, exactly: the weights of one neuron, a column of the file's matrix, lie together,
//! so that those of a zero neuron are never read. Blocks in the file run along the neurons, so the quants are turned and the
//! scales, which 32 or 256 neurons share, are kept beside them. The layouts are those at the head of the `neurons_*.wgsl`
//! shaders.
//!
//! A few rows of the file at a time are turned in memory, as if they were a whole matrix of as few hidden values, and
//! `place_columns.wgsl` puts what they give into the planes on the device, where it is some columns of words. Several quants are
//! turned at once: where N of them make a word, N rows' words are an N x N matrix of quants, which is transposed by halves.

use super::{
    kernels::Variant,
    planes::{half_bits, q4_k_scales, q6_k_scales, row_variant},
};
use crate::{Result, weights::ElementType};
use std::array::from_fn;

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

    /// Turns [`GROUP`] rows of the file into planes of as many hidden values, which these are.
    ///
    /// # Errors
    /// What decoding gives, where the type is widened.
    pub fn turn(&self, element_type: ElementType, rows: &[u8], weights: &mut [u32], scales: &mut [u32]) -> Result<()> {
        debug_assert_eq!(self.stride, GROUP);
        let row_bytes = rows.len() / GROUP;
        // Some bytes of a row.
        let bytes = |row: usize, offset: usize, length: usize| &rows[row * row_bytes + offset..][..length];
        let scale = |row: usize, offset: usize| u32::from(half_bits(bytes(row, offset, 2), 0));
        match self.variant {
            Variant::NeuronsQ8_0 => {
                for (index, scales) in scales.chunks_exact_mut(GROUP / 2).enumerate() {
                    for (pair, scales) in scales.iter_mut().enumerate() {
                        *scales = scale(2 * pair, index * 34) | scale(2 * pair + 1, index * 34) << 16;
                    }
                    let neurons = &mut weights[index * 32 * GROUP / 4..][..32 * GROUP / 4];
                    for word in 0..GROUP / 4 {
                        let quants = from_fn(|i| bytes(4 * word + i, index * 34 + 2, 32));
                        transpose::<4>(quants, |i, quants| neurons[i * GROUP / 4 + word] = quants);
                    }
                }
            }
            Variant::NeuronsQ4_0 => {
                for (index, scales) in scales.chunks_exact_mut(GROUP / 2).enumerate() {
                    for (pair, scales) in scales.iter_mut().enumerate() {
                        *scales = scale(2 * pair, index * 18) | scale(2 * pair + 1, index * 18) << 16;
                    }
                    let neurons = &mut weights[index * 32 * GROUP / 8..][..32 * GROUP / 8];
                    for word in 0..GROUP / 8 {
                        let quants = from_fn(|i| bytes(8 * word + i, index * 18 + 2, 16));
                        // Low halves are the first sixteen.
                        transpose::<8>(quants, |i, quants| neurons[(i / 2 + i % 2 * 16) * GROUP / 8 + word] = quants);
                    }
                }
            }
            Variant::NeuronsQ4K => {
                for (index, scales) in scales.chunks_exact_mut(GROUP * 4).enumerate() {
                    for (row, scales) in scales.chunks_exact_mut(4).enumerate() {
                        scales.copy_from_slice(&q4_k_scales(bytes(row, index * 144, 144)));
                    }
                    // Each 32 bytes hold 64 values, the low halves first.
                    for part in 0..4 {
                        let neurons = &mut weights[(index * 4 + part) * 64 * GROUP / 8..][..64 * GROUP / 8];
                        for word in 0..GROUP / 8 {
                            let quants = from_fn(|i| bytes(8 * word + i, index * 144 + 16 + part * 32, 32));
                            let neuron = |i: usize| i / 2 + i % 2 * 32;
                            transpose::<8>(quants, |i, quants| neurons[neuron(i) * GROUP / 8 + word] = quants);
                        }
                    }
                }
            }
            Variant::NeuronsQ6K => {
                const WORDS: usize = GROUP / 16 * 3;
                for (index, scales) in scales.chunks_exact_mut(GROUP * 5).enumerate() {
                    for (row, scales) in scales.chunks_exact_mut(5).enumerate() {
                        scales.copy_from_slice(&q6_k_scales(bytes(row, index * 210, 210)));
                    }
                    for part in 0..2 {
                        let neurons = &mut weights[(index * 2 + part) * 128 * WORDS..][..128 * WORDS];
                        for word in 0..GROUP / 8 {
                            let low = from_fn(|i| bytes(8 * word + i, index * 210 + part * 64, 64));
                            let neuron = |i: usize| i / 2 + i % 2 * 64;
                            transpose::<8>(low, |i, low| neurons[neuron(i) * WORDS + word] = low);
                        }
                        for word in 0..GROUP / 16 {
                            let high = from_fn(|i| bytes(16 * word + i, index * 210 + 128 + part * 32, 32));
                            let neuron = |i: usize| i / 4 + i % 4 * 32;
                            transpose::<16>(high, |i, high| neurons[neuron(i) * WORDS + GROUP / 8 + word] = high);
                        }
                    }
                }
            }
            Variant::F16 | Variant::BF16 => {
                for (neuron, words) in weights.chunks_exact_mut(GROUP / 2).enumerate() {
                    for (pair, word) in words.iter_mut().enumerate() {
                        *word = scale(2 * pair, neuron * 2) | scale(2 * pair + 1, neuron * 2) << 16;
                    }
                }
            }
            _ => {
                let mut values = vec![0.0; self.neurons];
                for row in 0..GROUP {
                    element_type.decode(bytes(row, 0, row_bytes), &mut values)?;
                    for (neuron, value) in values.iter().enumerate() {
                        weights[neuron * GROUP + row] = value.to_bits();
                    }
                }
            }
        }
        Ok(())
    }
}

/// Takes N rows of quants of 32 / N bits, a whole number of 64 bits each, and gives for each index the N quants that the rows have
/// there, as a word.
#[inline(always)]
fn transpose<const N: usize>(rows: [&[u8]; N], mut give: impl FnMut(usize, u32)) {
    for at in (0..rows[0].len()).step_by(8) {
        // Each half of 64 bits is a row of a matrix of its own.
        let mut words: [u64; N] =
            rows.map(|row| u64::from_le_bytes(row[at..at + 8].try_into().expect("eight bytes are eight bytes")));
        let mut half = N / 2;
        while half > 0 {
            // What is right above the diagonal changes places with what is left below, in blocks of half x half.
            let shift = half * 32 / N;
            let mask = u64::MAX / ((1 << shift) + 1);
            for row in (0..N).filter(|row| row & half == 0) {
                let change = (words[row] >> shift ^ words[row + half]) & mask;
                words[row + half] ^= change;
                words[row] ^= change << shift;
            }
            half /= 2;
        }
        for (i, word) in words.into_iter().enumerate() {
            give(at * N / 4 + i, word as u32);
            give(at * N / 4 + N + i, (word >> 32) as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::planes::q6_k_quant, *};

    /// As place_columns.wgsl does it.
    fn place(columns: Columns, from: &[u32], to: &mut [u32]) {
        for row in 0..columns.rows {
            for i in 0..columns.width {
                to[row * columns.to.0 + columns.to.1 + i] = from[row * columns.from.0 + columns.from.1 + i];
            }
        }
    }

    /// Puts hidden value `row` of all neurons into planes of any height, quant by quant.
    fn put_row(planes: &NeuronPlanes, of: ElementType, encoded: &[u8], row: usize, words: &mut (Vec<u32>, Vec<u32>)) {
        let (weights, scales) = words;
        let stride = planes.stride;
        let mut put = |neuron: usize, quants_a_word: usize, quant: u8| {
            let bits = 32 / quants_a_word;
            let word = neuron * stride / quants_a_word + row / quants_a_word;
            weights[word] |= u32::from(quant) << (bits * (row % quants_a_word));
        };
        match planes.variant {
            Variant::NeuronsQ8_0 => {
                for (index, block) in encoded.chunks_exact(34).enumerate() {
                    scales[(index * stride + row) / 2] |= u32::from(half_bits(block, 0)) << (16 * (row % 2));
                    (0..32).for_each(|i| put(index * 32 + i, 4, block[2 + i]));
                }
            }
            Variant::NeuronsQ4_0 => {
                for (index, block) in encoded.chunks_exact(18).enumerate() {
                    scales[(index * stride + row) / 2] |= u32::from(half_bits(block, 0)) << (16 * (row % 2));
                    (0..32).for_each(|i| put(index * 32 + i, 8, block[2 + i % 16] >> (i / 16 * 4) & 15));
                }
            }
            Variant::NeuronsQ4K => {
                for (index, block) in encoded.chunks_exact(144).enumerate() {
                    scales[(index * stride + row) * 4..][..4].copy_from_slice(&q4_k_scales(block));
                    let quant = |i: usize| block[16 + i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15;
                    (0..256).for_each(|i| put(index * 256 + i, 8, quant(i)));
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
                let mut values = vec![0.0; planes.neurons];
                of.decode(encoded, &mut values).unwrap();
                for (neuron, value) in values.iter().enumerate() {
                    weights[neuron * stride + row] = value.to_bits();
                }
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
                    put_row(&whole, element_type, encoded, row, &mut expected);
                }
                let group = NeuronPlanes::new(element_type, neurons, GROUP);
                for (index, rows) in encoded.chunks(row_bytes * GROUP).enumerate() {
                    let mut turned = zeros(&group);
                    let mut padded = rows.to_vec();
                    padded.resize(row_bytes * GROUP, 0);
                    group.turn(element_type, &padded, &mut turned.0, &mut turned.1).unwrap();
                    let (weights, scales) = whole.places(index * GROUP, rows.len() / row_bytes);
                    weights.iter().for_each(|columns| place(*columns, &turned.0, &mut found.0));
                    scales.iter().for_each(|columns| place(*columns, &turned.1, &mut found.1));
                }
                assert!(found == expected, "{element_type:?}, {hidden} rows");
            }
        }
    }
}
