// Q4_0 in two planes: quants 4 bits with an offset of 8, row-major [rows, columns], each block of 32 as the file has it:
// byte j of 16 holds column j in its low half and column j + 16 in its high half; scales f16, two a word,
// [rows, columns / 32 rounded up to 2]. A weight is its quant times the scale of its 32 columns.
@group(0) @binding(0) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;

/// The low halves of a word's bytes, without the offset.
fn low(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(15u));
}

fn scale(row: u32, block: u32, columns: u32) -> f32 {
    let at = row * ((columns / 32u + 1u) & ~1u) + block;
    return unpack2x16float(scales[at / 2u])[at & 1u];
}

/// The weights (row, column) to (row, column + 3); column is a multiple of 4.
fn weights4(row: u32, column: u32, columns: u32) -> vec4<f32> {
    let block = column / 32u;
    let word = weights[row * (columns / 32u) + block][(column / 4u) & 3u] >> ((column & 16u) / 4u);
    return (low(word) - vec4<f32>(8.0)) * scale(row, block, columns);
}

/// The product of 32 weights, (row, 32 block) and on, with x. `sum` is the sum of x, which the offset is taken from.
fn dot32(row: u32, block: u32, columns: u32, x: ptr<function, array<vec4<f32>, 8>>, sum: f32) -> f32 {
    let words = weights[row * (columns / 32u) + block];
    let high = words >> vec4<u32>(4u);
    var total = low(words.x) * (*x)[0];
    total = fma(low(words.y), (*x)[1], total);
    total = fma(low(words.z), (*x)[2], total);
    total = fma(low(words.w), (*x)[3], total);
    total = fma(low(high.x), (*x)[4], total);
    total = fma(low(high.y), (*x)[5], total);
    total = fma(low(high.z), (*x)[6], total);
    total = fma(low(high.w), (*x)[7], total);
    return (dot(total, vec4<f32>(1.0)) - 8.0 * sum) * scale(row, block, columns);
}
