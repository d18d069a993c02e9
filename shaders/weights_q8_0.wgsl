// Q8_0 in two planes: quants i8, four a word, row-major [rows, columns]; scales f16, two a word,
// [rows, columns / 32 rounded up to 2]. A weight is its quant times the scale of its 32 columns.
@group(0) @binding(0) var<storage, read> weights: array<u32>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;

/// The weights (row, column) to (row, column + 3); column is a multiple of 4.
fn weights4(row: u32, column: u32, columns: u32) -> vec4<f32> {
    let word = weights[(row * columns + column) / 4u];
    let quants = (vec4<i32>(vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u))) >> vec4<u32>(24u);
    let block = row * ((columns / 32u + 1u) & ~1u) + column / 32u;
    return vec4<f32>(quants) * unpack2x16float(scales[block / 2u])[block & 1u];
}
