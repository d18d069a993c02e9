//! A matrix for products of whole rows: panels of eight rows, each a run of records.

use super::{
    activations::ActivationBlock,
    blocks::{EncodedRow, Format, Records, on},
    pool::Pool,
    rows::{DecodedBlock, ROWS, RowRecord, RowsFixed16, RowsQ4_0, RowsQ4K, RowsQ6K, RowsQ8_0, Sums, multiply_decoded},
    simd::{InstructionSet, Kernel, Simd},
};
use crate::{Error, Result};
use bytemuck::{Zeroable, allocation::try_zeroed_vec};
use std::array::from_fn;

/// Tokens whose sums stay in registers together.
const TOKENS: usize = 4;
/// Panels of a vector product that are read side by side.
const STREAMS: usize = if cfg!(feature = "bytes") { 8 } else { 4 };
/// Weights of a piece of a vector product, about: some hundred microseconds' work.
const PIECE: usize = 1 << 20;

/// A matrix [rows, columns] as records.
pub struct Panels {
    pub rows: usize,
    pub columns: usize,
    records: KeptRecords,
    /// What sums are to be multiplied with.
    units: Vec<[f32; ROWS]>,
}

/// [panel][record]
type KeptRecords = Records<RowsQ8_0, RowsQ4_0, RowsQ4K, RowsQ6K, RowsFixed16>;

/// Zeros, if there is memory for them. Pages of it that nobody writes to take none.
pub fn zeroed<T: Zeroable>(count: Option<usize>, what: &str) -> Result<Vec<T>> {
    let values = count.and_then(|count| try_zeroed_vec(count).ok());
    values.ok_or_else(|| Error::OutOfDeviceMemory(format!("{what} does not fit in memory")))
}

impl Panels {
    /// A matrix of zeros, for [`Panels::put`] to fill.
    ///
    /// # Errors
    /// [`Error::OutOfDeviceMemory`]
    pub fn new(format: Format, rows: usize, columns: usize, name: &str) -> Result<Self> {
        fn records<R: RowRecord>(rows: usize, columns: usize, name: &str) -> Result<Vec<R>> {
            zeroed(rows.div_ceil(ROWS).checked_mul(columns.div_ceil(R::COLUMNS)), name)
        }
        let records = match format {
            Format::Q8_0 => Records::Q8_0(records(rows, columns, name)?),
            Format::Q4_0 => Records::Q4_0(records(rows, columns, name)?),
            Format::Q4K => Records::Q4K(records(rows, columns, name)?),
            Format::Q6K => Records::Q6K(records(rows, columns, name)?),
            Format::Fixed16 => Records::Fixed16(records(rows, columns, name)?),
        };
        Ok(Self { rows, columns, records, units: vec![[1.0; ROWS]; rows.div_ceil(ROWS)] })
    }

    /// Puts a row in its place.
    pub fn put(&mut self, row: usize, encoded: &EncodedRow<'_>) {
        fn put<R: RowRecord>(records: &mut [R], row: usize, columns: usize, encoded: &EncodedRow<'_>) {
            let count = columns.div_ceil(R::COLUMNS);
            for (index, record) in records[row / ROWS * count..][..count].iter_mut().enumerate() {
                record.put(row % ROWS, encoded, index);
            }
        }
        on!(&mut self.records, records => put(records, row, self.columns, encoded));
        if matches!(self.records, Records::Q8_0(_) | Records::Q4_0(_)) {
            self.units[row / ROWS][row % ROWS] = encoded.unit();
        }
    }

    /// Decodes a row.
    pub fn decode_row(&self, set: InstructionSet, row: usize, to: &mut [f32]) {
        struct Decode<'a, R>(&'a [R], &'a mut [DecodedBlock]);
        impl<R: RowRecord> Kernel for Decode<'_, R> {
            #[inline(always)]
            fn run<S: Simd>(self, s: S) {
                decode(s, self.0, self.1);
            }
        }
        let mut blocks = self.decoded_panel();
        on!(&self.records, records => set.run(Decode(self.panel(records, row / ROWS), &mut blocks)));
        let unit = self.units[row / ROWS][row % ROWS];
        for (to, block) in to.chunks_mut(32).zip(&blocks) {
            to.iter_mut().enumerate().for_each(|(column, to)| *to = block.weight(row % ROWS, column) * unit);
        }
    }

    /// Room for a panel.
    fn decoded_panel(&self) -> Vec<DecodedBlock> {
        let blocks = on!(&self.records, records => self.panel(records, 0).len() * columns_of(records) / 32);
        vec![DecodedBlock::zeroed(); blocks]
    }

    fn panel<'a, R: RowRecord>(&self, records: &'a [R], panel: usize) -> &'a [R] {
        let count = self.columns.div_ceil(R::COLUMNS);
        &records[panel * count..][..count]
    }

    /// W x for each of some tokens: [tokens, rows]. x is [tokens] runs of blocks.
    pub fn multiply(&self, set: InstructionSet, pool: &Pool, x: &[ActivationBlock], tokens: usize) -> Vec<f32> {
        let panels = self.rows.div_ceil(ROWS);
        // [panel][token]
        let mut sums = vec![[0.0; ROWS]; panels * tokens];
        let at_once = self.panels_at_once(tokens, pool.threads());
        pool.run(&mut sums, at_once * tokens, self.rows * self.columns * tokens, |piece, sums| {
            let first = piece * at_once;
            on!(&self.records, records => {
                let count = self.panel(records, 0).len();
                let records = &records[first * count..][..sums.len() / tokens * count];
                let units = &self.units[first..];
                match tokens {
                    1 => set.run(MultiplyOne { records, units, x, sums }),
                    _ => set.run(MultiplyMany { records, units, x, sums, decoded: self.decoded_panel() }),
                }
            });
        });
        if tokens == 1 {
            let mut rows = sums.into_flattened();
            rows.truncate(self.rows);
            return rows;
        }
        let mut rows = vec![0.0; tokens * self.rows];
        pool.run(&mut rows, self.rows, tokens * self.rows, |token, row| {
            for (panel, row) in row.chunks_mut(ROWS).enumerate() {
                row.copy_from_slice(&sums[panel * tokens + token][..row.len()]);
            }
        });
        rows
    }

    /// Panels of a piece.
    fn panels_at_once(&self, tokens: usize, threads: usize) -> usize {
        let panels = self.rows.div_ceil(ROWS);
        // One thread has nobody to share with, and long runs of panels are read faster than short ones.
        if threads == 1 {
            return panels;
        }
        // Some pieces for each thread, so that one that is held up leaves the others little to wait for.
        let most = (PIECE / (ROWS * self.columns)).clamp(1, panels.div_ceil(4 * threads));
        // Those of a vector product fill all streams, where that leaves enough for everyone.
        if tokens == 1 && panels >= STREAMS * threads { (most / STREAMS * STREAMS).max(STREAMS) } else { most }
    }

    /// W x for one token, on this thread.
    pub fn multiply_here(&self, set: InstructionSet, x: &[ActivationBlock], sums: &mut [[f32; ROWS]]) {
        on!(&self.records, records => set.run(MultiplyOne { records, units: &self.units, x, sums }));
    }
}

fn columns_of<R: RowRecord>(_records: &[R]) -> usize {
    R::COLUMNS
}

#[inline(always)]
fn decode<S: Simd, R: RowRecord>(s: S, panel: &[R], to: &mut [DecodedBlock]) {
    for (record, to) in panel.iter().zip(to.chunks_exact_mut(R::COLUMNS / 32)) {
        record.decode(s, to);
    }
}

/// Panels times one token.
struct MultiplyOne<'a, R> {
    records: &'a [R],
    units: &'a [[f32; ROWS]],
    x: &'a [ActivationBlock],
    sums: &'a mut [[f32; ROWS]],
}

impl<R: RowRecord> Kernel for MultiplyOne<'_, R> {
    /// Several runs of panels side by side, a record of each in turn: memory gives several streams of bytes faster than one, as
    /// long as so few operations are done with each that the processor has loads of all of them in flight.
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let count = self.records.len() / self.sums.len();
        let panel = |index: usize| &self.records[index * count..][..count];
        let length = self.sums.len() / STREAMS;
        for index in 0..length {
            let panels: [usize; STREAMS] = from_fn(|stream| stream * length + index);
            let sums = multiply_panels(s, panels.map(panel), self.x);
            for (panel, sum) in panels.into_iter().zip(sums) {
                self.sums[panel] = s.store_f32(s.mul(sum, s.load_f32(&self.units[panel])));
            }
        }
        for index in STREAMS * length..self.sums.len() {
            let [sum] = multiply_panels(s, [panel(index)], self.x);
            self.sums[index] = s.store_f32(s.mul(sum, s.load_f32(&self.units[index])));
        }
    }
}

/// Panels times one token, but for the rows' units.
#[inline(always)]
fn multiply_panels<S: Simd, R: RowRecord, const N: usize>(
    s: S,
    panels: [&[R]; N],
    x: &[ActivationBlock],
) -> [S::F32; N] {
    let mut sums = [s.splat_f32(0.0); N];
    for (index, x) in x.chunks(R::COLUMNS / 32).enumerate() {
        for (part, x) in x.iter().enumerate() {
            for (sum, panel) in sums.iter_mut().zip(panels) {
                *sum = panel[index].multiply_add(s, part, x, *sum);
            }
        }
    }
    sums
}

/// Panels times several tokens: each is decoded once.
struct MultiplyMany<'a, R> {
    records: &'a [R],
    units: &'a [[f32; ROWS]],
    /// [token][block]
    x: &'a [ActivationBlock],
    /// [panel][token]
    sums: &'a mut [[f32; ROWS]],
    /// Room for a panel.
    decoded: Vec<DecodedBlock>,
}

impl<R: RowRecord> Kernel for MultiplyMany<'_, R> {
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let blocks = self.decoded.len();
        let tokens = self.x.len() / blocks;
        let panels = self.records.chunks_exact(blocks * 32 / R::COLUMNS);
        for ((panel, unit), sums) in panels.zip(self.units).zip(self.sums.chunks_exact_mut(tokens)) {
            decode(s, panel, &mut self.decoded);
            let unit = s.load_f32(unit);
            let mut groups = sums.chunks_exact_mut(TOKENS).zip(self.x.chunks_exact(TOKENS * blocks));
            for (sums, x) in &mut groups {
                multiply_tokens::<S, TOKENS>(s, R::SUMS, &self.decoded, x, unit, sums);
            }
            let done = tokens / TOKENS * TOKENS;
            for (token, sum) in sums.iter_mut().enumerate().skip(done) {
                let x = &self.x[token * blocks..][..blocks];
                multiply_tokens::<S, 1>(s, R::SUMS, &self.decoded, x, unit, std::slice::from_mut(sum));
            }
        }
    }
}

#[inline(always)]
fn multiply_tokens<S: Simd, const N: usize>(
    s: S,
    kind: Sums,
    weights: &[DecodedBlock],
    x: &[ActivationBlock],
    unit: S::F32,
    to: &mut [[f32; ROWS]],
) {
    let tokens: [&[ActivationBlock]; N] = from_fn(|token| &x[token * weights.len()..][..weights.len()]);
    let mut sums = [s.splat_f32(0.0); N];
    for (index, weights) in weights.iter().enumerate() {
        multiply_decoded(s, kind, weights, from_fn(|token| &tokens[token][index]), &mut sums);
    }
    for (to, sum) in to.iter_mut().zip(sums) {
        *to = s.store_f32(s.mul(sum, unit));
    }
}
