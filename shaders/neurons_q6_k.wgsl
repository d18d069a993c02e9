// Q6_K turned neuron-major, exactly: for each neuron first the low four bits of its quants (which have an offset of 32), eight a
// word, then their high two bits, sixteen a word: [neurons, 3 / 16 of hidden rounded up to 16]; scales, five words as
// weights_q6_k.wgsl has them, [neurons / 256, hidden rounded up to 16]. 256 neurons share the five words of a hidden value.
@group(0) @binding(0) var<storage, read> weights: array<u32>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;

/// The weights of neuron `row` for the hidden values column to column + 3; column is a multiple of 4.
fn weights4(row: u32, column: u32, columns: u32) -> vec4<f32> {
    let stride = (columns + 15u) & ~15u;
    let start = row * ((stride / 16u) * 3u);
    let word = weights[start + column / 8u] >> ((column & 4u) * 4u);
    let high_word = weights[start + stride / 8u + column / 16u] >> ((column & 12u) * 2u);
    let low = (vec4<u32>(word) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(15u);
    let high = (vec4<u32>(high_word) >> vec4<u32>(0u, 2u, 4u, 6u)) & vec4<u32>(3u);
    let quants = vec4<f32>(low | (high << vec4<u32>(4u))) - vec4<f32>(32.0);
    let at = ((row / 256u) * stride + column) * 5u;
    let part = (row / 16u) & 15u;
    var scale: vec4<f32>;
    for (var i = 0u; i < 4u; i++) {
        let word = scales[at + 5u * i + part / 4u] << (24u - (part & 3u) * 8u);
        scale[i] = f32(bitcast<i32>(word) >> 24u) * unpack2x16float(scales[at + 5u * i + 4u]).x;
    }
    return quants * scale;
}
