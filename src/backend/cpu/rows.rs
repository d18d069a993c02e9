//! Weights of eight rows together, for products of whole rows with activations: each lane of a vector is a row, so that no sum
//! goes across lanes, and one load of the activations serves eight rows.
//!
//! A record is eight rows of 32 columns, or of 256 where the file's blocks have as many. A vector of sixteen 16-bit lanes has
//! columns 2 p and 2 p + 1 of each row: pair p, which is multiplied with pair p of an [`ActivationBlock`]. Where weights are
//! smaller than 16 bits, a lane has several: byte c of vector j belongs to pair 2 j + c, nibble c to pair 4 j + c; the two
//! high bits of Q6_K at 2 c of byte vector j belong to pair 4 j + c.

use super::{
    activations::ActivationBlock,
    blocks::{EncodedRow, fixed16, q4_0_quants, q4_k_quants, q6_k_quants},
    simd::{HALF_UNIT, Simd},
};
use crate::weights::{half_at, scale_and_min};
use bytemuck::Zeroable;

/// Rows of a record.
pub const ROWS: usize = 8;

/// Thirty-two columns of a record, decoded once to be multiplied with many tokens.
#[derive(Clone, Copy, Zeroable)]
pub struct DecodedBlock {
    /// For each pair of columns eight rows of two integers.
    pub quants: [[i16; 16]; 16],
    /// Those of either half of the columns.
    pub scales: [[f32; ROWS]; 2],
    /// What is to be taken off each weight.
    pub mins: [f32; ROWS],
}

impl DecodedBlock {
    /// A weight of these, but for its row's unit.
    pub fn weight(&self, row: usize, column: usize) -> f32 {
        let quant = self.quants[column / 2][2 * row + column % 2];
        self.scales[column / 16][row] * f32::from(quant) - self.mins[row]
    }
}

/// How a product of decoded weights goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sums {
    /// One sum of integers for all 32 columns.
    Whole,
    /// One for each half.
    Halves,
    /// A whole sum, and minima to take off.
    Mins,
    /// Products of 16 bits: the sum of two fills 32.
    Wide,
}

/// Eight rows of some columns.
pub trait RowRecord: Zeroable + Copy + Send + Sync + 'static {
    /// A multiple of 32.
    const COLUMNS: usize;
    const SUMS: Sums;

    /// Adds what an encoded row has in the columns of record `index`.
    fn put(&mut self, row: usize, encoded: &EncodedRow<'_>, index: usize);
    /// sum + W x, for COLUMNS / 32 blocks of x.
    fn multiply_add<S: Simd>(&self, s: S, x: &[ActivationBlock], sum: S::F32) -> S::F32;
    /// Decodes to COLUMNS / 32 blocks.
    fn decode<S: Simd>(&self, s: S, to: &mut [DecodedBlock]);
}

/// Nibble `C` of each lane.
#[inline(always)]
pub fn nibble<S: Simd, const C: u32>(s: S, lanes: S::I16) -> S::I16 {
    match C {
        0 => s.and(lanes, 15),
        1 => s.and(s.shift_right::<4>(lanes), 15),
        2 => s.and(s.shift_right::<8>(lanes), 15),
        _ => s.shift_right::<12>(lanes),
    }
}

/// Byte `C` of each lane, with its sign.
#[inline(always)]
pub fn signed_byte<S: Simd, const C: u32>(s: S, lanes: S::I16) -> S::I16 {
    match C {
        0 => s.shift_right_signed::<8>(s.shift_left::<8>(lanes)),
        _ => s.shift_right_signed::<8>(lanes),
    }
}

/// Byte `C` of each lane.
#[inline(always)]
fn byte<S: Simd, const C: u32>(s: S, lanes: S::I16) -> S::I16 {
    match C {
        0 => s.and(lanes, 255),
        _ => s.shift_right::<8>(lanes),
    }
}

/// Value `C` of each lane of Q6_K; `high` has its two high bits at 2 `C` for an even vector of nibbles, at 8 + 2 `C` for an odd
/// one.
#[inline(always)]
pub fn six_bits<S: Simd, const C: u32, const ODD: bool>(s: S, low: S::I16, high: S::I16) -> S::I16 {
    let high = match (ODD, C) {
        (false, 0) => s.shift_left::<4>(high),
        (false, 1) => s.shift_left::<2>(high),
        (false, 2) => high,
        (false, _) => s.shift_right::<2>(high),
        (true, 0) => s.shift_right::<4>(high),
        (true, 1) => s.shift_right::<6>(high),
        (true, 2) => s.shift_right::<8>(high),
        (true, _) => s.shift_right::<10>(high),
    };
    s.or(nibble::<S, C>(s, low), s.and(high, 0x30))
}

/// Puts nibbles of one row into four vectors.
fn put_nibbles(to: &mut [[u8; 32]; 4], row: usize, quants: &[u8; 32]) {
    for (j, vector) in to.iter_mut().enumerate() {
        let quant = |c: usize, column: usize| u16::from(quants[8 * j + 2 * c + column]) << (4 * c);
        for column in 0..2 {
            let lane = quant(0, column) | quant(1, column) | quant(2, column) | quant(3, column);
            vector[4 * row + 2 * column..][..2].copy_from_slice(&lane.to_le_bytes());
        }
    }
}

/// The products of nibbles in four vectors with a block of x.
#[inline(always)]
fn nibble_products<S: Simd>(s: S, quants: &[[u8; 32]; 4], x: &ActivationBlock, mut sum: S::I32) -> S::I32 {
    for (vector, pairs) in s.rolled(quants).iter().zip(s.rolled(x.pairs.as_chunks::<4>().0)) {
        let lanes = s.load_i16(vector);
        sum = s.dot_add(sum, nibble::<S, 0>(s, lanes), s.splat_pair(pairs[0]));
        sum = s.dot_add(sum, nibble::<S, 1>(s, lanes), s.splat_pair(pairs[1]));
        sum = s.dot_add(sum, nibble::<S, 2>(s, lanes), s.splat_pair(pairs[2]));
        sum = s.dot_add(sum, nibble::<S, 3>(s, lanes), s.splat_pair(pairs[3]));
    }
    sum
}

/// Nibbles in four vectors, each less by `zero`.
#[inline(always)]
fn decode_nibbles<S: Simd>(s: S, quants: &[[u8; 32]; 4], zero: i16, to: &mut [[i16; 16]; 16]) {
    for (j, vector) in quants.iter().enumerate() {
        let lanes = s.load_i16(vector);
        to[4 * j] = s.store_i16(s.add_i16(nibble::<S, 0>(s, lanes), -zero));
        to[4 * j + 1] = s.store_i16(s.add_i16(nibble::<S, 1>(s, lanes), -zero));
        to[4 * j + 2] = s.store_i16(s.add_i16(nibble::<S, 2>(s, lanes), -zero));
        to[4 * j + 3] = s.store_i16(s.add_i16(nibble::<S, 3>(s, lanes), -zero));
    }
}

#[inline(always)]
fn decode_halves<S: Simd>(s: S, bits: &[u16; ROWS]) -> [[f32; ROWS]; 2] {
    [s.store_f32(s.half(bits)); 2]
}

#[derive(Clone, Copy, Zeroable)]
pub struct RowsQ8_0 {
    scales: [u16; ROWS],
    /// Each 128 more than it is.
    quants: [[u8; 32]; 8],
}

impl RowRecord for RowsQ8_0 {
    const COLUMNS: usize = 32;
    const SUMS: Sums = Sums::Whole;

    fn put(&mut self, row: usize, encoded: &EncodedRow<'_>, index: usize) {
        self.scales[row] = encoded.scale_bits(index);
        for (vector, quants) in self.quants.iter_mut().zip(encoded.block(index)[2..].chunks_exact(4)) {
            // Byte c of column b is column 2 c + b of four.
            let quants = [quants[0], quants[2], quants[1], quants[3]];
            vector[4 * row..][..4].copy_from_slice(&quants.map(|quant| quant ^ 128));
        }
    }

    #[inline(always)]
    fn multiply_add<S: Simd>(&self, s: S, x: &[ActivationBlock], sum: S::F32) -> S::F32 {
        let [x] = x else { return sum };
        let mut products = s.splat_i32(-128 * x.integer_sum());
        let (vectors, pairs) = (self.quants.as_chunks::<2>().0, x.pairs.as_chunks::<4>().0);
        for ([a, b], pairs) in s.rolled(vectors).iter().zip(s.rolled(pairs)) {
            let (a, b) = (s.load_i16(a), s.load_i16(b));
            products = s.dot_add(products, byte::<S, 0>(s, a), s.splat_pair(pairs[0]));
            products = s.dot_add(products, byte::<S, 1>(s, a), s.splat_pair(pairs[1]));
            products = s.dot_add(products, byte::<S, 0>(s, b), s.splat_pair(pairs[2]));
            products = s.dot_add(products, byte::<S, 1>(s, b), s.splat_pair(pairs[3]));
        }
        let scales = s.mul(s.half_bits(&self.scales), s.splat_f32(x.scale * HALF_UNIT));
        s.mul_add(s.to_f32(products), scales, sum)
    }

    #[inline(always)]
    fn decode<S: Simd>(&self, s: S, to: &mut [DecodedBlock]) {
        let [to] = to else { return };
        for (to, vector) in to.quants.as_chunks_mut::<2>().0.iter_mut().zip(&self.quants) {
            let lanes = s.load_i16(vector);
            *to = [byte::<S, 0>(s, lanes), byte::<S, 1>(s, lanes)].map(|quants| s.store_i16(s.add_i16(quants, -128)));
        }
        to.scales = decode_halves(s, &self.scales);
    }
}

#[derive(Clone, Copy, Zeroable)]
pub struct RowsQ4_0 {
    scales: [u16; ROWS],
    quants: [[u8; 32]; 4],
}

impl RowRecord for RowsQ4_0 {
    const COLUMNS: usize = 32;
    const SUMS: Sums = Sums::Whole;

    fn put(&mut self, row: usize, encoded: &EncodedRow<'_>, index: usize) {
        self.scales[row] = encoded.scale_bits(index);
        put_nibbles(&mut self.quants, row, &q4_0_quants(encoded.block(index)));
    }

    #[inline(always)]
    fn multiply_add<S: Simd>(&self, s: S, x: &[ActivationBlock], sum: S::F32) -> S::F32 {
        let [x] = x else { return sum };
        let products = nibble_products(s, &self.quants, x, s.splat_i32(-8 * x.integer_sum()));
        let scales = s.mul(s.half_bits(&self.scales), s.splat_f32(x.scale * HALF_UNIT));
        s.mul_add(s.to_f32(products), scales, sum)
    }

    #[inline(always)]
    fn decode<S: Simd>(&self, s: S, to: &mut [DecodedBlock]) {
        let [to] = to else { return };
        decode_nibbles(s, &self.quants, 8, &mut to.quants);
        to.scales = decode_halves(s, &self.scales);
    }
}

/// Scales of blocks of 256 are kept as f32: as f16 they are often subnormal, and there are few of them.
#[derive(Clone, Copy, Zeroable)]
pub struct RowsQ4K {
    d: [f32; ROWS],
    dmin: [f32; ROWS],
    parts: [PartQ4K; 8],
}

#[derive(Clone, Copy, Zeroable)]
struct PartQ4K {
    scales: [u8; ROWS],
    mins: [u8; ROWS],
    quants: [[u8; 32]; 4],
}

impl RowRecord for RowsQ4K {
    const COLUMNS: usize = 256;
    const SUMS: Sums = Sums::Mins;

    fn put(&mut self, row: usize, encoded: &EncodedRow<'_>, index: usize) {
        let block = encoded.block(index);
        (self.d[row], self.dmin[row]) = (half_at(block, 0), half_at(block, 2));
        for (index, part) in self.parts.iter_mut().enumerate() {
            (part.scales[row], part.mins[row]) = scale_and_min(&block[4..16], index);
            put_nibbles(&mut part.quants, row, &q4_k_quants(block, index));
        }
    }

    #[inline(always)]
    fn multiply_add<S: Simd>(&self, s: S, x: &[ActivationBlock], sum: S::F32) -> S::F32 {
        let mut total = s.splat_f32(0.0);
        let mut mins = s.splat_f32(0.0);
        for (part, x) in self.parts.iter().zip(x) {
            let products = nibble_products(s, &part.quants, x, s.splat_i32(0));
            let scales = s.mul(s.load_u8(&part.scales), s.splat_f32(x.scale));
            total = s.mul_add(s.to_f32(products), scales, total);
            mins = s.mul_add(s.load_u8(&part.mins), s.splat_f32(-x.sum), mins);
        }
        let sum = s.mul_add(total, s.load_f32(&self.d), sum);
        s.mul_add(mins, s.load_f32(&self.dmin), sum)
    }

    #[inline(always)]
    fn decode<S: Simd>(&self, s: S, to: &mut [DecodedBlock]) {
        for (part, to) in self.parts.iter().zip(to) {
            decode_nibbles(s, &part.quants, 0, &mut to.quants);
            to.scales = [s.store_f32(s.mul(s.load_u8(&part.scales), s.load_f32(&self.d))); 2];
            to.mins = s.store_f32(s.mul(s.load_u8(&part.mins), s.load_f32(&self.dmin)));
        }
    }
}

#[derive(Clone, Copy, Zeroable)]
pub struct RowsQ6K {
    d: [f32; ROWS],
    parts: [PartQ6K; 8],
}

#[derive(Clone, Copy, Zeroable)]
struct PartQ6K {
    /// Those of either half of the columns.
    scales: [[i8; ROWS]; 2],
    low: [[u8; 32]; 4],
    high: [[u8; 16]; 4],
}

impl PartQ6K {
    /// The integers of four pairs of columns.
    #[inline(always)]
    fn four_pairs<S: Simd>(s: S, low: &[u8; 32], high: &[u8; 16]) -> [S::I16; 4] {
        let (low, high) = (s.load_i16(low), s.widen(high));
        [
            six_bits::<S, 0, false>(s, low, high),
            six_bits::<S, 1, false>(s, low, high),
            six_bits::<S, 2, false>(s, low, high),
            six_bits::<S, 3, false>(s, low, high),
        ]
    }
}

impl RowRecord for RowsQ6K {
    const COLUMNS: usize = 256;
    const SUMS: Sums = Sums::Halves;

    fn put(&mut self, row: usize, encoded: &EncodedRow<'_>, index: usize) {
        let block = encoded.block(index);
        self.d[row] = half_at(block, 208);
        for (index, part) in self.parts.iter_mut().enumerate() {
            for half in 0..2 {
                part.scales[half][row] = block[192 + 2 * index + half] as i8;
            }
            let quants = q6_k_quants(block, index);
            put_nibbles(&mut part.low, row, &quants.map(|quant| quant & 15));
            for (j, vector) in part.high.iter_mut().enumerate() {
                for column in 0..2 {
                    let bits = |c: usize| (quants[8 * j + 2 * c + column] >> 4) << (2 * c);
                    vector[2 * row + column] = bits(0) | bits(1) | bits(2) | bits(3);
                }
            }
        }
    }

    #[inline(always)]
    fn multiply_add<S: Simd>(&self, s: S, x: &[ActivationBlock], sum: S::F32) -> S::F32 {
        let mut total = s.splat_f32(0.0);
        for (part, x) in self.parts.iter().zip(x) {
            for half in 0..2 {
                let mut products = s.splat_i32(-32 * x.half_sums[half]);
                let (low, high) = (s.rolled(&part.low[2 * half..][..2]), s.rolled(&part.high[2 * half..][..2]));
                let pairs = s.rolled(&x.pairs.as_chunks().0[2 * half..][..2]);
                for ((low, high), pairs) in low.iter().zip(high).zip(pairs) {
                    let [a, b, c, d] = PartQ6K::four_pairs(s, low, high);
                    let pairs: &[_; 4] = pairs;
                    products = s.dot_add(products, a, s.splat_pair(pairs[0]));
                    products = s.dot_add(products, b, s.splat_pair(pairs[1]));
                    products = s.dot_add(products, c, s.splat_pair(pairs[2]));
                    products = s.dot_add(products, d, s.splat_pair(pairs[3]));
                }
                let scales = s.mul(s.load_i8(&part.scales[half]), s.splat_f32(x.scale));
                total = s.mul_add(s.to_f32(products), scales, total);
            }
        }
        s.mul_add(total, s.load_f32(&self.d), sum)
    }

    #[inline(always)]
    fn decode<S: Simd>(&self, s: S, to: &mut [DecodedBlock]) {
        for (part, to) in self.parts.iter().zip(to) {
            for ((low, high), to) in part.low.iter().zip(&part.high).zip(to.quants.as_chunks_mut::<4>().0) {
                *to = PartQ6K::four_pairs(s, low, high).map(|quants| s.store_i16(s.add_i16(quants, -32)));
            }
            for half in 0..2 {
                to.scales[half] = s.store_f32(s.mul(s.load_i8(&part.scales[half]), s.load_f32(&self.d)));
            }
        }
    }
}

/// 16-bit integers with a scale for each 32 columns.
#[derive(Clone, Copy, Zeroable)]
pub struct RowsFixed16 {
    scales: [f32; ROWS],
    quants: [[i16; 16]; 16],
}

impl RowRecord for RowsFixed16 {
    const COLUMNS: usize = 32;
    const SUMS: Sums = Sums::Wide;

    fn put(&mut self, row: usize, encoded: &EncodedRow<'_>, index: usize) {
        let quants = &mut self.quants;
        let values = encoded.values(index * Self::COLUMNS, Self::COLUMNS);
        self.scales[row] = fixed16(values, |i, quant| quants[i / 2][2 * row + i % 2] = quant);
    }

    #[inline(always)]
    fn multiply_add<S: Simd>(&self, s: S, x: &[ActivationBlock], sum: S::F32) -> S::F32 {
        let [x] = x else { return sum };
        let mut products = s.splat_f32(0.0);
        for (quants, pair) in self.quants.iter().zip(x.pairs) {
            let quants = s.load_i16(bytemuck::cast_ref(quants));
            products = s.add(products, s.to_f32(s.dot_add(s.splat_i32(0), quants, s.splat_pair(pair))));
        }
        let scales = s.mul(s.load_f32(&self.scales), s.splat_f32(x.scale));
        s.mul_add(products, scales, sum)
    }

    #[inline(always)]
    fn decode<S: Simd>(&self, _s: S, to: &mut [DecodedBlock]) {
        let [to] = to else { return };
        to.quants = self.quants;
        to.scales = [self.scales; 2];
    }
}

/// sums + W x for some tokens' blocks of the same 32 columns.
#[inline(always)]
pub fn multiply_decoded<S: Simd, const TOKENS: usize>(
    s: S,
    kind: Sums,
    weights: &DecodedBlock,
    x: [&ActivationBlock; TOKENS],
    sums: &mut [S::F32; TOKENS],
) {
    let (halves, pairs_a_sum) = if kind == Sums::Halves { (2, 8) } else { (1, 16) };
    for half in 0..halves {
        let pairs = half * pairs_a_sum..(half + 1) * pairs_a_sum;
        let quants = s.rolled(&weights.quants[pairs.clone()]);
        let mut products = [s.splat_f32(0.0); TOKENS];
        let mut integers = [s.splat_i32(0); TOKENS];
        for (pair, quants) in pairs.zip(quants) {
            let quants = s.load_i16(bytemuck::cast_ref(quants));
            for token in 0..TOKENS {
                let x = s.splat_pair(x[token].pairs[pair % 16]);
                if kind == Sums::Wide {
                    products[token] = s.add(products[token], s.to_f32(s.dot_add(s.splat_i32(0), quants, x)));
                } else {
                    integers[token] = s.dot_add(integers[token], quants, x);
                }
            }
        }
        if kind != Sums::Wide {
            products = integers.map(|sum| s.to_f32(sum));
        }
        let scales = s.load_f32(&weights.scales[half]);
        for token in 0..TOKENS {
            let scales = s.mul(scales, s.splat_f32(x[token].scale));
            sums[token] = s.mul_add(products[token], scales, sums[token]);
        }
    }
    if kind == Sums::Mins {
        let mins = s.load_f32(&weights.mins);
        for token in 0..TOKENS {
            sums[token] = s.mul_add(mins, s.splat_f32(-x[token].sum), sums[token]);
        }
    }
}
