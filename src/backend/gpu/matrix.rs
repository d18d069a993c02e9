//! Weight matrices on the device: quantised weights stay quantised, in planes that shaders read by whole words.

use super::{
    device::{Buffer, Device},
    kernels::Variant,
};
use crate::{
    Error, Result,
    backend::{Layout, MatrixDescriptor},
    weights::ElementType,
};

/// A matrix on the device. The layouts are those at the head of the `weights_*.wgsl` and `neurons_*.wgsl` shaders.
/// Clones share the device's memory.
#[derive(Clone)]
pub struct Matrix {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) variant: Variant,
    pub(super) parts: Vec<Part>,
}

/// Some whole rows of a matrix, small enough for one binding.
#[derive(Clone)]
pub(super) struct Part {
    pub first_row: usize,
    pub rows: usize,
    pub weights: Buffer,
    pub scales: Option<Buffer>,
}

impl Part {
    /// The bindings that the weight readers expect.
    pub fn bindings(&self) -> Vec<(u32, &Buffer)> {
        let scales = self.scales.as_ref().map(|scales| (1, scales));
        [(0, &self.weights)].into_iter().chain(scales).collect()
    }
}

/// A matrix while its rows arrive.
pub struct MatrixUpload {
    descriptor: MatrixDescriptor,
    rows_done: usize,
    target: Target,
}

enum Target {
    /// Rows go straight to their part.
    Rows { variant: Variant, weight_words: usize, scale_words: usize, parts: Vec<Part> },
    /// Columns become rows, so the file's rows are gathered first.
    Neurons { variant: Variant, weights: Vec<u32>, scales: Vec<u32> },
}

/// How an element type is kept: what has no reader of its own is widened to f32, exactly.
fn row_variant(element_type: ElementType, columns: usize) -> Variant {
    match element_type {
        ElementType::F16 => Variant::F16,
        ElementType::BF16 => Variant::BF16,
        ElementType::Q8_0 if columns.is_multiple_of(32) => Variant::Q8_0,
        ElementType::Q4_0 if columns.is_multiple_of(32) => Variant::Q4_0,
        _ => Variant::F32,
    }
}

fn block_scale(block: &[u8]) -> u32 {
    u32::from(u16::from_le_bytes([block[0], block[1]]))
}

/// Element `i` (0 to 31) of a Q4_0 block, with its offset of 8: low nibbles are the first sixteen.
fn q4_0_quant(block: &[u8], i: usize) -> u32 {
    u32::from(block[2 + i % 16] >> (4 * (i / 16)) & 15)
}

impl MatrixUpload {
    pub(super) fn new(device: &Device, descriptor: &MatrixDescriptor) -> Result<Self> {
        let target = match descriptor.layout {
            Layout::RowMajor => Self::rows(device, descriptor)?,
            Layout::NeuronMajor => Self::neurons(descriptor)?,
        };
        Ok(Self { descriptor: descriptor.clone(), rows_done: 0, target })
    }

    fn rows(device: &Device, descriptor: &MatrixDescriptor) -> Result<Target> {
        let MatrixDescriptor { name, rows, columns, .. } = descriptor;
        let variant = row_variant(descriptor.element_type, *columns);
        let (weight_words, scale_words) = match variant {
            Variant::F16 | Variant::BF16 => (columns.next_multiple_of(32) / 2, 0),
            Variant::Q8_0 => (columns / 4, (columns / 32).div_ceil(2)),
            Variant::Q4_0 => (columns / 8, (columns / 32).div_ceil(2)),
            _ => (columns.next_multiple_of(32), 0),
        };
        let rows_a_part = (device.binding_limit / (weight_words as u64 * 4)).min(*rows as u64) as usize;
        if rows_a_part == 0 {
            return Err(Error::OutOfDeviceMemory(format!("{name}: one row alone is over the device's binding limit")));
        }
        let mut parts = Vec::new();
        for first_row in (0..*rows).step_by(rows_a_part) {
            let rows = rows_a_part.min(rows - first_row);
            let weights = device.storage((rows * weight_words) as u64 * 4, name)?;
            let scales = match scale_words {
                0 => None,
                words => Some(device.storage((rows * words) as u64 * 4, name)?),
            };
            parts.push(Part { first_row, rows, weights, scales });
        }
        Ok(Target::Rows { variant, weight_words, scale_words, parts })
    }

    fn neurons(descriptor: &MatrixDescriptor) -> Result<Target> {
        let MatrixDescriptor { name, rows: hidden, columns: neurons, .. } = descriptor;
        // Counted in 64 bits: a build of 32 must refuse, not wrap.
        let (neurons, hidden) = (*neurons as u64, *hidden as u64);
        let padded = hidden.next_multiple_of(8);
        let (variant, weights, scales) = match row_variant(descriptor.element_type, descriptor.columns) {
            Variant::Q8_0 => (Variant::NeuronsQ8_0, neurons * padded / 4, neurons / 32 * padded / 2),
            Variant::Q4_0 => (Variant::NeuronsQ4_0, neurons * padded / 8, neurons / 32 * padded / 2),
            kept @ (Variant::F16 | Variant::BF16) => (kept, neurons * (hidden.next_multiple_of(32) / 2), 0),
            _ => (Variant::F32, neurons * hidden.next_multiple_of(32), 0),
        };
        Ok(Target::Neurons { variant, weights: zeroed(weights, name)?, scales: zeroed(scales, name)? })
    }

    pub(super) fn upload_rows(&mut self, device: &mut Device, bytes: &[u8]) -> Result<()> {
        let row_bytes = self.descriptor.check_rows(bytes, self.rows_done)?;
        let MatrixDescriptor { element_type, rows, columns, .. } = &self.descriptor;
        let mut bytes = bytes;
        while !bytes.is_empty() {
            let row = self.rows_done;
            match &mut self.target {
                Target::Rows { variant, weight_words, scale_words, parts } => {
                    // As many rows as go to one part, with one write for all of them.
                    let part = parts.iter().rfind(|part| part.first_row <= row).expect("parts cover every row");
                    let local = row - part.first_row;
                    let taken = (bytes.len() / row_bytes).min(part.rows - local);
                    let mut weights = vec![0; taken * *weight_words];
                    let mut scales = vec![0; taken * *scale_words];
                    for (i, encoded) in bytes[..taken * row_bytes].chunks_exact(row_bytes).enumerate() {
                        let weights = &mut weights[i * *weight_words..];
                        let scales = &mut scales[i * *scale_words..];
                        pack(
                            *variant,
                            *element_type,
                            encoded,
                            *columns,
                            |word, bits| weights[word] |= bits,
                            |block, scale| scales[block / 2] |= scale << (16 * (block % 2)),
                        )?;
                    }
                    device.write(&part.weights, (local * *weight_words) as u64, &weights);
                    if let Some(buffer) = &part.scales {
                        device.write(buffer, (local * *scale_words) as u64, &scales);
                    }
                    bytes = &bytes[taken * row_bytes..];
                    self.rows_done += taken;
                }
                Target::Neurons { variant, weights, scales } => {
                    let (encoded, rest) = bytes.split_at(row_bytes);
                    transpose_row(*variant, *element_type, encoded, row, *rows, *columns, weights, scales)?;
                    bytes = rest;
                    self.rows_done += 1;
                }
            }
        }
        Ok(())
    }

    pub(super) fn finish(self, device: &mut Device) -> Result<Matrix> {
        self.descriptor.check_whole(self.rows_done)?;
        let MatrixDescriptor { name, rows, columns, .. } = self.descriptor;
        Ok(match self.target {
            Target::Rows { variant, parts, .. } => Matrix { rows, columns, variant, parts },
            Target::Neurons { variant, weights, scales } => {
                let mut upload = |words: &[u32]| -> Result<Buffer> {
                    let buffer = device.storage(words.len() as u64 * 4, &name)?;
                    device.write(&buffer, 0, words);
                    Ok(buffer)
                };
                let scales = if scales.is_empty() { None } else { Some(upload(&scales)?) };
                let part = Part { first_row: 0, rows: columns, weights: upload(&weights)?, scales };
                Matrix { rows, columns, variant, parts: vec![part] }
            }
        })
    }
}

/// Gives the words (to be or-ed together) and the scales by block of one row.
fn pack(
    variant: Variant,
    element_type: ElementType,
    encoded: &[u8],
    columns: usize,
    mut word: impl FnMut(usize, u32),
    mut scale: impl FnMut(usize, u32),
) -> Result<()> {
    match variant {
        Variant::F16 | Variant::BF16 => {
            for (i, bits) in encoded.chunks_exact(2).enumerate() {
                word(i / 2, block_scale(bits) << (16 * (i % 2)));
            }
        }
        Variant::Q8_0 => {
            for (block, bytes) in encoded.chunks_exact(34).enumerate() {
                scale(block, block_scale(bytes));
                for (i, quant) in bytes[2..].iter().enumerate() {
                    word((block * 32 + i) / 4, u32::from(*quant) << (8 * (i % 4)));
                }
            }
        }
        Variant::Q4_0 => {
            for (block, bytes) in encoded.chunks_exact(18).enumerate() {
                scale(block, block_scale(bytes));
                for (i, byte) in bytes[2..].iter().enumerate() {
                    word(block * 4 + i / 4, u32::from(*byte) << (8 * (i % 4)));
                }
            }
        }
        _ => {
            let mut values = vec![0.0; columns];
            element_type.decode(encoded, &mut values)?;
            values.iter().enumerate().for_each(|(i, value)| word(i, value.to_bits()));
        }
    }
    Ok(())
}

/// Puts one row of the file (hidden value `row`, all neurons) into the neuron-major planes.
#[expect(clippy::too_many_arguments, reason = "one call; a struct would only rename them")]
fn transpose_row(
    variant: Variant,
    element_type: ElementType,
    encoded: &[u8],
    row: usize,
    hidden: usize,
    neurons: usize,
    weights: &mut [u32],
    scales: &mut [u32],
) -> Result<()> {
    let padded = hidden.next_multiple_of(8);
    let mut put_scale = |block: usize, scale: u32| scales[(block * padded + row) / 2] |= scale << (16 * (row % 2));
    match variant {
        Variant::NeuronsQ8_0 => {
            for (block, bytes) in encoded.chunks_exact(34).enumerate() {
                put_scale(block, block_scale(bytes));
                for (i, quant) in bytes[2..].iter().enumerate() {
                    weights[((block * 32 + i) * padded + row) / 4] |= u32::from(*quant) << (8 * (row % 4));
                }
            }
        }
        Variant::NeuronsQ4_0 => {
            for (block, bytes) in encoded.chunks_exact(18).enumerate() {
                put_scale(block, block_scale(bytes));
                for i in 0..32 {
                    weights[((block * 32 + i) * padded + row) / 8] |= q4_0_quant(bytes, i) << (4 * (row % 8));
                }
            }
        }
        Variant::F16 | Variant::BF16 => {
            let stride = hidden.next_multiple_of(32);
            for (neuron, bits) in encoded.chunks_exact(2).enumerate() {
                weights[(neuron * stride + row) / 2] |= block_scale(bits) << (16 * (row % 2));
            }
        }
        _ => {
            let mut values = vec![0.0; neurons];
            element_type.decode(encoded, &mut values)?;
            let stride = hidden.next_multiple_of(32);
            for (neuron, value) in values.iter().enumerate() {
                weights[neuron * stride + row] = value.to_bits();
            }
        }
    }
    Ok(())
}

fn zeroed(length: u64, name: &str) -> Result<Vec<u32>> {
    let mut words = Vec::new();
    let reserved = usize::try_from(length).ok().filter(|length| words.try_reserve_exact(*length).is_ok());
    let Some(length) = reserved else {
        return Err(Error::OutOfDeviceMemory(format!("{name}: {length} words do not fit in memory")));
    };
    words.resize(length, 0);
    Ok(words)
}
