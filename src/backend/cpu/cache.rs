//! The cache of latents: integers with a scale for each 32 values.

use super::{
    activations::{ActivationBlock, BLOCK},
    panels::zeroed,
    simd::Simd,
};
use crate::{Error, Result, model::Config};
use bytemuck::{Pod, Zeroable};

/// Entries of a record.
pub const ENTRIES: usize = 32;
/// Those of them that a vector has a pair of values of.
pub const TOGETHER: usize = 8;
/// The largest integer of an entry and of a query for it: 32 products of two are summed in 32 bits. With a scale for each
/// 32, what is rounded off is about as much as f16 would take off.
pub const MOST: f32 = 8191.0;

/// Thirty-two values of 32 entries.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(16))]
pub struct CacheRecord {
    pub scales: [f32; ENTRIES],
    /// For eight entries and each pair of values, eight times two integers.
    quants: [[[i16; 2 * TOGETHER]; BLOCK / 2]; ENTRIES / TOGETHER],
}

impl CacheRecord {
    /// Writes at most 32 values of an entry.
    fn put(&mut self, entry: usize, values: &[f32]) {
        let block = ActivationBlock::within(values, MOST);
        self.scales[entry] = block.scale;
        for (quants, pair) in self.quants[entry / TOGETHER].iter_mut().zip(block.pairs) {
            quants[entry % TOGETHER * 2..][..2].copy_from_slice(&pair);
        }
    }

    /// For each pair of values the integers of entries 8 `eight` and seven more.
    #[inline(always)]
    pub fn pairs_of_values<S: Simd>(&self, s: S, eight: usize) -> impl Iterator<Item = S::I16> {
        s.rolled(&self.quants[eight]).iter().map(move |quants| s.load_i16(bytemuck::cast_ref(quants)))
    }

    /// For each eight entries the integers of values 2 `pair` and one more, in turn: of entries 0 and 4, of 1 and 5, of 2 and 6,
    /// and of 3 and 7.
    #[inline(always)]
    pub fn pairs_of_entries<S: Simd>(&self, s: S, pair: usize) -> impl Iterator<Item = S::I16> {
        s.rolled(&self.quants)
            .iter()
            .map(move |quants| s.interleave_halves(s.load_i16(bytemuck::cast_ref(&quants[pair]))))
    }
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

    /// Blocks of the latent.
    pub fn latent_blocks(self) -> usize {
        self.rank.div_ceil(BLOCK)
    }

    /// Those, and blocks of the rotated key.
    pub fn blocks(self) -> usize {
        self.latent_blocks() + self.rope.div_ceil(BLOCK)
    }

    /// Of one layer.
    pub fn bytes_a_token(self) -> usize {
        self.blocks() * size_of::<CacheRecord>() / ENTRIES
    }
}

/// For each layer [capacity / 32, blocks] records: blocks of the latents, then of the rotated keys, either filled up with zeros.
pub struct Cache {
    layers: Vec<Vec<CacheRecord>>,
    capacity: usize,
    pub shape: EntryShape,
}

impl Cache {
    /// # Errors
    /// [`Error::OutOfDeviceMemory`]
    pub fn new(shape: EntryShape, layers: usize, capacity: usize) -> Result<Self> {
        let records = shape.blocks().checked_mul(capacity.div_ceil(ENTRIES));
        let layers = (0..layers).map(|_| zeroed(records, "the cache"));
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

    /// Writes a token's latent and rotated key.
    pub fn put(&mut self, layer: usize, position: usize, latent: &[f32], k_pe: &[f32]) {
        let blocks = self.shape.blocks();
        let records = &mut self.layers[layer][position / ENTRIES * blocks..][..blocks];
        for (record, values) in records.iter_mut().zip(latent.chunks(BLOCK).chain(k_pe.chunks(BLOCK))) {
            record.put(position % ENTRIES, values);
        }
    }

    /// Takes over the first `entries` entries of another, and whatever else is in their records.
    pub fn copy(&mut self, from: &Self, entries: usize) {
        for layer in 0..self.layers.len() {
            self.records_mut(layer, entries).copy_from_slice(from.records(layer, entries));
        }
    }

    /// As [`Cache::records`].
    pub fn records_mut(&mut self, layer: usize, entries: usize) -> &mut [CacheRecord] {
        let count = entries.div_ceil(ENTRIES) * self.shape.blocks();
        &mut self.layers[layer][..count]
    }

    /// The records of a layer's first entries.
    pub fn records(&self, layer: usize, entries: usize) -> &[CacheRecord] {
        &self.layers[layer][..entries.div_ceil(ENTRIES) * self.shape.blocks()]
    }
}
