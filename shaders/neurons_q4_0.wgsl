// Q4_0 turned neuron-major, exactly: quants 4 bits with an offset of 8, eight a word, [neurons, hidden rounded up to 8];
// scales f16, two a word, [neurons / 32, hidden rounded up to 8]. 32 neurons share the scale of a hidden value.
@group(0) @binding(0) var<storage, read> weights: array<u32>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;

/// The four quants that a word begins with, without the offset.
fn low(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(15u));
}

/// The weights of neuron `row` for the hidden values column to column + 3; column is a multiple of 4.
fn weights4(row: u32, column: u32, columns: u32) -> vec4<f32> {
    let stride = (columns + 7u) & ~7u;
    let word = weights[(row * stride + column) / 8u] >> ((column & 4u) * 4u);
    let quants = low(word) - vec4<f32>(8.0);
    let at = ((row / 32u) * stride + column) / 2u;
    return quants * vec4<f32>(unpack2x16float(scales[at]), unpack2x16float(scales[at + 1u]));
}

/// Tiles of 16 neurons of which `scale_words32` has the scales, and those that have the same ones.
const LOADED = 2u;
const ALIKE = 2u;
alias ScaleWords = array<vec4<u32>, 4>;

fn scales4(at: u32) -> vec4<u32> {
    return vec4<u32>(scales[at], scales[at + 1u], scales[at + 2u], scales[at + 3u]);
}

/// The scales of the hidden values column to column + 31; column is a multiple of 32.
fn scale_words32(tile: u32, column: u32, columns: u32) -> ScaleWords {
    let at = ((tile / 2u) * ((columns + 7u) & ~7u) + column) / 2u;
    return ScaleWords(scales4(at), scales4(at + 4u), scales4(at + 8u), scales4(at + 12u));
}

/// The quants of neuron `row` for 32 hidden values, without the offset.
fn quants32(row: u32, column: u32, columns: u32) -> array<vec4<f32>, 8> {
    let at = (row * ((columns + 7u) & ~7u) + column) / 8u;
    let words = vec4<u32>(weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u]);
    let high = words >> vec4<u32>(16u);
    return array<vec4<f32>, 8>(
        low(words.x), low(high.x), low(words.y), low(high.y), low(words.z), low(high.z), low(words.w), low(high.w),
    );
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
