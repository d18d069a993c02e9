// Q6_K in two planes: quants 6 bits with an offset of 32, row-major [rows, columns], six words for each 32 columns: four with
// the low four bits as Q4_0 has them (byte j of 16 holds column j in its low half and column j + 16 in its high half), then two
// with the high two bits of sixteen columns each, where byte i % 4 has column i at bit 2 (i / 4); scales
// [rows, columns / 256], five words: sixteen i8, then d as f16. A weight is d * scale * quant, with the scale of its 16 columns.
@group(0) @binding(0) var<storage, read> weights: array<vec2<u32>>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;

/// Four quants: the low halves of a word's bytes, and their high bits.
fn quants(word: u32, high: u32) -> vec4<f32> {
    let places = vec4<u32>(0u, 8u, 16u, 24u);
    let low = (vec4<u32>(word) >> places) & vec4<u32>(15u);
    return vec4<f32>(low | (((vec4<u32>(high) >> places) & vec4<u32>(3u)) << vec4<u32>(4u))) - vec4<f32>(32.0);
}

/// d * scale of the first and of the last 16 of 32 columns.
fn scale(row: u32, block: u32, columns: u32) -> vec2<f32> {
    let at = (row * (columns / 256u) + block / 8u) * 5u;
    let part = block & 7u;
    let pair = scales[at + part / 2u] >> ((part & 1u) * 16u);
    let both = vec2<i32>(vec2<u32>(pair) << vec2<u32>(24u, 16u)) >> vec2<u32>(24u);
    return vec2<f32>(both) * unpack2x16float(scales[at + 4u]).x;
}

/// The weights (row, column) to (row, column + 3); column is a multiple of 4.
fn weights4(row: u32, column: u32, columns: u32) -> vec4<f32> {
    let block = column / 32u;
    let at = (row * (columns / 32u) + block) * 3u;
    let four = (column / 4u) & 3u;
    let upper = (column & 16u) != 0u;
    let word = weights[at + four / 2u][four & 1u] >> select(0u, 4u, upper);
    let high = weights[at + 2u][select(0u, 1u, upper)] >> (2u * four);
    return scale(row, block, columns)[select(0u, 1u, upper)] * quants(word, high);
}

/// The product of 32 weights, (row, 32 block) and on, with x. `sum` is the sum of x.
fn dot32(row: u32, block: u32, columns: u32, x: ptr<function, array<vec4<f32>, 8>>, sum: f32) -> f32 {
    let at = (row * (columns / 32u) + block) * 3u;
    let a = weights[at];
    let b = weights[at + 1u];
    let high = weights[at + 2u];
    var first = quants(a.x, high.x) * (*x)[0];
    first = fma(quants(a.y, high.x >> 2u), (*x)[1], first);
    first = fma(quants(b.x, high.x >> 4u), (*x)[2], first);
    first = fma(quants(b.y, high.x >> 6u), (*x)[3], first);
    var last = quants(a.x >> 4u, high.y) * (*x)[4];
    last = fma(quants(a.y >> 4u, high.y >> 2u), (*x)[5], last);
    last = fma(quants(b.x >> 4u, high.y >> 4u), (*x)[6], last);
    last = fma(quants(b.y >> 4u, high.y >> 6u), (*x)[7], last);
    return dot(vec2<f32>(dot(first, vec4<f32>(1.0)), dot(last, vec4<f32>(1.0))), scale(row, block, columns));
}
