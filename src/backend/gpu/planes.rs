//! Rows of quantised weights as planes that shaders read by whole words: one plane of quants, one of scales. The layouts are
//! those at the head of the `weights_*.wgsl` shaders. A row is packed once, as it is loaded.

use super::kernels::Variant;
use crate::{
    Result,
    weights::{ElementType, scale_and_min},
};

/// Words that one row takes in each plane.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowWords {
    pub weights: usize,
    /// 0 where there are no scales.
    pub scales: usize,
}

/// How an element type is kept: what has no reader of its own is widened to f32, exactly.
pub(super) fn row_variant(element_type: ElementType) -> Variant {
    match element_type {
        ElementType::F16 => Variant::F16,
        ElementType::BF16 => Variant::BF16,
        ElementType::Q8_0 => Variant::Q8_0,
        ElementType::Q4_0 => Variant::Q4_0,
        ElementType::Q4K => Variant::Q4K,
        ElementType::Q6K => Variant::Q6K,
        _ => Variant::F32,
    }
}

/// `columns` is a whole number of the variant's blocks.
pub(super) fn row_words(variant: Variant, columns: usize) -> RowWords {
    let (weights, scales) = match variant {
        Variant::F16 | Variant::BF16 => (columns.next_multiple_of(32) / 2, 0),
        Variant::Q8_0 => (columns / 4, (columns / 32).div_ceil(2)),
        Variant::Q4_0 => (columns / 8, (columns / 32).div_ceil(2)),
        Variant::Q4K => (columns / 8, columns / 64),
        Variant::Q6K => (columns / 32 * 6, columns / 256 * 5),
        _ => (columns.next_multiple_of(32), 0),
    };
    RowWords { weights, scales }
}

/// Packs one encoded row into its words, which are zero before.
///
/// # Errors
/// What decoding gives, where the type is widened.
pub(super) fn pack_row(
    variant: Variant,
    element_type: ElementType,
    encoded: &[u8],
    columns: usize,
    weights: &mut [u32],
    scales: &mut [u32],
) -> Result<()> {
    match variant {
        Variant::F16 | Variant::BF16 => {
            for (word, pair) in weights.iter_mut().zip(encoded.chunks(4)) {
                let high = if pair.len() == 4 { u32::from(half_bits(pair, 2)) << 16 } else { 0 };
                *word = u32::from(half_bits(pair, 0)) | high;
            }
        }
        Variant::Q8_0 | Variant::Q4_0 => {
            // Both are a scale, then quants in the order of the plane.
            let bytes = if variant == Variant::Q8_0 { 34 } else { 18 };
            let blocks = weights.chunks_exact_mut((bytes - 2) / 4).zip(encoded.chunks_exact(bytes));
            for (index, (words, block)) in blocks.enumerate() {
                scales[index / 2] |= u32::from(half_bits(block, 0)) << (16 * (index % 2));
                copy_words(words, &block[2..]);
            }
        }
        Variant::Q4K => {
            let blocks = weights.chunks_exact_mut(32).zip(scales.chunks_exact_mut(4)).zip(encoded.chunks_exact(144));
            for ((words, scales), block) in blocks {
                scales.copy_from_slice(&q4_k_scales(block));
                // Each 32 bytes hold 64 values, the low halves first.
                for (words, quants) in words.chunks_exact_mut(8).zip(block[16..].chunks_exact(32)) {
                    let mut low = [0; 16];
                    let mut high = [0; 16];
                    for i in 0..16 {
                        low[i] = (quants[i] & 15) | (quants[i + 16] << 4);
                        high[i] = (quants[i] >> 4) | (quants[i + 16] & 0xf0);
                    }
                    copy_words(&mut words[..4], &low);
                    copy_words(&mut words[4..], &high);
                }
            }
        }
        Variant::Q6K => {
            let blocks = weights.chunks_exact_mut(48).zip(scales.chunks_exact_mut(5)).zip(encoded.chunks_exact(210));
            for ((words, scales), block) in blocks {
                scales.copy_from_slice(&q6_k_scales(block));
                for (part, words) in words.chunks_exact_mut(6).enumerate() {
                    let quant = |i: usize| q6_k_quant(block, part * 32 + i);
                    let mut bytes = [0; 24];
                    for (i, byte) in bytes[..16].iter_mut().enumerate() {
                        *byte = (quant(i) & 15) | (quant(i + 16) << 4);
                    }
                    // Byte i % 4 of the word of i / 16 has the high bits of values i at 2 (i / 4 % 4).
                    for i in 0..32 {
                        bytes[16 + i / 16 * 4 + i % 4] |= (quant(i) >> 4) << (2 * (i / 4 % 4));
                    }
                    copy_words(words, &bytes);
                }
            }
        }
        _ => {
            let mut values = vec![0.0; columns];
            element_type.decode(encoded, &mut values)?;
            weights.iter_mut().zip(values).for_each(|(word, value)| *word = value.to_bits());
        }
    }
    Ok(())
}

/// The bits of the two bytes at `offset`.
pub(super) fn half_bits(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes([bytes[offset], bytes[offset + 1]])
}

fn copy_words(words: &mut [u32], bytes: &[u8]) {
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
}

/// A Q4_K block's scales in four words: d and dmin; the low four bits of the eight scales; those of the eight minima; the
/// high two bits of the scales, then of the minima.
pub(super) fn q4_k_scales(block: &[u8]) -> [u32; 4] {
    let bytes = &block[4..16];
    let mut words = [u32::from(half_bits(block, 0)) | u32::from(half_bits(block, 2)) << 16, 0, 0, 0];
    for part in 0..8 {
        let (scale, min) = scale_and_min(bytes, part);
        let (scale, min) = (u32::from(scale), u32::from(min));
        words[1] |= (scale & 15) << (4 * part);
        words[2] |= (min & 15) << (4 * part);
        words[3] |= (scale >> 4) << (2 * part) | (min >> 4) << (16 + 2 * part);
    }
    words
}

/// A Q6_K block's scales in five words: sixteen i8, then d.
pub(super) fn q6_k_scales(block: &[u8]) -> [u32; 5] {
    let mut words = [0; 5];
    copy_words(&mut words[..4], &block[192..208]);
    words[4] = u32::from(half_bits(block, 208));
    words
}

/// Element `i` of a Q6_K block, with its offset of 32.
pub(super) fn q6_k_quant(block: &[u8], i: usize) -> u8 {
    let low = (block[i / 128 * 64 + i % 64] >> (i % 128 / 64 * 4)) & 15;
    let high = (block[128 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
    low | (high << 4)
}
