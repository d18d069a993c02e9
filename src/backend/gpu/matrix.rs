//! Weight matrices on the device: quantised weights stay quantised, in planes that shaders read by whole words.

use super::{
    device::{Buffer, Device, Dispatch},
    kernels::{Kernel, Variant},
    neurons::{Columns, GROUP, NeuronPlanes},
    planes::{RowWords, pack_row, row_variant, row_words},
};
use crate::{
    Error, Result,
    backend::{Layout, MatrixDescriptor},
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
    Rows { variant: Variant, words: RowWords, parts: Vec<Part> },
    /// Columns become rows, a group of the file's rows at a time.
    Neurons { planes: NeuronPlanes, part: Part, group: Group },
}

/// Some rows of the file on their way to the planes.
struct Group {
    planes: NeuronPlanes,
    /// Those that have come, as the file has them.
    rows: Vec<u8>,
    /// What they are when they are turned.
    weights: Vec<u32>,
    scales: Vec<u32>,
    /// Where the device takes them from.
    staging: (Buffer, Option<Buffer>),
}

impl MatrixUpload {
    pub(super) fn new(device: &Device, descriptor: &MatrixDescriptor) -> Result<Self> {
        let target = match descriptor.layout {
            Layout::RowMajor | Layout::Heads { .. } => Self::rows(device, descriptor)?,
            Layout::NeuronMajor => Self::neurons(device, descriptor)?,
        };
        Ok(Self { descriptor: descriptor.clone(), rows_done: 0, target })
    }

    fn rows(device: &Device, descriptor: &MatrixDescriptor) -> Result<Target> {
        let MatrixDescriptor { name, rows, columns, .. } = descriptor;
        let variant = row_variant(descriptor.element_type);
        let words = row_words(variant, *columns);
        let most_words = words.weights.max(words.scales) as u64;
        let rows_a_part = (device.binding_limit / (most_words * 4)).min(*rows as u64) as usize;
        if rows_a_part == 0 {
            return Err(Error::OutOfDeviceMemory(format!("{name}: one row alone is over the device's binding limit")));
        }
        let mut parts = Vec::new();
        for first_row in (0..*rows).step_by(rows_a_part) {
            let rows = rows_a_part.min(rows - first_row);
            let weights = device.storage(rows as u64 * words.weights as u64 * 4, name)?;
            let scales = match words.scales {
                0 => None,
                words => Some(device.storage(rows as u64 * words as u64 * 4, name)?),
            };
            parts.push(Part { first_row, rows, weights, scales });
        }
        Ok(Target::Rows { variant, words, parts })
    }

    fn neurons(device: &Device, descriptor: &MatrixDescriptor) -> Result<Target> {
        let MatrixDescriptor { name, rows: hidden, columns: neurons, .. } = descriptor;
        let planes = NeuronPlanes::new(descriptor.element_type, *neurons, *hidden);
        let turned = NeuronPlanes::new(descriptor.element_type, *neurons, GROUP);
        let buffers = |planes: &NeuronPlanes, name: &str| -> Result<(Buffer, Option<Buffer>)> {
            let (weights, scales) = planes.words();
            let scales = if scales == 0 { None } else { Some(device.storage(scales * 4, name)?) };
            Ok((device.storage(weights * 4, name)?, scales))
        };
        let (weights, scales) = buffers(&planes, name)?;
        let part = Part { first_row: 0, rows: *neurons, weights, scales };
        let staging = buffers(&turned, "turned rows")?;
        let (weights, scales) = if device.rehearses() { (0, 0) } else { turned.words() };
        let (weights, scales) = (zeroed(weights, name)?, zeroed(scales, name)?);
        let mut rows = Vec::new();
        let room = descriptor.element_type.byte_length(*neurons as u64).unwrap_or(0) * GROUP as u64;
        if !device.rehearses() && rows.try_reserve_exact(usize::try_from(room).unwrap_or(usize::MAX)).is_err() {
            return Err(Error::OutOfDeviceMemory(format!("{name}: {room} bytes do not fit in memory")));
        }
        let group = Group { planes: turned, rows, weights, scales, staging };
        Ok(Target::Neurons { planes, part, group })
    }

    pub(super) fn upload_rows(&mut self, device: &mut Device, bytes: &[u8]) -> Result<()> {
        let row_bytes = self.descriptor.check_rows(bytes, self.rows_done)?;
        let MatrixDescriptor { element_type, columns, .. } = &self.descriptor;
        let mut bytes = bytes;
        while !bytes.is_empty() {
            let row = self.rows_done;
            match &mut self.target {
                Target::Rows { variant, words, parts } => {
                    // As many rows as go to one part, with one write for all of them.
                    let part = parts.iter().rfind(|part| part.first_row <= row).expect("parts cover every row");
                    let local = row - part.first_row;
                    let taken = (bytes.len() / row_bytes).min(part.rows - local);
                    let mut weights = vec![0; taken * words.weights];
                    let mut scales = vec![0; taken * words.scales];
                    for (i, encoded) in bytes[..taken * row_bytes].chunks_exact(row_bytes).enumerate() {
                        let weights = &mut weights[i * words.weights..][..words.weights];
                        let scales = &mut scales[i * words.scales..][..words.scales];
                        pack_row(*variant, *element_type, encoded, *columns, weights, scales)?;
                    }
                    device.write(&part.weights, (local * words.weights) as u64, &weights);
                    if let Some(buffer) = &part.scales {
                        device.write(buffer, (local * words.scales) as u64, &scales);
                    }
                    bytes = &bytes[taken * row_bytes..];
                    self.rows_done += taken;
                }
                Target::Neurons { planes, part, group } => {
                    let done = row % GROUP;
                    let taken = (bytes.len() / row_bytes).min(GROUP - done);
                    group.rows.extend_from_slice(&bytes[..taken * row_bytes]);
                    bytes = &bytes[taken * row_bytes..];
                    self.rows_done += taken;
                    if done + taken == GROUP || self.rows_done == self.descriptor.rows {
                        group.rows.resize(GROUP * row_bytes, 0);
                        let Group { planes: turned, rows, weights, scales, .. } = group;
                        turned.turn(*element_type, rows, weights, scales)?;
                        group.rows.clear();
                        group.place(device, planes, part, row - done, done + taken)?;
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn finish(self, device: &mut Device) -> Result<Matrix> {
        if !device.rehearses() {
            self.descriptor.check_whole(self.rows_done)?;
        }
        let MatrixDescriptor { rows, columns, .. } = self.descriptor;
        Ok(match self.target {
            Target::Rows { variant, parts, .. } => Matrix { rows, columns, variant, parts },
            Target::Neurons { planes, part, group } => {
                if device.rehearses() {
                    group.place(device, &planes, &part, 0, 1)?;
                }
                Matrix { rows, columns, variant: planes.variant, parts: vec![part] }
            }
        })
    }
}

impl Group {
    /// Has the device put the group's first `count` rows, which are the file's from `first` on, where they belong.
    fn place(&self, device: &mut Device, planes: &NeuronPlanes, part: &Part, first: usize, count: usize) -> Result<()> {
        let (weights, scales) = planes.places(first, count);
        let mut place = |words: &[u32], from: &Buffer, to: &Buffer, all: &[Columns]| -> Result<()> {
            device.write(from, 0, words);
            for columns in all {
                let Columns { rows, width, from: (from_stride, from_first), to: (to_stride, to_first) } = *columns;
                device.dispatch(Dispatch {
                    kernel: Kernel::PlaceColumns,
                    variant: Variant::Plain,
                    buffers: &[(0, from), (1, to)],
                    params: &super::words([rows, width, from_stride, from_first, to_stride, to_first]),
                    workgroups: [width.div_ceil(16), rows.div_ceil(16), 1],
                    repeated: false,
                })?;
            }
            Ok(())
        };
        place(&self.weights, &self.staging.0, &part.weights, &weights)?;
        match (&self.staging.1, &part.scales, scales) {
            (Some(from), Some(to), Some(columns)) => place(&self.scales, from, to, &[columns]),
            _ => Ok(()),
        }
    }
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
