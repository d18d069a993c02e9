// Q8_0 turned neuron-major, exactly: quants i8, four a word, [neurons, hidden rounded up to 8]; scales f16, two a word,
// [neurons / 32, hidden rounded up to 8]. 32 neurons share the scale of a hidden value, as in the file.
@group(0) @binding(0) var<storage, read> weights: array<u32>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;

fn quants(word: u32) -> vec4<f32> {
    return vec4<f32>(vec4<i32>(vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}

/// The weights of neuron `row` for the hidden values column to column + 3; column is a multiple of 4.
fn weights4(row: u32, column: u32, columns: u32) -> vec4<f32> {
    let stride = (columns + 7u) & ~7u;
    let at = ((row / 32u) * stride + column) / 2u;
    return quants(weights[(row * stride + column) / 4u]) * vec4<f32>(unpack2x16float(scales[at]), unpack2x16float(scales[at + 1u]));
}

/// The quants of neuron `row` for 32 hidden values.
fn quants32(row: u32, column: u32, columns: u32) -> array<vec4<f32>, 8> {
    let at = (row * ((columns + 7u) & ~7u) + column) / 4u;
    return array<vec4<f32>, 8>(
        quants(weights[at]), quants(weights[at + 1u]), quants(weights[at + 2u]), quants(weights[at + 3u]),
        quants(weights[at + 4u]), quants(weights[at + 5u]), quants(weights[at + 6u]), quants(weights[at + 7u]),
    );
}

/// Sums of weights times values, from sums of quants times values; `total` is the sum of the values.
fn scaled32(words: ptr<function, ScaleWords>, tile: u32, sums: ptr<function, array<vec4<f32>, 8>>, total: f32)
    -> array<vec4<f32>, 8> {
    var scaled: array<vec4<f32>, 8>;
#repeat i 4
    {
        let four = (*words)[$i];
        scaled[2u * $i] = (*sums)[2u * $i] * vec4<f32>(unpack2x16float(four.x), unpack2x16float(four.y));
        scaled[2u * $i + 1u] = (*sums)[2u * $i + 1u] * vec4<f32>(unpack2x16float(four.z), unpack2x16float(four.w));
    }
#end
    return scaled;
}
