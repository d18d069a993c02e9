//! Latent attention in the absorbed form: scores and sums are taken from the latents themselves, for a prompt too. With chunks of
//! 256 tokens, expanding keys and values would cost about as much.

use super::{
    activations::quantise,
    blocks::{EncodedRow, Format},
    panels::{Panels, zeroed},
    rows::ROWS,
    simd::{InstructionSet, Kernel, Simd},
};
use crate::{Error, Result, backend::MatrixDescriptor, model::Config};
use std::array::from_fn;

/// Query rows that are multiplied with an entry of the cache together.
pub const HEADS: usize = 4;
/// Entries of the cache that are widened together.
const ENTRIES: usize = 16;

/// kv_b_proj as attention needs it, for each head.
pub struct HeadMatrices {
    /// Wk^T [rank, nope]: 16-bit integers, since no file has blocks along that axis.
    pub key: Vec<Panels>,
    /// Wv [v, rank], as the file has it.
    pub value: Vec<Panels>,
    nope: usize,
    /// Rows of Wk of the head that is arriving, decoded.
    arriving: Vec<f32>,
}

impl HeadMatrices {
    /// Matrices of zeros, for [`HeadMatrices::put`] to fill.
    ///
    /// # Errors
    /// [`Error::OutOfDeviceMemory`]
    pub fn new(descriptor: &MatrixDescriptor, nope: usize, v: usize) -> Result<Self> {
        let MatrixDescriptor { name, element_type, rows, columns, .. } = descriptor;
        let heads = rows / (nope + v);
        let format = Format::of(*element_type);
        let matrices = |format, rows, columns| (0..heads).map(|_| Panels::new(format, rows, columns, name)).collect();
        let key: Result<_> = matrices(Format::Fixed16, *columns, nope);
        let value: Result<_> = matrices(format, v, *columns);
        Ok(Self { key: key?, value: value?, nope, arriving: Vec::new() })
    }

    /// Puts a row of the file in its place.
    ///
    /// # Errors
    /// What decoding gives.
    pub fn put(&mut self, descriptor: &MatrixDescriptor, row: usize, encoded: &EncodedRow<'_>) -> Result<()> {
        let rank = descriptor.columns;
        let rows_a_head = descriptor.rows / self.key.len();
        let (head, row) = (row / rows_a_head, row % rows_a_head);
        if row >= self.nope {
            self.value[head].put(row - self.nope, encoded);
            return Ok(());
        }
        let start = self.arriving.len();
        self.arriving.resize(start + rank, 0.0);
        encoded.decode(descriptor.element_type, &mut self.arriving[start..])?;
        if row == self.nope - 1 {
            let mut column = vec![0.0; self.nope];
            for i in 0..rank {
                column.iter_mut().zip(self.arriving.chunks_exact(rank)).for_each(|(to, row)| *to = row[i]);
                self.key[head].put(i, &EncodedRow::of_values(&column));
            }
            self.arriving = Vec::new();
        }
        Ok(())
    }
}

/// For each layer [capacity, width] f16s: the latents, then the rotated keys, each filled up with zeros to whole vectors.
pub struct Cache {
    pub layers: Vec<Vec<u16>>,
    pub capacity: usize,
    pub shape: EntryShape,
}

/// How an entry of the cache, or a query for it, is laid out.
#[derive(Clone, Copy)]
pub struct EntryShape {
    pub rank: usize,
    pub rope: usize,
}

impl EntryShape {
    pub fn of(config: &Config) -> Self {
        Self { rank: config.kv_lora_rank, rope: config.qk_rope_head_dim }
    }

    /// Where the rotated part begins.
    pub fn rope_start(self) -> usize {
        self.rank.next_multiple_of(ROWS)
    }

    pub fn width(self) -> usize {
        self.rope_start() + self.rope.next_multiple_of(ROWS)
    }
}

impl Cache {
    /// # Errors
    /// [`Error::OutOfDeviceMemory`]
    pub fn new(config: &Config, capacity: usize) -> Result<Self> {
        let shape = EntryShape::of(config);
        let layers = (0..config.num_hidden_layers).map(|_| zeroed(shape.width().checked_mul(capacity), "the cache"));
        Ok(Self { layers: layers.collect::<Result<_>>()?, capacity, shape })
    }

    /// # Errors
    /// [`Error::ContextFull`] where the cache cannot hold so many tokens.
    pub fn check_room(&self, tokens: usize) -> Result<()> {
        if tokens <= self.capacity {
            return Ok(());
        }
        Err(Error::ContextFull(format!("{tokens} tokens do not fit in a context of {}", self.capacity)))
    }

    /// Where a token's entry is.
    pub fn entry(&mut self, layer: usize, position: usize) -> &mut [u16] {
        let width = self.shape.width();
        &mut self.layers[layer][position * width..][..width]
    }
}

/// One token's attention, of some of its heads.
pub struct Attend<'a> {
    /// [heads, nope + rope], rotated.
    pub queries: &'a [f32],
    /// Those of the heads.
    pub key: &'a [Panels],
    pub value: &'a [Panels],
    /// The entries that the token sees.
    pub entries: &'a [u16],
    pub shape: EntryShape,
    /// What scores are multiplied with.
    pub scale: f32,
    /// [heads, v]
    pub out: &'a mut [f32],
}

impl Attend<'_> {
    pub fn run(self, set: InstructionSet) {
        let heads = self.key.len();
        let (qk, v) = (self.queries.len() / heads, self.out.len() / heads);
        let heads = self.queries.chunks(HEADS * qk).zip(self.key.chunks(HEADS)).zip(self.value.chunks(HEADS));
        for (((queries, key), value), out) in heads.zip(self.out.chunks_mut(HEADS * v)) {
            let queries = absorb(set, queries, qk, key, self.shape, self.scale);
            let mut latents: Heads = from_fn(|_| vec![[0.0; ROWS]; self.shape.rope_start() / ROWS]);
            set.run(SumLatents { queries: &queries, entries: self.entries, shape: self.shape, sums: &mut latents });
            for ((latent, value), out) in latents.iter().zip(value).zip(out.chunks_exact_mut(v)) {
                let latent: Vec<_> = quantise(&latent.as_flattened()[..self.shape.rank]).collect();
                let mut sums = vec![[0.0; ROWS]; v.div_ceil(ROWS)];
                value.multiply_here(set, &latent, &mut sums);
                out.copy_from_slice(&sums.as_flattened()[..v]);
            }
        }
    }
}

/// For each head a vector of [`EntryShape::width`] values, or of its latent part, by eights.
type Heads = [Vec<[f32; ROWS]>; HEADS];

/// Queries of latents: scale (Wk^T q_nope, q_pe). Heads that are missing are zero.
fn absorb(set: InstructionSet, queries: &[f32], qk: usize, key: &[Panels], shape: EntryShape, scale: f32) -> Heads {
    let mut absorbed: Heads = from_fn(|_| vec![[0.0; ROWS]; shape.width() / ROWS]);
    for ((query, key), absorbed) in queries.chunks_exact(qk).zip(key).zip(&mut absorbed) {
        let (q_nope, q_pe) = query.split_at(qk - shape.rope);
        let q_nope: Vec<_> = quantise(q_nope).collect();
        let (latent, rotated) = absorbed.split_at_mut(shape.rope_start() / ROWS);
        key.multiply_here(set, &q_nope, latent);
        rotated.as_flattened_mut()[..shape.rope].copy_from_slice(q_pe);
        absorbed.as_flattened_mut().iter_mut().for_each(|value| *value *= scale);
    }
    absorbed
}

/// Softmax over the entries' products with the queries, and the entries' latents summed by it. Scores are exponentiated against
/// the largest so far, and what was summed before is corrected where a larger one comes (arXiv 1805.02867).
struct SumLatents<'a> {
    /// Scaled.
    queries: &'a Heads,
    entries: &'a [u16],
    shape: EntryShape,
    /// Zeros, to become the sums.
    sums: &'a mut Heads,
}

impl Kernel for SumLatents<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (vectors, latent_vectors) = (self.shape.width() / ROWS, self.shape.rope_start() / ROWS);
        let (mut most, mut total) = ([f32::NEG_INFINITY; HEADS], [0.0; HEADS]);
        let mut wide = vec![[0.0; ROWS]; ENTRIES * vectors];
        for entries in self.entries.chunks(ENTRIES * self.shape.width()) {
            for (wide, entry) in wide.iter_mut().zip(entries.as_chunks().0) {
                *wide = s.store_f32(s.half(entry));
            }
            let count = entries.len() / self.shape.width();
            let mut weights = [[0.0; ENTRIES]; HEADS];
            for (index, entry) in wide.chunks_exact(vectors).take(count).enumerate() {
                let mut products = [s.splat_f32(0.0); HEADS];
                for (vector, entry) in entry.iter().enumerate() {
                    let entry = s.load_f32(entry);
                    for (product, query) in products.iter_mut().zip(self.queries) {
                        *product = s.mul_add(s.load_f32(&query[vector]), entry, *product);
                    }
                }
                for (weights, product) in weights.iter_mut().zip(products) {
                    weights[index] = s.sum(product);
                }
            }
            let mut corrections = [0.0; HEADS];
            for head in 0..HEADS {
                let weights = &mut weights[head][..count];
                let larger = weights.iter().copied().fold(most[head], f32::max);
                corrections[head] = (most[head] - larger).exp();
                weights.iter_mut().for_each(|weight| *weight = (*weight - larger).exp());
                total[head] = total[head] * corrections[head] + weights.iter().sum::<f32>();
                most[head] = larger;
            }
            for vector in 0..latent_vectors {
                let mut sum: [S::F32; HEADS] =
                    from_fn(|head| s.mul(s.load_f32(&self.sums[head][vector]), s.splat_f32(corrections[head])));
                for (index, entry) in wide.chunks_exact(vectors).take(count).enumerate() {
                    let entry = s.load_f32(&entry[vector]);
                    for (sum, weights) in sum.iter_mut().zip(&weights) {
                        *sum = s.mul_add(entry, s.splat_f32(weights[index]), *sum);
                    }
                }
                for (sums, sum) in self.sums.iter_mut().zip(sum) {
                    sums[vector] = s.store_f32(sum);
                }
            }
        }
        for (sums, total) in self.sums.iter_mut().zip(total) {
            sums.as_flattened_mut().iter_mut().for_each(|sum| *sum /= total);
        }
    }
}
