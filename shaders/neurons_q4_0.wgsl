// Q4_0 turned neuron-major, exactly: quants 4 bits with an offset of 8, eight a word, [neurons, hidden rounded up to 8];
// scales f16, two a word, [neurons / 32, hidden rounded up to 8]. 32 neurons share the scale of a hidden value.
@group(0) @binding(0) var<storage, read> weights: array<u32>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;

/// The weights of neuron `row` for the hidden values column to column + 3; column is a multiple of 4.
fn weights4(row: u32, column: u32, columns: u32) -> vec4<f32> {
    let stride = (columns + 7u) & ~7u;
    let word = weights[(row * stride + column) / 8u] >> ((column & 4u) * 4u);
    let quants = low(word) - vec4<f32>(8.0);
    let at = ((row / 32u) * stride + column) / 2u;
    return quants * vec4<f32>(unpack2x16float(scales[at]), unpack2x16float(scales[at + 1u]));
}

/// Sums of weights times values, from sums of quants times values; `total` is the sum of the values, which the offset is
/// taken from.
fn scaled32(words: ptr<function, ScaleWords>, tile: u32, sums: ptr<function, array<vec4<f32>, 8>>, total: f32)
    -> array<vec4<f32>, 8> {
    let offset = vec4<f32>(8.0 * total);
    var scaled: array<vec4<f32>, 8>;
#repeat i 4
    {
        let four = (*words)[$i];
        scaled[2u * $i] = ((*sums)[2u * $i] - offset) * vec4<f32>(unpack2x16float(four.x), unpack2x16float(four.y));
        scaled[2u * $i + 1u] = ((*sums)[2u * $i + 1u] - offset) * vec4<f32>(unpack2x16float(four.z), unpack2x16float(four.w));
    }
#end
    return scaled;
}
