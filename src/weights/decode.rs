//! What the blocks of each element type decode to, operation for operation as ggml's reference does it, so that the
//! results agree to the bit. Everything is little-endian; `d`, `m` and `dmin` are f16. Below, `[a; n]` is n values of
//! kind a, in the order in which the block stores them.
//!
//! | type | block | element i |
//! |---|---|---|
//! | Q8_0 | d, [i8; 32] | d q |
//! | Q4_0 | d, [u4; 32] | d (q - 8) |
//! | Q4_1 | d, m, [u4; 32] | d q + m |
//! | Q5_0 | d, [high bit; 32], [u4; 32] | d (q - 16) |
//! | Q5_1 | d, m, [high bit; 32], [u4; 32] | d q + m |
//! | Q2K | [scale u4, min u4; 16], [u2; 256], d, dmin | (d scale) q - (dmin min) |
//! | Q3K | [high bit; 256], [u2; 256], [scale u6; 16], d | (d (scale - 32)) (q - 4 where the high bit is clear) |
//! | Q4K | d, dmin, [scale u6, min u6; 8], [u4; 256] | (d scale) q - (dmin min) |
//! | Q5K | d, dmin, [scale u6, min u6; 8], [high bit; 256], [u4; 256] | (d scale) q - (dmin min) |
//! | Q6K | [u4; 256], [high u2; 256], [scale i8; 16], d | (d scale) (q - 32) |
//!
//! Elements that share a byte are not neighbours: in a 32-block byte j holds elements j and j + 16; in a 256-block the
//! nibbles and bit pairs of one byte are 32 elements apart (64 in the low part of Q6K).

use super::ElementType;
use crate::{Error, Result};
use half::{bf16, f16};

impl ElementType {
    /// Decodes whole blocks to f32: `out` takes exactly the elements that `bytes` encodes.
    ///
    /// # Errors
    /// [`Error::Malformed`] where the lengths do not belong together; nothing has been written then.
    pub fn decode(self, bytes: &[u8], out: &mut [f32]) -> Result<()> {
        if self.byte_length(out.len() as u64) != Some(bytes.len() as u64) {
            return Err(Error::Malformed(format!(
                "{} bytes of {self} were given for {} elements; a block of {} elements has {} bytes",
                bytes.len(),
                out.len(),
                self.block_elements(),
                self.block_bytes()
            )));
        }
        let decode_block = match self {
            Self::F32 => f32_value,
            Self::F16 => f16_value,
            Self::BF16 => bf16_value,
            Self::Q8_0 => q8_0,
            Self::Q4_0 => q4_0,
            Self::Q4_1 => q4_1,
            Self::Q5_0 => q5_0,
            Self::Q5_1 => q5_1,
            Self::Q2K => q2_k,
            Self::Q3K => q3_k,
            Self::Q4K => q4_k,
            Self::Q5K => q5_k,
            Self::Q6K => q6_k,
        };
        let blocks = bytes.chunks_exact(self.block_bytes());
        for (block, out) in blocks.zip(out.chunks_exact_mut(self.block_elements())) {
            decode_block(block, out);
        }
        Ok(())
    }
}

/// The f16 at `offset`, widened.
pub(crate) fn half_at(block: &[u8], offset: usize) -> f32 {
    f16::from_le_bytes([block[offset], block[offset + 1]]).to_f32()
}

fn f32_value(block: &[u8], out: &mut [f32]) {
    out[0] = f32::from_le_bytes([block[0], block[1], block[2], block[3]]);
}

fn f16_value(block: &[u8], out: &mut [f32]) {
    out[0] = half_at(block, 0);
}

fn bf16_value(block: &[u8], out: &mut [f32]) {
    out[0] = bf16::from_le_bytes([block[0], block[1]]).to_f32();
}

fn q8_0(block: &[u8], out: &mut [f32]) {
    let d = half_at(block, 0);
    for (value, &byte) in out.iter_mut().zip(&block[2..]) {
        *value = f32::from(byte as i8) * d;
    }
}

/// Element `i` of 32 four-bit values.
fn nibble(quants: &[u8], i: usize) -> u8 {
    (quants[i % 16] >> (i / 16 * 4)) & 15
}

fn q4_0(block: &[u8], out: &mut [f32]) {
    let d = half_at(block, 0);
    for (i, value) in out.iter_mut().enumerate() {
        *value = d * (f32::from(nibble(&block[2..], i)) - 8.0);
    }
}

fn q4_1(block: &[u8], out: &mut [f32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    for (i, value) in out.iter_mut().enumerate() {
        *value = d * f32::from(nibble(&block[4..], i)) + m;
    }
}

/// Element `i` of 32 five-bit values: four bytes of high bits, then nibbles.
fn five_bits(quants: &[u8], i: usize) -> u8 {
    nibble(&quants[4..], i) | (((quants[i / 8] >> (i % 8)) & 1) << 4)
}

fn q5_0(block: &[u8], out: &mut [f32]) {
    let d = half_at(block, 0);
    for (i, value) in out.iter_mut().enumerate() {
        *value = d * (f32::from(five_bits(&block[2..], i)) - 16.0);
    }
}

fn q5_1(block: &[u8], out: &mut [f32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    for (i, value) in out.iter_mut().enumerate() {
        *value = d * f32::from(five_bits(&block[4..], i)) + m;
    }
}

/// Element `i` of 256 two-bit values: each 32 bytes hold 128 elements, 32 for each pair of bits.
fn two_bits(quants: &[u8], i: usize) -> u8 {
    (quants[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3
}

/// Element `i` of 256 nibbles: each 32 bytes hold 64 elements, the low nibbles first.
fn long_nibble(quants: &[u8], i: usize) -> u8 {
    (quants[i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4)) & 15
}

/// Element `i` of 256 single bits: each bit of 32 bytes serves 32 elements.
fn one_bit(bits: &[u8], i: usize) -> u8 {
    (bits[i % 32] >> (i / 32)) & 1
}

fn q2_k(block: &[u8], out: &mut [f32]) {
    let (scales, quants) = (&block[..16], &block[16..80]);
    let (d, dmin) = (half_at(block, 80), half_at(block, 82));
    for (part, out) in out.chunks_exact_mut(16).enumerate() {
        let scale = d * f32::from(scales[part] & 15);
        let min = dmin * f32::from(scales[part] >> 4);
        for (i, value) in out.iter_mut().enumerate() {
            *value = scale * f32::from(two_bits(quants, part * 16 + i)) - min;
        }
    }
}

fn q3_k(block: &[u8], out: &mut [f32]) {
    let (high, quants, scales) = (&block[..32], &block[32..96], &block[96..108]);
    let d = half_at(block, 108);
    for (part, out) in out.chunks_exact_mut(16).enumerate() {
        // Eight bytes hold the low four bits of the sixteen scales, four bytes their high two bits.
        let low = (scales[part % 8] >> (part / 8 * 4)) & 15;
        let top = (scales[8 + part % 4] >> (part / 4 * 2)) & 3;
        let scale = d * (f32::from(low | (top << 4)) - 32.0);
        for (i, value) in out.iter_mut().enumerate() {
            let i = part * 16 + i;
            let offset = if one_bit(high, i) == 1 { 0 } else { 4 };
            *value = scale * f32::from(two_bits(quants, i) as i8 - offset);
        }
    }
}

/// The six-bit scale and minimum of part `part` (of eight) of Q4K and Q5K.
pub(crate) fn scale_and_min(scales: &[u8], part: usize) -> (u8, u8) {
    if part < 4 {
        return (scales[part] & 63, scales[part + 4] & 63);
    }
    // The last four take their low bits from the third group of bytes, and their high bits from what the first two
    // groups leave free.
    let low = scales[part + 4];
    ((low & 15) | ((scales[part - 4] >> 6) << 4), (low >> 4) | ((scales[part] >> 6) << 4))
}

fn q4_k(block: &[u8], out: &mut [f32]) {
    let (scales, quants) = (&block[4..16], &block[16..]);
    let (d, dmin) = (half_at(block, 0), half_at(block, 2));
    for (part, out) in out.chunks_exact_mut(32).enumerate() {
        let (scale, min) = scale_and_min(scales, part);
        let (scale, min) = (d * f32::from(scale), dmin * f32::from(min));
        for (i, value) in out.iter_mut().enumerate() {
            *value = scale * f32::from(long_nibble(quants, part * 32 + i)) - min;
        }
    }
}

fn q5_k(block: &[u8], out: &mut [f32]) {
    let (scales, high, quants) = (&block[4..16], &block[16..48], &block[48..]);
    let (d, dmin) = (half_at(block, 0), half_at(block, 2));
    for (part, out) in out.chunks_exact_mut(32).enumerate() {
        let (scale, min) = scale_and_min(scales, part);
        let (scale, min) = (d * f32::from(scale), dmin * f32::from(min));
        for (i, value) in out.iter_mut().enumerate() {
            let i = part * 32 + i;
            *value = scale * f32::from(long_nibble(quants, i) | (one_bit(high, i) << 4)) - min;
        }
    }
}

fn q6_k(block: &[u8], out: &mut [f32]) {
    let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
    let d = half_at(block, 208);
    for (part, out) in out.chunks_exact_mut(16).enumerate() {
        let scale = d * f32::from(scales[part] as i8);
        for (i, value) in out.iter_mut().enumerate() {
            let i = part * 16 + i;
            let low = (low[i / 128 * 64 + i % 64] >> (i % 128 / 64 * 4)) & 15;
            *value = scale * (f32::from(low | (two_bits(high, i) << 4)) - 32.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// tests/data/blocks.bin: for each type its number in ggml, its count of blocks, the blocks, and what gguf-py
    /// decodes them to.
    #[test]
    fn decodes_every_type_to_the_bits_of_gguf_py() {
        let mut rest: &[u8] = include_bytes!("../../tests/data/blocks.bin");
        let mut take = |length: usize| rest.split_off(..length);
        let mut types = 0;
        while let Some(number) = take(4) {
            let number = u32::from_le_bytes(number.try_into().unwrap());
            let element_type = ElementType::from_ggml(number).unwrap();
            let count = u32::from_le_bytes(take(4).unwrap().try_into().unwrap()) as usize;
            let blocks = take(count * element_type.block_bytes()).unwrap();
            let mut found = vec![0.0; count * element_type.block_elements()];
            element_type.decode(blocks, &mut found).unwrap();
            for (i, expected) in take(found.len() * 4).unwrap().chunks_exact(4).enumerate() {
                let expected = f32::from_le_bytes(expected.try_into().unwrap());
                assert_eq!(found[i].to_bits(), expected.to_bits(), "{element_type} {i}: {} {expected}", found[i]);
            }
            types += 1;
        }
        assert_eq!(types, 13);
    }

    #[test]
    fn lengths_that_do_not_belong_together_are_an_error() {
        assert!(ElementType::Q4_0.decode(&[0; 18], &mut [0.0; 32]).is_ok());
        for (bytes, elements) in [(17, 32), (18, 31), (36, 32), (18, 64), (0, 32)] {
            let result = ElementType::Q4_0.decode(&vec![0; bytes], &mut vec![0.0; elements]);
            assert!(matches!(result, Err(Error::Malformed(_))), "{bytes} bytes, {elements} elements");
        }
    }
}
