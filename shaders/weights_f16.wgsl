// Weights as f16, two a word, row-major [rows, columns rounded up to 4], zeros in the padding.
@group(0) @binding(0) var<storage, read> weights: array<u32>;

/// The weights (row, column) to (row, column + 3); column is a multiple of 4.
fn weights4(row: u32, column: u32, columns: u32) -> vec4<f32> {
    let at = (row * ((columns + 3u) & ~3u) + column) / 2u;
    return vec4<f32>(unpack2x16float(weights[at]), unpack2x16float(weights[at + 1u]));
}
