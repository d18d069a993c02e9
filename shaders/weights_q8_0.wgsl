// Q8_0 in two planes: quants i8, four a word, row-major [rows, columns]; scales f16, two a word,
// [rows, columns / 32 rounded up to 2]. A weight is its quant times the scale of its 32 columns.
@group(0) @binding(0) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;

fn quants(word: u32) -> vec4<f32> {
    return vec4<f32>(vec4<i32>(vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}

fn scale(row: u32, block: u32, columns: u32) -> f32 {
    let at = row * ((columns / 32u + 1u) & ~1u) + block;
    return unpack2x16float(scales[at / 2u])[at & 1u];
}

/// The weights (row, column) to (row, column + 3); column is a multiple of 4.
fn weights4(row: u32, column: u32, columns: u32) -> vec4<f32> {
    let at = (row * columns + column) / 4u;
    return quants(weights[at / 4u][at & 3u]) * scale(row, column / 32u, columns);
}

/// The product of 32 weights, (row, 32 block) and on, with x. `sum` is the sum of x.
fn dot32(row: u32, block: u32, columns: u32, x: ptr<function, array<vec4<f32>, 8>>, sum: f32) -> f32 {
    let at = (row * (columns / 32u) + block) * 2u;
    let a = weights[at];
    let b = weights[at + 1u];
    var total = quants(a.x) * (*x)[0];
    total = fma(quants(a.y), (*x)[1], total);
    total = fma(quants(a.z), (*x)[2], total);
    total = fma(quants(a.w), (*x)[3], total);
    total = fma(quants(b.x), (*x)[4], total);
    total = fma(quants(b.y), (*x)[5], total);
    total = fma(quants(b.z), (*x)[6], total);
    total = fma(quants(b.w), (*x)[7], total);
    return dot(total, vec4<f32>(1.0)) * scale(row, block, columns);
}
