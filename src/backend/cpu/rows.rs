//! Weights of eight rows together, for products of whole rows with activations: each lane of a vector is a row, so that no sum
//! goes across lanes, and one load of the activations serves eight rows.
//!
//! A record is eight rows of 32 columns, or of 256 where the file's blocks have as many. Weights of up to eight bits make bytes of
//! 32-bit lanes, a quad of columns of each row as [`super::bytes`] has it: one vector has one quad of bytes or two of nibbles, and
//! three have four of six bits. Weights of 16 bits make a pair of columns.

use super::{
    activations::ActivationBlock,
    blocks::{EncodedRow, fixed16, q4_0_quants, q4_k_quants, q6_k_quants},
    bytes::{ByteSums, SIGNED, SignedSums, eights, place},
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

/// Byte `C` of each lane.
#[inline(always)]
fn byte<S: Simd, const C: u32>(s: S, lanes: S::I16) -> S::I16 {
    match C {
        0 => s.and(lanes, 255),
        _ => s.shift_right::<8>(lanes),
    }
}

/// Puts six bits of column 16 h + `column` of a row into three vectors of zeros, where [`six_bits`] finds them.
fn put_six_bits([a, b, c]: &mut [[u8; 32]; 3], row: usize, column: usize, quant: u8) {
    let (quad, byte) = place(column);
    let at = 4 * row + byte;
    match quad {
        0 => a[at] |= quant,
        1 => b[at] |= quant,
        2 => c[at] |= quant,
        _ => {
            a[at] |= quant << 6;
            b[at] |= quant >> 2 << 6;
            c[at] |= quant >> 4 << 6;
        }
    }
}

/// The four quads of six bits of three vectors: three in the lower bits of bytes, and one in the upper bits of all.
#[inline(always)]
fn six_bits<S: Simd>(s: S, vectors: &[[u8; 32]; 3]) -> [S::I16; 4] {
    let [a, b, c] = vectors.each_ref().map(|vector| s.load_i16(vector));
    let upper = s.or(s.and(s.shift_right::<6>(a), 0x0303), s.and(s.shift_right::<4>(b), 0x0c0c));
    let upper = s.or(upper, s.and(s.shift_right::<2>(c), 0x3030));
    [s.and(a, 0x3f3f), s.and(b, 0x3f3f), s.and(c, 0x3f3f), upper]
}

/// Stores the columns of a quad, each less by `zero`.
#[inline(always)]
fn store_bytes<S: Simd>(s: S, bytes: S::I16, quad: usize, zero: i16, to: &mut [[i16; 16]; 16]) {
    let pair = quad / 2 * 4 + quad % 2;
    to[pair] = s.store_i16(s.add_i16(byte::<S, 0>(s, bytes), -zero));
    to[pair + 2] = s.store_i16(s.add_i16(byte::<S, 1>(s, bytes), -zero));
}

/// Puts nibbles of one row into four vectors of zeros.
fn put_nibbles(to: &mut [[u8; 32]; 4], row: usize, quants: &[u8; 32]) {
    for (column, quant) in quants.iter().enumerate() {
        let (quad, byte) = place(column);
        to[quad / 2][4 * row + byte] |= quant << (quad % 2 * 4);
    }
}

/// The two quads of nibbles of a vector.
#[inline(always)]
fn nibbles<S: Simd>(s: S, vector: &[u8; 32]) -> [S::I16; 2] {
    let lanes = s.load_i16(vector);
    [s.and(lanes, 0x0f0f), s.and(s.shift_right::<4>(lanes), 0x0f0f)]
}

/// `start` and the products of nibbles in four vectors with a block of x.
#[inline(always)]
fn nibble_products<S: Simd>(s: S, quants: &[[u8; 32]; 4], x: &ActivationBlock, start: i32) -> S::F32 {
    let mut sums = ByteSums::new(s, start);
    for (vector, x) in s.rolled(quants).iter().zip(s.rolled(eights(x))) {
        let [first, second] = nibbles(s, vector);
        sums.add::<0>(first, x);
        sums.add::<1>(second, x);
    }
    sums.total()
}

/// Nibbles in four vectors, each less by `zero`.
#[inline(always)]
fn decode_nibbles<S: Simd>(s: S, quants: &[[u8; 32]; 4], zero: i16, to: &mut [[i16; 16]; 16]) {
    for (index, vector) in quants.iter().enumerate() {
        for (quad, bytes) in nibbles(s, vector).into_iter().enumerate() {
            store_bytes(s, bytes, 2 * index + quad, zero, to);
        }
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
    /// Changed by XOR with [`SIGNED`].
    quants: [[u8; 32]; 8],
}

impl RowRecord for RowsQ8_0 {
    const COLUMNS: usize = 32;
    const SUMS: Sums = Sums::Whole;

    fn put(&mut self, row: usize, encoded: &EncodedRow<'_>, index: usize) {
        self.scales[row] = encoded.scale_bits(index);
        for (column, quant) in encoded.block(index)[2..].iter().enumerate() {
            let (quad, byte) = place(column);
            self.quants[quad][4 * row + byte] = quant ^ SIGNED;
        }
    }

    #[inline(always)]
    fn multiply_add<S: Simd>(&self, s: S, _part: usize, x: &ActivationBlock, sum: S::F32) -> S::F32 {
        let mut sums = SignedSums::new(s, x);
        for ([first, second], x) in s.rolled(self.quants.as_chunks().0).iter().zip(s.rolled(eights(x))) {
            sums.add::<0>(s.load_i16(first), x);
            sums.add::<1>(s.load_i16(second), x);
        }
        let scales = s.mul(s.half_bits(&self.scales), s.splat_f32(x.scale * HALF_UNIT));
        s.mul_add(sums.total(), scales, sum)
    }

    #[inline(always)]
    fn decode<S: Simd>(&self, s: S, to: &mut [DecodedBlock]) {
        let [to] = to else { return };
        for (quad, vector) in self.quants.iter().enumerate() {
            store_bytes(s, s.load_i16(&vector.map(|quant| quant ^ SIGNED ^ 128)), quad, 128, &mut to.quants);
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
        let products = nibble_products(s, &self.quants, x, -8 * x.integer_sum());
        let scales = s.mul(s.half_bits(&self.scales), s.splat_f32(x.scale * HALF_UNIT));
        s.mul_add(products, scales, sum)
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
        let products = nibble_products(s, &part.quants, x, 0);
        let scales = s.mul(s.mul(s.load_u8(&part.scales), s.load_f32(&self.d)), s.splat_f32(x.scale));
        let mins = s.mul(s.load_u8(&part.mins), s.load_f32(&self.dmin));
        s.mul_add(mins, s.splat_f32(-x.sum), s.mul_add(products, scales, sum))
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
                put_six_bits(&mut part.quants[column / 16], row, column % 16, quant);
            }
        }
    }

    #[inline(always)]
    fn multiply_add<S: Simd>(&self, s: S, part: usize, x: &ActivationBlock, mut sum: S::F32) -> S::F32 {
        let Some(part) = self.parts.get(part) else { return sum };
        let units = s.mul(s.load_f32(&self.d), s.splat_f32(x.scale));
        let halves = s.rolled(&part.quants).iter().zip(s.rolled(eights(x).as_chunks().0));
        for ((quants, [first, second]), (scales, half_sum)) in halves.zip(part.scales.iter().zip(x.half_sums)) {
            let mut sums = ByteSums::new(s, -32 * half_sum);
            let [a, b, c, d] = six_bits(s, quants);
            sums.add::<0>(a, first);
            sums.add::<1>(b, first);
            sums.add::<0>(c, second);
            sums.add::<1>(d, second);
            sum = s.mul_add(sums.total(), s.mul(s.load_i8(scales), units), sum);
        }
        sum
    }

    #[inline(always)]
    fn decode<S: Simd>(&self, s: S, to: &mut [DecodedBlock]) {
        for (part, to) in self.parts.iter().zip(to) {
            for (half, quants) in part.quants.iter().enumerate() {
                for (quad, bytes) in six_bits(s, quants).into_iter().enumerate() {
                    store_bytes(s, bytes, 4 * half + quad, 32, &mut to.quants);
                }
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
