// Q8_0 turned neuron-major, exactly: quants i8, four a word, [neurons, hidden rounded up to 8]; scales f16, two a word,
// [neurons / 32, hidden rounded up to 8]. 32 neurons share the scale of a hidden value, as in the file.
@group(0) @binding(0) var<storage, read> weights: array<u32>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;

/// The weights of neuron `row` for the hidden values column to column + 3; column is a multiple of 4.
fn weights4(row: u32, column: u32, columns: u32) -> vec4<f32> {
    let stride = (columns + 7u) & ~7u;
    let word = weights[(row * stride + column) / 4u];
    let quants = (vec4<i32>(vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u))) >> vec4<u32>(24u);
    let at = ((row / 32u) * stride + column) / 2u;
    return vec4<f32>(quants) * vec4<f32>(unpack2x16float(scales[at]), unpack2x16float(scales[at + 1u]));
}
