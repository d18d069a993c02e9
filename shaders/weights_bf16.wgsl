// Weights as bf16, two a word, row-major [rows, columns rounded up to 32], zeros in the padding.
@group(0) @binding(0) var<storage, read> weights: array<vec4<u32>>;

fn widen(pair: vec2<u32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(vec4<u32>(pair.x << 16u, pair.x & 0xffff0000u, pair.y << 16u, pair.y & 0xffff0000u));
}

/// The weights (row, column) to (row, column + 3); column is a multiple of 4.
fn weights4(row: u32, column: u32, columns: u32) -> vec4<f32> {
    let words = weights[row * ((columns + 31u) / 32u * 4u) + column / 8u];
    return widen(select(words.xy, words.zw, (column & 4u) != 0u));
}

/// The product of 32 weights, (row, 32 block) and on, with x. `sum` is the sum of x.
fn dot32(row: u32, block: u32, columns: u32, x: ptr<function, array<vec4<f32>, 8>>, sum: f32) -> f32 {
    let at = (row * ((columns + 31u) / 32u) + block) * 4u;
    var total = vec4<f32>();
    for (var i = 0u; i < 4u; i++) {
        let words = weights[at + i];
        total = fma(widen(words.xy), (*x)[2u * i], total);
        total = fma(widen(words.zw), (*x)[2u * i + 1u], total);
    }
    return dot(total, vec4<f32>(1.0));
}
