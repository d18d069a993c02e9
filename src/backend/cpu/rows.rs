//! Weights of eight rows together, for products of whole rows with activations: each lane of a vector is a row, so that no sum
//! goes across lanes, and one load of the activations serves eight rows.
//!
//! A record is eight rows of 32 columns, or of 256 where the file's blocks have as many. A vector of sixteen 16-bit lanes has
//! columns 2 p and 2 p + 1 of each row: pair p, which is multiplied with pair p of an [`ActivationBlock`]. Where weights are
//! smaller than 16 bits, a lane has several: byte c of vector j belongs to pair 2 j + c, nibble c to pair 4 j + c, value c of six
//! bits, of which three vectors have eight, to pair 8 j + c.

use super::{
    activations::ActivationBlock,
    blocks::{EncodedRow, fixed16, q4_0_quants, q4_k_quants, q6_k_quants},
    simd::{HALF_UNIT, Simd},
};
use crate::weights::{half_at, scale_and_min};
use bytemuck::{Pod, Zeroable};

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
pub trait RowRecord: Pod + Send + Sync {
    /// A multiple of 32.
    const COLUMNS: usize;
    const SUMS: Sums;

    /// Adds what an encoded row has in the columns of record `index`.
    fn put(&mut self, row: usize, encoded: &EncodedRow<'_>, index: usize);
    /// sum + W x, for columns 32 `part` and 31 more.
    fn multiply_add<S: Simd>(&self, s: S, part: usize, x: &ActivationBlock, sum: S::F32) -> S::F32;
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

/// Byte `C` of each lane.
#[inline(always)]
fn byte<S: Simd, const C: u32>(s: S, lanes: S::I16) -> S::I16 {
    match C {
        0 => s.and(lanes, 255),
        _ => s.shift_right::<8>(lanes),
    }
}

/// The eight values of six bits that each lane of three vectors has: two in the lower twelve bits of each vector, and two whose
/// low bits are above those of the first and of the second, and whose high bits are above those of the third.
#[inline(always)]
pub fn six_bits<S: Simd>(s: S, [a, b, c]: [S::I16; 3]) -> [S::I16; 8] {
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
pub fn put_six_bits<const BYTES: usize>(vectors: &mut [[u8; BYTES]; 3], lane: usize, index: usize, quant: u8) {
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

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(16))]
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
    fn multiply_add<S: Simd>(&self, s: S, _part: usize, x: &ActivationBlock, sum: S::F32) -> S::F32 {
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

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(16))]
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
    fn multiply_add<S: Simd>(&self, s: S, _part: usize, x: &ActivationBlock, sum: S::F32) -> S::F32 {
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
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(16))]
pub struct RowsQ4K {
    d: [f32; ROWS],
    dmin: [f32; ROWS],
    parts: [PartQ4K; 8],
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
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
    fn multiply_add<S: Simd>(&self, s: S, part: usize, x: &ActivationBlock, sum: S::F32) -> S::F32 {
        let Some(part) = self.parts.get(part) else { return sum };
        let products = nibble_products(s, &part.quants, x, s.splat_i32(0));
        let scales = s.mul(s.mul(s.load_u8(&part.scales), s.load_f32(&self.d)), s.splat_f32(x.scale));
        let mins = s.mul(s.load_u8(&part.mins), s.load_f32(&self.dmin));
        s.mul_add(mins, s.splat_f32(-x.sum), s.mul_add(s.to_f32(products), scales, sum))
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

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(16))]
pub struct RowsQ6K {
    d: [f32; ROWS],
    parts: [PartQ6K; 8],
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct PartQ6K {
    /// Those of either half of the columns.
    scales: [[i8; ROWS]; 2],
    quants: [[[u8; 32]; 3]; 2],
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
            for (column, quant) in q6_k_quants(block, index).into_iter().enumerate() {
                put_six_bits(&mut part.quants[column / 16], 2 * row + column % 2, column % 16 / 2, quant);
            }
        }
    }

    #[inline(always)]
    fn multiply_add<S: Simd>(&self, s: S, part: usize, x: &ActivationBlock, mut sum: S::F32) -> S::F32 {
        let Some(part) = self.parts.get(part) else { return sum };
        let units = s.mul(s.load_f32(&self.d), s.splat_f32(x.scale));
        let halves = s.rolled(&part.quants).iter().zip(s.rolled(x.pairs.as_chunks::<8>().0));
        for ((quants, pairs), (scales, half_sum)) in halves.zip(part.scales.iter().zip(x.half_sums)) {
            let mut products = s.splat_i32(-32 * half_sum);
            let quants = six_bits(s, quants.each_ref().map(|vector| s.load_i16(vector)));
            for (quants, pair) in quants.into_iter().zip(pairs) {
                products = s.dot_add(products, quants, s.splat_pair(*pair));
            }
            sum = s.mul_add(s.to_f32(products), s.mul(s.load_i8(scales), units), sum);
        }
        sum
    }

    #[inline(always)]
    fn decode<S: Simd>(&self, s: S, to: &mut [DecodedBlock]) {
        for (part, to) in self.parts.iter().zip(to) {
            for (quants, to) in part.quants.iter().zip(to.quants.as_chunks_mut::<8>().0) {
                let quants = six_bits(s, quants.each_ref().map(|vector| s.load_i16(vector)));
                *to = quants.map(|quants| s.store_i16(s.add_i16(quants, -32)));
            }
            for half in 0..2 {
                to.scales[half] = s.store_f32(s.mul(s.load_i8(&part.scales[half]), s.load_f32(&self.d)));
            }
        }
    }
}

/// 16-bit integers with a scale for each 32 columns.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(16))]
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
    fn multiply_add<S: Simd>(&self, s: S, _part: usize, x: &ActivationBlock, sum: S::F32) -> S::F32 {
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
