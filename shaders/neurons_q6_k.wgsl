// Q6_K turned neuron-major, exactly: for each neuron first the low four bits of its quants (which have an offset of 32), eight a
// word, then their high two bits, sixteen a word: [neurons, 3 / 16 of hidden rounded up to 16]; scales, five words as
// weights_q6_k.wgsl has them, [neurons / 256, hidden rounded up to 16]. 256 neurons share the five words of a hidden value.
@group(0) @binding(0) var<storage, read> weights: array<u32>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;

/// The four quants that a word of low bits and one of high bits begin with.
fn quants(low: u32, high: u32) -> vec4<f32> {
    let bits = (vec4<u32>(low) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(15u);
    let high_bits = (vec4<u32>(high) >> vec4<u32>(0u, 2u, 4u, 6u)) & vec4<u32>(3u);
    return vec4<f32>(bits | (high_bits << vec4<u32>(4u))) - vec4<f32>(32.0);
}

/// The weights of neuron `row` for the hidden values column to column + 3; column is a multiple of 4.
fn weights4(row: u32, column: u32, columns: u32) -> vec4<f32> {
    let stride = (columns + 15u) & ~15u;
    let start = row * ((stride / 16u) * 3u);
    let word = weights[start + column / 8u] >> ((column & 4u) * 4u);
    let high_word = weights[start + stride / 8u + column / 16u] >> ((column & 12u) * 2u);
    let at = ((row / 256u) * stride + column) * 5u;
    let part = (row / 16u) & 15u;
    var scale: vec4<f32>;
    for (var i = 0u; i < 4u; i++) {
        let word = scales[at + 5u * i + part / 4u] << (24u - (part & 3u) * 8u);
        scale[i] = f32(bitcast<i32>(word) >> 24u) * unpack2x16float(scales[at + 5u * i + 4u]).x;
    }
    return quants(word, high_word) * scale;
}

/// Tiles of 16 neurons of which `scale_words32` has the scales, and those that have the same ones.
const LOADED = 4u;
const ALIKE = 1u;
/// Four scales of each of 32 hidden values, then the d of each.
alias ScaleWords = array<vec4<u32>, 16>;

/// The scales of the hidden values column to column + 31; column is a multiple of 32.
fn scale_words32(tile: u32, column: u32, columns: u32) -> ScaleWords {
    let first = ((tile / 16u) * ((columns + 15u) & ~15u) + column) * 5u;
    let word = (tile / 4u) & 3u;
    var words: ScaleWords;
#repeat i 8
    {
        let at = first + 20u * $i;
        words[$i] = vec4<u32>(scales[at + word], scales[at + 5u + word], scales[at + 10u + word], scales[at + 15u + word]);
        words[8u + $i] = vec4<u32>(scales[at + 4u], scales[at + 9u], scales[at + 14u], scales[at + 19u]);
    }
#end
    return words;
}

/// The quants of neuron `row` for 32 hidden values.
fn quants32(row: u32, column: u32, columns: u32) -> array<vec4<f32>, 8> {
    let stride = (columns + 15u) & ~15u;
    let start = row * ((stride / 16u) * 3u);
    let low = start + column / 8u;
    let high = start + stride / 8u + column / 16u;
    let words = vec4<u32>(weights[low], weights[low + 1u], weights[low + 2u], weights[low + 3u]);
    let upper = words >> vec4<u32>(16u);
    let first = weights[high];
    let last = weights[high + 1u];
    return array<vec4<f32>, 8>(
        quants(words.x, first), quants(upper.x, first >> 8u), quants(words.y, first >> 16u), quants(upper.y, first >> 24u),
        quants(words.z, last), quants(upper.z, last >> 8u), quants(words.w, last >> 16u), quants(upper.w, last >> 24u),
    );
}

/// Sums of weights times values, from sums of quants times values; `total` is the sum of the values.
fn scaled32(words: ptr<function, ScaleWords>, tile: u32, sums: ptr<function, array<vec4<f32>, 8>>, total: f32)
    -> array<vec4<f32>, 8> {
    var scaled: array<vec4<f32>, 8>;
#repeat i 8
    {
        let d = (*words)[8u + $i];
        let factor = vec4<f32>(unpack2x16float(d.x).x, unpack2x16float(d.y).x, unpack2x16float(d.z).x, unpack2x16float(d.w).x);
        let scale = bitcast<vec4<i32>>((*words)[$i] << vec4<u32>(24u - (tile & 3u) * 8u)) >> vec4<u32>(24u);
        scaled[$i] = (*sums)[$i] * (vec4<f32>(scale) * factor);
    }
#end
    return scaled;
}
