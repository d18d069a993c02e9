// Q4_0 turned neuron-major, exactly: quants 4 bits with an offset of 8, eight a word, [neurons, hidden rounded up to 8];
// scales f16, two a word, [neurons / 32, hidden rounded up to 8]. 32 neurons share the scale of a hidden value.
@group(0) @binding(0) var<storage, read> weights: array<u32>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;

/// The weights of neuron `row` for the hidden values column to column + 3; column is a multiple of 4.
fn weights4(row: u32, column: u32, columns: u32) -> vec4<f32> {
    let stride = (columns + 7u) & ~7u;
    let word = weights[(row * stride + column) / 8u] >> ((column & 4u) * 4u);
    let quants = vec4<i32>((vec4<u32>(word) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(15u)) - 8;
    let at = ((row / 32u) * stride + column) / 2u;
    return vec4<f32>(quants) * vec4<f32>(unpack2x16float(scales[at]), unpack2x16float(scales[at + 1u]));
}
