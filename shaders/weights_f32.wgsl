// Weights as f32, row-major [rows, columns rounded up to 32], zeros in the padding.
@group(0) @binding(0) var<storage, read> weights: array<vec4<f32>>;

/// The weights (row, column) to (row, column + 3); column is a multiple of 4.
fn weights4(row: u32, column: u32, columns: u32) -> vec4<f32> {
    return weights[row * ((columns + 31u) / 32u * 8u) + column / 4u];
}

/// The product of 32 weights, (row, 32 block) and on, with x. `sum` is the sum of x.
fn dot32(row: u32, block: u32, columns: u32, x: ptr<function, array<vec4<f32>, 8>>, sum: f32) -> f32 {
    let at = (row * ((columns + 31u) / 32u) + block) * 8u;
    var total = vec4<f32>();
    for (var i = 0u; i < 8u; i++) {
        total = fma(weights[at + i], (*x)[i], total);
    }
    return dot(total, vec4<f32>(1.0));
}
