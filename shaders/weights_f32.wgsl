// Weights as f32, row-major [rows, columns rounded up to 4], zeros in the padding.
@group(0) @binding(0) var<storage, read> weights: array<f32>;

/// The weights (row, column) to (row, column + 3); column is a multiple of 4.
fn weights4(row: u32, column: u32, columns: u32) -> vec4<f32> {
    let at = row * ((columns + 3u) & ~3u) + column;
    return vec4<f32>(weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u]);
}
