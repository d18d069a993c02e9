// What neurons_q8_0.wgsl and neurons_q4_0.wgsl have in common: their plane of scales, a row of 32 neurons each.

/// Tiles of 16 neurons of which `scale_words32` has the scales, and those that have the same ones.
const LOADED = 2u;
const ALIKE = 2u;
alias ScaleWords = array<vec4<u32>, 4>;

fn scales4(at: u32) -> vec4<u32> {
    return vec4<u32>(scales[at], scales[at + 1u], scales[at + 2u], scales[at + 3u]);
}

/// The scales of the hidden values column to column + 31; column is a multiple of 32.
fn scale_words32(tile: u32, column: u32, columns: u32) -> ScaleWords {
    let at = ((tile / 2u) * ((columns + 7u) & ~7u) + column) / 2u;
    return ScaleWords(scales4(at), scales4(at + 4u), scales4(at + 8u), scales4(at + 12u));
}
