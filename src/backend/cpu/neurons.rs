//! Weights of the down projection, neuron by neuron, so that those of a neuron that is zero are never read: the matrix is
//! cut into tiles of 128 hidden values, and in a tile the weights of each neuron lie together.
//!
//! A record is one tile's part of 32 neurons, or of 256 where the file's blocks have as many: neighbouring neurons share scales,
//! one for each hidden value. A vector of eight 16-bit lanes has, of one neuron, byte c of lane i for hidden value 16 j + 8 c + i,
//! or nibble c for 32 j + 8 c + i, where j is the number of the vector; value c of six bits, of which three vectors have
//! eight, belongs to 64 j + 8 c + i. Two neurons are multiplied at a time: their lanes are interleaved, so that one dot product
//! adds up both.

use super::{
    activations::{MOST, inverse, scale_of},
    blocks::{EncodedRow, Format, Records, fixed16, on, q4_0_quants, q4_k_quants, q6_k_quants},
    panels::zeroed,
    pool::Pool,
    simd::{InstructionSet, Kernel, Simd},
};
use crate::{
    Result,
    backend::arithmetic::nearest,
    weights::{half_at, scale_and_min},
};
use bytemuck::Zeroable;
use std::{array::from_fn, ops::Range};

/// Hidden values of a tile.
pub const TILE: usize = 128;

/// Groups whose weights are fetched together.
const FETCHED: usize = 8;

/// The active neurons of one token, as the kernels take them.
#[derive(Default)]
struct ActiveGroups {
    groups: Vec<Group>,
    pairs: Vec<Pair>,
}

/// Active neurons that share scales of weights; they share a scale of their own too.
struct Group {
    /// Of all groups of the matrix.
    index: usize,
    pairs: Range<usize>,
    /// What the integers are multiples of.
    scale: f32,
    integer_sum: i32,
}

/// Two active neurons, by their numbers in the group. Where their count is odd, the last one's other is zero.
struct Pair {
    neurons: [u8; 2],
    integers: [i16; 2],
}

impl ActiveGroups {
    /// `active` has neurons in ascending order; `length` neurons are a group.
    fn new(active: &[(u32, f32)], length: usize) -> Self {
        let (mut groups, mut pairs) = (Vec::new(), Vec::with_capacity(active.len()));
        for neurons in active.chunk_by(|a, b| a.0 as usize / length == b.0 as usize / length) {
            let larger = |most: f32, value: f32| if most.is_nan() || value <= most { most } else { value };
            let most = neurons.iter().fold(0.0, |most, (_, value)| larger(most, *value));
            let scale = scale_of(&[most], MOST);
            let inverse = inverse(scale);
            let (first, mut integer_sum) = (pairs.len(), 0);
            for pair in neurons.chunks(2) {
                let (a, b) = (pair[0], pair.get(1).copied().unwrap_or((pair[0].0, 0.0)));
                let integers = [a.1, b.1].map(|value| nearest(value * inverse));
                integer_sum += integers[0] + integers[1];
                pairs.push(Pair {
                    neurons: [a.0, b.0].map(|neuron| (neuron as usize % length) as u8),
                    integers: integers.map(|integer| integer as i16),
                });
            }
            groups.push(Group { index: neurons[0].0 as usize / length, pairs: first..pairs.len(), scale, integer_sum });
        }
        Self { groups, pairs }
    }
}

/// One tile's part of some neurons.
trait NeuronRecord: Zeroable + Copy + Send + Sync + 'static {
    /// Of a record.
    const NEURONS: usize;
    /// Neurons that share scales.
    const GROUP: usize;

    /// Adds what a row of the file, hidden value `at` of the tile, has of the neurons of record `index`.
    fn put(&mut self, at: usize, encoded: &EncodedRow<'_>, index: usize);
    /// Asks for what [`NeuronRecord::multiply_add`] will read of a group.
    fn fetch<S: Simd>(&self, s: S, group: &Group, pairs: &[Pair]);
    /// Adds the product of active neurons of this record to the tile. No two calls are for the same group.
    fn multiply_add<S: Simd>(&self, s: S, groups: &[Group], pairs: &[Pair], to: &mut [f32; TILE]);
}

/// Asks for the active neurons among those of a group.
#[inline(always)]
fn fetch_neurons<S: Simd, const BYTES: usize>(s: S, neurons: &[[[u8; 16]; BYTES]], group: &Group, pairs: &[Pair]) {
    for pair in &pairs[group.pairs.clone()] {
        for neuron in pair.neurons {
            if let Some(neuron) = neurons.get(usize::from(neuron)) {
                s.fetch(neuron.as_flattened());
            }
        }
    }
}

/// to[8 i..] += sums[i] scales, for the eight lanes that are `at` 8 i.
#[inline(always)]
fn add_to<S: Simd>(s: S, to: &mut [f32; TILE], at: usize, sum: S::F32, scale: S::F32) {
    let to = eight_mut(to, at);
    *to = s.store_f32(s.mul_add(sum, scale, s.load_f32(to)));
}

#[inline(always)]
fn eight<T>(values: &[T; TILE], at: usize) -> &[T; 8] {
    match values[at..].first_chunk() {
        Some(eight) => eight,
        None => unreachable!("lanes begin at multiples of eight"),
    }
}

#[inline(always)]
fn eight_mut<T>(values: &mut [T; TILE], at: usize) -> &mut [T; 8] {
    match values[at..].first_chunk_mut() {
        Some(eight) => eight,
        None => unreachable!("lanes begin at multiples of eight"),
    }
}

/// Nibble `C` of each lane.
#[inline(always)]
fn nibble<S: Simd, const C: u32>(s: S, lanes: S::I16) -> S::I16 {
    match C {
        0 => s.and(lanes, 15),
        1 => s.and(s.shift_right::<4>(lanes), 15),
        2 => s.and(s.shift_right::<8>(lanes), 15),
        _ => s.shift_right::<12>(lanes),
    }
}

/// The eight values of six bits that each lane of three vectors has: two in the lower twelve bits of each vector, and two whose
/// low bits are above those of the first and of the second, and whose high bits are above those of the third.
#[inline(always)]
fn six_bits<S: Simd>(s: S, [a, b, c]: [S::I16; 3]) -> [S::I16; 8] {
    [
        s.and(a, 63),
        s.and(s.shift_right::<6>(a), 63),
        s.and(b, 63),
        s.and(s.shift_right::<6>(b), 63),
        s.and(c, 63),
        s.and(s.shift_right::<6>(c), 63),
        s.or(s.shift_right::<12>(a), s.and(s.shift_right::<8>(c), 0x30)),
        s.or(s.shift_right::<12>(b), s.and(s.shift_right::<10>(c), 0x30)),
    ]
}

/// Puts value `index` of a lane where [`six_bits`] finds it. Nothing was there before.
fn put_six_bits(vectors: &mut [[u8; 16]; 3], lane: usize, index: usize, quant: u8) {
    let quant = u16::from(quant);
    let bits = match index {
        0 => [quant, 0, 0],
        1 => [quant << 6, 0, 0],
        2 => [0, quant, 0],
        3 => [0, quant << 6, 0],
        4 => [0, 0, quant],
        5 => [0, 0, quant << 6],
        6 => [quant << 12, 0, quant >> 4 << 12],
        _ => [0, quant << 12, quant >> 4 << 14],
    };
    for (vector, bits) in vectors.iter_mut().zip(bits) {
        vector[2 * lane..][..2].iter_mut().zip(bits.to_le_bytes()).for_each(|(to, bits)| *to |= bits);
    }
}

/// Byte `C` of each lane, with its sign.
#[inline(always)]
fn signed_byte<S: Simd, const C: u32>(s: S, lanes: S::I16) -> S::I16 {
    match C {
        0 => s.shift_right_signed::<8>(s.shift_left::<8>(lanes)),
        _ => s.shift_right_signed::<8>(lanes),
    }
}

/// The products of two nibbles and two integers, for 32 hidden values.
#[inline(always)]
fn nibble_products<S: Simd>(s: S, lanes: S::I16, integers: S::I16, sums: &mut [S::I32; 4]) {
    sums[0] = s.dot_add(sums[0], nibble::<S, 0>(s, lanes), integers);
    sums[1] = s.dot_add(sums[1], nibble::<S, 1>(s, lanes), integers);
    sums[2] = s.dot_add(sums[2], nibble::<S, 2>(s, lanes), integers);
    sums[3] = s.dot_add(sums[3], nibble::<S, 3>(s, lanes), integers);
}

/// Sums of nibbles of a group's neurons, for hidden values 32 j of the tile and 31 more.
#[inline(always)]
fn nibble_sums<S: Simd>(s: S, quants: &[[[u8; 16]; 4]; 32], j: usize, pairs: &[Pair], start: i32) -> [S::I32; 4] {
    let mut sums = [s.splat_i32(start); 4];
    for pair in pairs {
        let [a, b] = pair.neurons.map(|neuron| &quants[usize::from(neuron) % 32][j]);
        nibble_products(s, s.interleave(a, b), s.splat_pair(pair.integers), &mut sums);
    }
    sums
}

/// Puts a nibble, or the low bits of a larger quant, where hidden value `at` has its own.
fn put_nibble(vectors: &mut [[u8; 16]; 4], at: usize, quant: u8) {
    let nibble = at % 32 / 8;
    vectors[at / 32][at % 8 * 2 + nibble / 2] |= (quant & 15) << (nibble % 2 * 4);
}

#[derive(Clone, Copy, Zeroable)]
#[repr(C, align(64))]
struct NeuronsQ8_0 {
    scales: [u16; TILE],
    quants: [[[u8; 16]; 8]; 32],
}

impl NeuronRecord for NeuronsQ8_0 {
    const NEURONS: usize = 32;
    const GROUP: usize = 32;

    fn put(&mut self, at: usize, encoded: &EncodedRow<'_>, index: usize) {
        self.scales[at] = encoded.scale_bits(index);
        for (vectors, quant) in self.quants.iter_mut().zip(&encoded.block(index)[2..]) {
            vectors[at / 16][at % 8 * 2 + at % 16 / 8] = *quant;
        }
    }

    #[inline(always)]
    fn fetch<S: Simd>(&self, s: S, group: &Group, pairs: &[Pair]) {
        s.fetch(bytemuck::cast_slice(&self.scales));
        fetch_neurons(s, &self.quants, group, pairs);
    }

    #[inline(always)]
    fn multiply_add<S: Simd>(&self, s: S, groups: &[Group], pairs: &[Pair], to: &mut [f32; TILE]) {
        for group in groups {
            let scale = s.splat_f32(group.scale);
            for j in 0..4 {
                let mut sums = [s.splat_i32(0); 4];
                for pair in &pairs[group.pairs.clone()] {
                    let [a, b] = pair.neurons.map(|neuron| &self.quants[usize::from(neuron) % 32]);
                    let integers = s.splat_pair(pair.integers);
                    for half in 0..2 {
                        let lanes = s.interleave(&a[2 * j + half], &b[2 * j + half]);
                        sums[2 * half] = s.dot_add(sums[2 * half], signed_byte::<S, 0>(s, lanes), integers);
                        sums[2 * half + 1] = s.dot_add(sums[2 * half + 1], signed_byte::<S, 1>(s, lanes), integers);
                    }
                }
                for (i, sum) in sums.into_iter().enumerate() {
                    let at = 32 * j + 8 * i;
                    add_to(s, to, at, s.to_f32(sum), s.mul(s.half(eight(&self.scales, at)), scale));
                }
            }
        }
    }
}

#[derive(Clone, Copy, Zeroable)]
#[repr(C, align(64))]
struct NeuronsQ4_0 {
    scales: [u16; TILE],
    quants: [[[u8; 16]; 4]; 32],
}

impl NeuronRecord for NeuronsQ4_0 {
    const NEURONS: usize = 32;
    const GROUP: usize = 32;

    fn put(&mut self, at: usize, encoded: &EncodedRow<'_>, index: usize) {
        self.scales[at] = encoded.scale_bits(index);
        let quants = q4_0_quants(encoded.block(index));
        self.quants.iter_mut().zip(quants).for_each(|(vectors, quant)| put_nibble(vectors, at, quant));
    }

    #[inline(always)]
    fn fetch<S: Simd>(&self, s: S, group: &Group, pairs: &[Pair]) {
        s.fetch(bytemuck::cast_slice(&self.scales));
        fetch_neurons(s, &self.quants, group, pairs);
    }

    #[inline(always)]
    fn multiply_add<S: Simd>(&self, s: S, groups: &[Group], pairs: &[Pair], to: &mut [f32; TILE]) {
        for group in groups {
            let scale = s.splat_f32(group.scale);
            for j in 0..4 {
                let start = -8 * group.integer_sum;
                let sums = nibble_sums(s, &self.quants, j, &pairs[group.pairs.clone()], start);
                for (i, sum) in sums.into_iter().enumerate() {
                    let at = 32 * j + 8 * i;
                    add_to(s, to, at, s.to_f32(sum), s.mul(s.half(eight(&self.scales, at)), scale));
                }
            }
        }
    }
}

#[derive(Clone, Copy, Zeroable)]
#[repr(C, align(64))]
struct NeuronsQ4K {
    d: [f32; TILE],
    dmin: [f32; TILE],
    parts: [PartQ4K; 8],
}

/// Thirty-two neurons.
#[derive(Clone, Copy, Zeroable)]
#[repr(C)]
struct PartQ4K {
    scales: [u8; TILE],
    mins: [u8; TILE],
    quants: [[[u8; 16]; 4]; 32],
}

impl NeuronRecord for NeuronsQ4K {
    const NEURONS: usize = 256;
    const GROUP: usize = 32;

    fn put(&mut self, at: usize, encoded: &EncodedRow<'_>, index: usize) {
        let block = encoded.block(index);
        (self.d[at], self.dmin[at]) = (half_at(block, 0), half_at(block, 2));
        for (index, part) in self.parts.iter_mut().enumerate() {
            (part.scales[at], part.mins[at]) = scale_and_min(&block[4..16], index);
            let quants = q4_k_quants(block, index);
            part.quants.iter_mut().zip(quants).for_each(|(vectors, quant)| put_nibble(vectors, at, quant));
        }
    }

    #[inline(always)]
    fn fetch<S: Simd>(&self, s: S, group: &Group, pairs: &[Pair]) {
        let part = &self.parts[group.index % 8];
        s.fetch(&part.scales);
        s.fetch(&part.mins);
        fetch_neurons(s, &part.quants, group, pairs);
    }

    #[inline(always)]
    fn multiply_add<S: Simd>(&self, s: S, groups: &[Group], pairs: &[Pair], to: &mut [f32; TILE]) {
        let (mut totals, mut mins) = ([0.0; TILE], [0.0; TILE]);
        for group in groups {
            let part = &self.parts[group.index % 8];
            let scale = s.splat_f32(group.scale);
            let value_sum = s.splat_f32(-group.scale * group.integer_sum as f32);
            for j in 0..4 {
                let sums = nibble_sums(s, &part.quants, j, &pairs[group.pairs.clone()], 0);
                for (i, sum) in sums.into_iter().enumerate() {
                    let at = 32 * j + 8 * i;
                    add_to(s, &mut totals, at, s.to_f32(sum), s.mul(s.load_u8(eight(&part.scales, at)), scale));
                    add_to(s, &mut mins, at, s.load_u8(eight(&part.mins, at)), value_sum);
                }
            }
        }
        for at in (0..TILE).step_by(8) {
            add_to(s, to, at, s.load_f32(eight(&totals, at)), s.load_f32(eight(&self.d, at)));
            add_to(s, to, at, s.load_f32(eight(&mins, at)), s.load_f32(eight(&self.dmin, at)));
        }
    }
}

#[derive(Clone, Copy, Zeroable)]
#[repr(C, align(64))]
struct NeuronsQ6K {
    d: [f32; TILE],
    parts: [PartQ6K; 16],
}

/// Sixteen neurons.
#[derive(Clone, Copy, Zeroable)]
#[repr(C)]
struct PartQ6K {
    scales: [i8; TILE],
    /// Three vectors for either half of the hidden values.
    quants: [[[u8; 16]; 6]; 16],
}

impl NeuronRecord for NeuronsQ6K {
    const NEURONS: usize = 256;
    const GROUP: usize = 16;

    fn put(&mut self, at: usize, encoded: &EncodedRow<'_>, index: usize) {
        let block = encoded.block(index);
        self.d[at] = half_at(block, 208);
        for (index, parts) in self.parts.chunks_exact_mut(2).enumerate() {
            let quants = q6_k_quants(block, index);
            for (half, part) in parts.iter_mut().enumerate() {
                part.scales[at] = block[192 + 2 * index + half] as i8;
                for (neuron, quant) in quants[16 * half..][..16].iter().enumerate() {
                    put_six_bits(&mut part.quants[neuron].as_chunks_mut().0[at / 64], at % 8, at % 64 / 8, *quant);
                }
            }
        }
    }

    #[inline(always)]
    fn fetch<S: Simd>(&self, s: S, group: &Group, pairs: &[Pair]) {
        let part = &self.parts[group.index % 16];
        s.fetch(bytemuck::cast_slice(&part.scales));
        fetch_neurons(s, &part.quants, group, pairs);
    }

    #[inline(always)]
    fn multiply_add<S: Simd>(&self, s: S, groups: &[Group], pairs: &[Pair], to: &mut [f32; TILE]) {
        let mut totals = [0.0; TILE];
        for group in groups {
            let part = &self.parts[group.index % 16];
            let scale = s.splat_f32(group.scale);
            for j in 0..2 {
                let mut sums = [s.splat_i32(-32 * group.integer_sum); 8];
                for pair in &pairs[group.pairs.clone()] {
                    let [a, b] = pair.neurons.map(|neuron| usize::from(neuron) % 16);
                    let integers = s.splat_pair(pair.integers);
                    let quants = from_fn(|i| s.interleave(&part.quants[a][3 * j + i], &part.quants[b][3 * j + i]));
                    for (sum, quants) in sums.iter_mut().zip(six_bits(s, quants)) {
                        *sum = s.dot_add(*sum, quants, integers);
                    }
                }
                for (i, sum) in sums.into_iter().enumerate() {
                    let at = 64 * j + 8 * i;
                    add_to(s, &mut totals, at, s.to_f32(sum), s.mul(s.load_i8(eight(&part.scales, at)), scale));
                }
            }
        }
        for at in (0..TILE).step_by(8) {
            add_to(s, to, at, s.load_f32(eight(&totals, at)), s.load_f32(eight(&self.d, at)));
        }
    }
}

/// 16-bit integers.
#[derive(Clone, Copy, Zeroable)]
#[repr(C, align(64))]
struct NeuronsFixed16 {
    scales: [f32; TILE],
    quants: [[[u8; 16]; 16]; 32],
}

impl NeuronRecord for NeuronsFixed16 {
    const NEURONS: usize = 32;
    const GROUP: usize = 32;

    fn put(&mut self, at: usize, encoded: &EncodedRow<'_>, index: usize) {
        let quants = &mut self.quants;
        self.scales[at] = fixed16(encoded.values(index * 32, 32), |neuron, quant| {
            quants[neuron][at / 8][at % 8 * 2..][..2].copy_from_slice(&quant.to_le_bytes());
        });
    }

    #[inline(always)]
    fn fetch<S: Simd>(&self, s: S, group: &Group, pairs: &[Pair]) {
        s.fetch(bytemuck::cast_slice(&self.scales));
        fetch_neurons(s, &self.quants, group, pairs);
    }

    #[inline(always)]
    fn multiply_add<S: Simd>(&self, s: S, groups: &[Group], pairs: &[Pair], to: &mut [f32; TILE]) {
        for group in groups {
            let scale = s.splat_f32(group.scale);
            for j in 0..TILE / 8 {
                let mut sum = s.splat_f32(0.0);
                for pair in &pairs[group.pairs.clone()] {
                    let [a, b] = pair.neurons.map(|neuron| &self.quants[usize::from(neuron) % 32][j]);
                    let product = s.dot_add(s.splat_i32(0), s.interleave(a, b), s.splat_pair(pair.integers));
                    sum = s.add(sum, s.to_f32(product));
                }
                add_to(s, to, 8 * j, sum, s.mul(s.load_f32(eight(&self.scales, 8 * j)), scale));
            }
        }
    }
}

/// A matrix [hidden, neurons] for sparse products.
pub struct NeuronTiles {
    pub hidden: usize,
    pub neurons: usize,
    records: KeptRecords,
    /// What sums are to be multiplied with.
    units: Vec<[f32; TILE]>,
}

/// [tile][record]
type KeptRecords = Records<NeuronsQ8_0, NeuronsQ4_0, NeuronsQ4K, NeuronsQ6K, NeuronsFixed16>;

impl NeuronTiles {
    /// A matrix of zeros, for [`NeuronTiles::put`] to fill.
    ///
    /// # Errors
    /// [`crate::Error::OutOfDeviceMemory`]
    pub fn new(format: Format, hidden: usize, neurons: usize, name: &str) -> Result<Self> {
        fn records<R: NeuronRecord>(hidden: usize, neurons: usize, name: &str) -> Result<Vec<R>> {
            zeroed(hidden.div_ceil(TILE).checked_mul(neurons.div_ceil(R::NEURONS)), name)
        }
        let records = match format {
            Format::Q8_0 => Records::Q8_0(records(hidden, neurons, name)?),
            Format::Q4_0 => Records::Q4_0(records(hidden, neurons, name)?),
            Format::Q4K => Records::Q4K(records(hidden, neurons, name)?),
            Format::Q6K => Records::Q6K(records(hidden, neurons, name)?),
            Format::Fixed16 => Records::Fixed16(records(hidden, neurons, name)?),
        };
        Ok(Self { hidden, neurons, records, units: vec![[1.0; TILE]; hidden.div_ceil(TILE)] })
    }

    /// Puts a row of the file, one hidden value of all neurons, in its place.
    pub fn put(&mut self, row: usize, encoded: &EncodedRow<'_>) {
        fn put<R: NeuronRecord>(records: &mut [R], row: usize, neurons: usize, encoded: &EncodedRow<'_>) {
            let count = neurons.div_ceil(R::NEURONS);
            for (index, record) in records[row / TILE * count..][..count].iter_mut().enumerate() {
                record.put(row % TILE, encoded, index);
            }
        }
        on!(&mut self.records, records => put(records, row, self.neurons, encoded));
        if matches!(self.records, Records::Q8_0(_) | Records::Q4_0(_)) {
            self.units[row / TILE][row % TILE] = encoded.unit();
        }
    }

    /// Adds to each token's row of `residual` [tokens, hidden] the product with its active neurons, which are in ascending order.
    pub fn multiply_add(&self, set: InstructionSet, pool: &Pool, active: &[Vec<(u32, f32)>], residual: &mut [f32]) {
        let tokens = active.len();
        let length = on!(&self.records, records => group_of(records));
        let mut groups: Vec<ActiveGroups> = Vec::new();
        groups.resize_with(tokens, ActiveGroups::default);
        let at_once = tokens.div_ceil(4 * pool.threads());
        let count: usize = active.iter().map(Vec::len).sum();
        pool.run(&mut groups, at_once, 4 * count, |piece, groups| {
            for (groups, active) in groups.iter_mut().zip(&active[piece * at_once..]) {
                *groups = ActiveGroups::new(active, length);
            }
        });
        // [tile][token]
        let mut sums = vec![[0.0; TILE]; self.units.len() * tokens];
        pool.run(&mut sums, tokens, count * self.hidden, |tile, sums| {
            on!(&self.records, records => {
                let count = self.neurons.div_ceil(neurons_of(records));
                set.run(MultiplyTile { records: &records[tile * count..][..count], active: &groups, sums });
            });
        });
        let values = residual.len();
        pool.run(residual, self.hidden, values, |token, row| {
            for (tile, row) in row.chunks_mut(TILE).enumerate() {
                let sums = sums[tile * tokens + token].iter().zip(&self.units[tile]);
                row.iter_mut().zip(sums).for_each(|(row, (sum, unit))| *row += sum * unit);
            }
        });
    }
}

fn group_of<R: NeuronRecord>(_records: &[R]) -> usize {
    R::GROUP
}

fn neurons_of<R: NeuronRecord>(_records: &[R]) -> usize {
    R::NEURONS
}

/// A tile times the active neurons of some tokens.
struct MultiplyTile<'a, R> {
    records: &'a [R],
    active: &'a [ActiveGroups],
    sums: &'a mut [[f32; TILE]],
}

impl<R: NeuronRecord> Kernel for MultiplyTile<'_, R> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let groups_a_record = R::NEURONS / R::GROUP;
        for (active, sums) in self.active.iter().zip(self.sums) {
            let same = |a: &Group, b: &Group| a.index / groups_a_record == b.index / groups_a_record;
            let mut next = active.groups.chunks(FETCHED);
            next.next();
            for groups in active.groups.chunks(FETCHED) {
                for group in next.next().unwrap_or_default() {
                    self.records[group.index / groups_a_record].fetch(s, group, &active.pairs);
                }
                for groups in groups.chunk_by(same) {
                    self.records[groups[0].index / groups_a_record].multiply_add(s, groups, &active.pairs, sums);
                }
            }
        }
    }
}
