// Q4_K turned neuron-major, exactly: quants 4 bits, eight a word, [neurons, hidden rounded up to 8]; scales, four words as
// weights_q4_k.wgsl has them, [neurons / 256, hidden rounded up to 8]. 256 neurons share the four words of a hidden value.
@group(0) @binding(0) var<storage, read> weights: array<u32>;
@group(0) @binding(1) var<storage, read> scales: array<vec4<u32>>;

/// The weights of neuron `row` for the hidden values column to column + 3; column is a multiple of 4.
fn weights4(row: u32, column: u32, columns: u32) -> vec4<f32> {
    let stride = (columns + 7u) & ~7u;
    let word = weights[(row * stride + column) / 8u] >> ((column & 4u) * 4u);
    let quants = vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(15u));
    let at = (row / 256u) * stride + column;
    let part = (row / 32u) & 7u;
    var values: vec4<f32>;
    for (var i = 0u; i < 4u; i++) {
        let words = scales[at + i];
        let bits = vec2<u32>(words.y, words.z) >> vec2<u32>(4u * part);
        let high = vec2<u32>(words.w) >> (vec2<u32>(0u, 16u) + vec2<u32>(2u * part));
        let scale_and_min = vec2<f32>((bits & vec2<u32>(15u)) | ((high & vec2<u32>(3u)) << vec2<u32>(4u)));
        let scale = unpack2x16float(words.x) * scale_and_min;
        values[i] = quants[i] * scale.x - scale.y;
    }
    return values;
}
