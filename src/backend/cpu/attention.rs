//! Latent attention in the absorbed form: scores and sums are taken from the latents themselves, for a prompt too. With chunks of
//! 256 tokens, expanding keys and values would cost about as much.

use super::{
    activations::{self, ActivationBlock, BLOCK, quantise},
    blocks::{EncodedRow, Format},
    cache::{CacheRecord, ENTRIES, EntryShape, MOST, TOGETHER},
    panels::Panels,
    rows::ROWS,
    simd::{InstructionSet, Kernel, Simd},
};
use crate::{
    Result,
    backend::{
        MatrixDescriptor,
        arithmetic::{exponentials, largest},
    },
};
use std::array::from_fn;

/// Heads whose queries are multiplied with an entry of the cache together.
const HEADS: usize = 4;
/// So many where threads would have nothing to do otherwise. Each takes 1.15 times as long.
const FEWER_HEADS: usize = 2;
/// The largest integer that a scale of an entry becomes. Of products of two such numbers eight are summed in 32 bits.
const MOST_SCALE: f32 = 16383.0;

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

/// How many of a token's heads a thread takes at a time, where threads share that token: fewer take longer for each, so they are
/// taken only where the busiest thread has fewer in all.
pub fn heads_at_once(heads: usize, threads: usize) -> usize {
    let busiest = |at_once: usize| heads.div_ceil(at_once).div_ceil(threads) * at_once;
    if busiest(FEWER_HEADS) < busiest(HEADS) { FEWER_HEADS } else { HEADS }
}

/// One token's attention, of some of its heads.
pub struct Attend<'a> {
    /// [heads, nope + rope], rotated.
    pub queries: &'a [f32],
    /// Those of the heads.
    pub key: &'a [Panels],
    pub value: &'a [Panels],
    /// Of the entries that the token sees, and of how many there are.
    pub records: &'a [CacheRecord],
    pub entries: usize,
    pub shape: EntryShape,
    /// What scores are multiplied with.
    pub scale: f32,
    /// [heads, v]
    pub out: &'a mut [f32],
}

impl Attend<'_> {
    pub fn run(self, set: InstructionSet) {
        if self.key.len() > FEWER_HEADS { self.together::<HEADS>(set) } else { self.together::<FEWER_HEADS>(set) }
    }

    /// `N` heads together.
    fn together<const N: usize>(self, set: InstructionSet) {
        let (shape, heads) = (self.shape, self.key.len());
        let (qk, v) = (self.queries.len() / heads, self.out.len() / heads);
        let heads = self.queries.chunks(N * qk).zip(self.key.chunks(N)).zip(self.value.chunks(N));
        for (((queries, key), value), out) in heads.zip(self.out.chunks_mut(N * v)) {
            let queries = &absorb::<N>(set, queries, qk, key, shape, self.scale);
            let mut sums = vec![[[[0.0; ROWS]; BLOCK / ROWS]; N]; shape.latent_blocks()];
            set.run(SumLatents { queries, records: self.records, entries: self.entries, sums: &mut sums });
            for (head, (value, out)) in value.iter().zip(out.chunks_exact_mut(v)).enumerate() {
                let latent: Vec<_> =
                    sums.iter().map(|block| ActivationBlock::new(block[head].as_flattened())).collect();
                let mut sums = vec![[0.0; ROWS]; v.div_ceil(ROWS)];
                value.multiply_here(set, &latent, &mut sums);
                out.copy_from_slice(&sums.as_flattened()[..v]);
            }
        }
    }
}

/// Thirty-two values of each of some heads, as integers.
#[derive(Clone, Copy)]
struct HeadBlock<const N: usize> {
    /// [pair][head]
    pairs: [[[i16; 2]; N]; BLOCK / 2],
    scales: [f32; N],
}

impl<const N: usize> HeadBlock<N> {
    const ZEROS: Self = Self { pairs: [[[0; 2]; N]; BLOCK / 2], scales: [0.0; N] };

    #[inline(always)]
    fn put(&mut self, head: usize, values: &[f32]) {
        let block = ActivationBlock::within(values, MOST);
        self.pairs.iter_mut().zip(block.pairs).for_each(|(pairs, pair)| pairs[head] = pair);
        self.scales[head] = block.scale;
    }
}

/// Queries of latents, by blocks as the cache has them: scale (Wk^T q_nope, q_pe). Heads that are missing are zero.
fn absorb<const N: usize>(
    set: InstructionSet,
    queries: &[f32],
    qk: usize,
    key: &[Panels],
    shape: EntryShape,
    scale: f32,
) -> Vec<HeadBlock<N>> {
    let mut blocks = vec![HeadBlock::<N>::ZEROS; shape.blocks()];
    let mut latent = vec![[0.0; ROWS]; shape.rank.div_ceil(ROWS)];
    for (head, (query, key)) in queries.chunks_exact(qk).zip(key).enumerate() {
        let (q_nope, q_pe) = query.split_at(qk - shape.rope);
        let q_nope: Vec<_> = quantise(q_nope).collect();
        key.multiply_here(set, &q_nope, &mut latent);
        let values = latent.as_flattened()[..shape.rank].chunks(BLOCK).chain(q_pe.chunks(BLOCK));
        for (block, values) in blocks.iter_mut().zip(values) {
            block.put(head, values);
            block.scales[head] *= scale;
        }
    }
    blocks
}

/// Softmax over the entries' products with the queries, and the entries' latents summed by it. Scores are exponentiated against
/// the largest so far, and what was summed before is corrected where a larger one comes (arXiv 1805.02867).
struct SumLatents<'a, const N: usize> {
    /// Scaled.
    queries: &'a [HeadBlock<N>],
    records: &'a [CacheRecord],
    entries: usize,
    /// Zeros, to become the sums: [block][head].
    sums: &'a mut [[[[f32; ROWS]; BLOCK / ROWS]; N]],
}

impl<const N: usize> Kernel for SumLatents<'_, N> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let blocks = self.queries.len();
        let (mut most, mut total) = ([f32::NEG_INFINITY; N], [0.0; N]);
        for (index, records) in self.records.chunks_exact(blocks).enumerate() {
            let count = (self.entries - index * ENTRIES).min(ENTRIES);
            let mut weights = [[0.0; ENTRIES]; N];
            for eight in 0..count.div_ceil(TOGETHER) {
                for (weights, scores) in weights.iter_mut().zip(scores(s, records, eight, self.queries)) {
                    weights.as_chunks_mut().0[eight] = s.store_f32(scores);
                }
            }
            let mut corrections = [0.0; N];
            for (head, weights) in weights.iter_mut().enumerate() {
                weights[count..].fill(f32::NEG_INFINITY);
                let larger = largest(weights, most[head]);
                corrections[head] = (most[head] - larger).exp();
                let mut sum = s.splat_f32(0.0);
                for weights in weights.as_chunks_mut().0 {
                    exponentials(weights, larger);
                    sum = s.add(sum, s.load_f32(weights));
                }
                weights[count..].fill(0.0);
                total[head] = total[head] * corrections[head] + s.sum(sum);
                most[head] = larger;
            }
            let weights = weights.map(|weights| {
                let weights = ActivationBlock::within(&weights, activations::MOST);
                (ordered(&weights), weights.scale)
            });
            for (record, sums) in records.iter().zip(self.sums.iter_mut()) {
                add_latents(s, record, &weights, count, &corrections, sums);
            }
        }
        for sums in self.sums {
            for (sums, total) in sums.iter_mut().zip(total) {
                sums.as_flattened_mut().iter_mut().for_each(|sum| *sum /= total);
            }
        }
    }
}

/// For each head the products of its query with entries 8 `eight` and seven more.
#[inline(always)]
fn scores<S: Simd, const N: usize>(
    s: S,
    records: &[CacheRecord],
    eight: usize,
    queries: &[HeadBlock<N>],
) -> [S::F32; N] {
    let mut sums = [s.splat_f32(0.0); N];
    for (record, query) in records.iter().zip(queries) {
        let mut products = [s.splat_i32(0); N];
        for (quants, pairs) in record.pairs_of_values(s, eight).zip(&query.pairs) {
            for (product, pair) in products.iter_mut().zip(pairs) {
                *product = s.dot_add(*product, quants, s.splat_pair(*pair));
            }
        }
        let scales = s.load_f32(&record.scales.as_chunks().0[eight]);
        for (head, sum) in sums.iter_mut().enumerate() {
            let scales = s.mul(scales, s.splat_f32(query.scales[head]));
            *sum = s.mul_add(s.to_f32(products[head]), scales, *sum);
        }
    }
    sums
}

/// Integers for the entries of a record, in the order of [`CacheRecord::pairs_of_entries`].
type Ordered = [[i16; 2 * TOGETHER]; ENTRIES / TOGETHER];

fn ordered(block: &ActivationBlock) -> Ordered {
    let integers: [[i16; TOGETHER]; ENTRIES / TOGETHER] = bytemuck::cast(block.pairs);
    integers.map(|eight| from_fn(|i| eight[i / 4 + i % 2 * 4]))
}

/// sums corrections + weights latents, for 32 values of the latents of the first `count` entries, and for each head.
#[inline(always)]
fn add_latents<S: Simd, const N: usize>(
    s: S,
    record: &CacheRecord,
    weights: &[(Ordered, f32); N],
    count: usize,
    corrections: &[f32; N],
    sums: &mut [[[f32; ROWS]; BLOCK / ROWS]; N],
) {
    let mut scales = record.scales;
    // What was in the cache before may be no number.
    scales[count..].fill(0.0);
    let scales = ActivationBlock::within(&scales, MOST_SCALE);
    let scale_of_scales = scales.scale * 32768.0;
    let scales = ordered(&scales);
    // What an entry's integers are multiplied with: [eight][head].
    let factors: [[[i16; 2 * TOGETHER]; N]; ENTRIES / TOGETHER] = from_fn(|eight| {
        let scales = s.load_i16(bytemuck::cast_ref(&scales[eight]));
        from_fn(|head| {
            let weights = s.load_i16(bytemuck::cast_ref(&weights[head].0[eight]));
            s.store_i16(s.multiply_high(weights, scales))
        })
    });
    for eight in 0..BLOCK / ROWS {
        let products: [[S::I32; N]; 4] = from_fn(|pair| {
            let mut products = [s.splat_i32(0); N];
            for (latents, factors) in record.pairs_of_entries(s, 4 * eight + pair).zip(s.rolled(&factors)) {
                for (product, factors) in products.iter_mut().zip(factors) {
                    *product = s.dot_add_anywhere(*product, latents, s.load_i16(bytemuck::cast_ref(factors)));
                }
            }
            products
        });
        for (head, sums) in sums.iter_mut().enumerate() {
            let product = s.to_f32(s.sum_of_pairs(products.each_ref().map(|products| products[head])));
            let sum = s.mul(s.load_f32(&sums[eight]), s.splat_f32(corrections[head]));
            sums[eight] = s.store_f32(s.mul_add(product, s.splat_f32(weights[head].1 * scale_of_scales), sum));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cpu::cache::Cache;

    #[test]
    fn fewer_heads_are_taken_where_the_busiest_thread_has_less_to_do() {
        let expected = [(16, 1, 4), (16, 4, 4), (16, 6, 4), (16, 8, 2), (12, 2, 2), (12, 3, 4), (12, 4, 4), (1, 3, 2)];
        for (heads, threads, at_once) in expected {
            assert_eq!(heads_at_once(heads, threads), at_once, "{heads} heads on {threads} threads");
        }
    }

    #[test]
    fn what_the_cache_had_in_later_entries_does_not_matter() {
        let shape = EntryShape { rank: 40, rope: 6 };
        let entry = |position: usize, length: usize, value: f32| -> Vec<f32> {
            (0..length).map(|i| ((position * 31 + i * 7) as f32).sin() * value).collect()
        };
        let mut query = vec![HeadBlock::<HEADS>::ZEROS; shape.blocks()];
        for (index, block) in query.iter_mut().enumerate() {
            (0..HEADS).for_each(|head| block.put(head, &entry(head + index, BLOCK, 0.3)));
        }
        for later in [1e30, f32::NAN] {
            let sums_of = |entries: usize, all: usize| {
                let mut cache = Cache::new(shape, 1, 64).unwrap();
                for position in 0..all {
                    let value = if position < entries { 1.0 } else { later };
                    let (latent, k_pe) = (entry(position, shape.rank, value), entry(position, shape.rope, value));
                    cache.put(0, position, &latent, &k_pe);
                }
                let mut sums = vec![[[[0.0; ROWS]; BLOCK / ROWS]; HEADS]; shape.latent_blocks()];
                let records = cache.records(0, entries);
                InstructionSet::best().run(SumLatents { queries: &query, records, entries, sums: &mut sums });
                sums
            };
            for entries in [1, 3, 8, 31, 33, 40] {
                assert_eq!(sums_of(entries, 64), sums_of(entries, entries), "{entries} entries, then {later}");
            }
        }
    }
}
