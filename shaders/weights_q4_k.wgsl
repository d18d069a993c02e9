// Q4_K in two planes: quants 4 bits, row-major [rows, columns], each 32 columns as Q4_0 has them: byte j of 16 holds column j
// in its low half and column j + 16 in its high half; scales [rows, columns / 256], four words: d and dmin as f16; the low four
// bits of eight 6-bit scales; those of eight minima; the high two bits of the scales, then of the minima.
// A weight is d * scale * quant - dmin * min, with the scale and the minimum of its 32 columns.
@group(0) @binding(0) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> scales: array<vec4<u32>>;

/// The low halves of a word's bytes.
fn low(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(15u));
}

/// (d * scale, dmin * min) of 32 columns.
fn scale_and_min(row: u32, block: u32, columns: u32) -> vec2<f32> {
    let words = scales[row * (columns / 256u) + block / 8u];
    let part = block & 7u;
    let bits = vec2<u32>(words.y, words.z) >> vec2<u32>(4u * part);
    let high = vec2<u32>(words.w) >> (vec2<u32>(0u, 16u) + vec2<u32>(2u * part));
    return unpack2x16float(words.x) * vec2<f32>((bits & vec2<u32>(15u)) | ((high & vec2<u32>(3u)) << vec2<u32>(4u)));
}

/// The weights (row, column) to (row, column + 3); column is a multiple of 4.
fn weights4(row: u32, column: u32, columns: u32) -> vec4<f32> {
    let block = column / 32u;
    let word = weights[row * (columns / 32u) + block][(column / 4u) & 3u] >> ((column & 16u) / 4u);
    let scale = scale_and_min(row, block, columns);
    return low(word) * scale.x - scale.y;
}

/// The product of 32 weights, (row, 32 block) and on, with x. `sum` is the sum of x, which the minimum is taken from.
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
    let scale = scale_and_min(row, block, columns);
    return dot(total, vec4<f32>(1.0)) * scale.x - scale.y * sum;
}
