// Q4_K turned neuron-major, exactly: quants 4 bits, eight a word, [neurons, hidden rounded up to 8]; scales, four words as
// weights_q4_k.wgsl has them, [neurons / 256, hidden rounded up to 8]. 256 neurons share the four words of a hidden value.
@group(0) @binding(0) var<storage, read> weights: array<u32>;
@group(0) @binding(1) var<storage, read> scales: array<vec4<u32>>;

/// (d * scale, dmin * min) of 32 neurons, part `part` of 256, for one hidden value.
fn scale_and_min(words: vec4<u32>, part: u32) -> vec2<f32> {
    let bits = vec2<u32>(words.y, words.z) >> vec2<u32>(4u * part);
    let high = vec2<u32>(words.w) >> (vec2<u32>(0u, 16u) + vec2<u32>(2u * part));
    return unpack2x16float(words.x) * vec2<f32>((bits & vec2<u32>(15u)) | ((high & vec2<u32>(3u)) << vec2<u32>(4u)));
}

/// The weights of neuron `row` for the hidden values column to column + 3; column is a multiple of 4.
fn weights4(row: u32, column: u32, columns: u32) -> vec4<f32> {
    let stride = (columns + 7u) & ~7u;
    let quants = low(weights[(row * stride + column) / 8u] >> ((column & 4u) * 4u));
    let at = (row / 256u) * stride + column;
    let part = (row / 32u) & 7u;
    var values: vec4<f32>;
    for (var i = 0u; i < 4u; i++) {
        let scale = scale_and_min(scales[at + i], part);
        values[i] = quants[i] * scale.x - scale.y;
    }
    return values;
}

/// Tiles of 16 neurons of which `scale_words32` has the scales, and those that have the same ones.
const LOADED = 16u;
const ALIKE = 2u;
alias ScaleWords = array<vec4<u32>, 32>;

/// The scales of the hidden values column to column + 31; column is a multiple of 32.
fn scale_words32(tile: u32, column: u32, columns: u32) -> ScaleWords {
    let at = (tile / 16u) * ((columns + 7u) & ~7u) + column;
    var words: ScaleWords;
#repeat i 32
    words[$i] = scales[at + $i];
#end
    return words;
}

/// Sums of weights times values, from sums of quants times values; `total` is the sum of the values, which the minimum is
/// taken from.
fn scaled32(words: ptr<function, ScaleWords>, tile: u32, sums: ptr<function, array<vec4<f32>, 8>>, total: f32)
    -> array<vec4<f32>, 8> {
    let part = (tile / 2u) & 7u;
    var scaled: array<vec4<f32>, 8>;
#repeat i 8
    {
        let a = scale_and_min((*words)[4u * $i], part);
        let b = scale_and_min((*words)[4u * $i + 1u], part);
        let c = scale_and_min((*words)[4u * $i + 2u], part);
        let d = scale_and_min((*words)[4u * $i + 3u], part);
        scaled[$i] = (*sums)[$i] * vec4<f32>(a.x, b.x, c.x, d.x) - total * vec4<f32>(a.y, b.y, c.y, d.y);
    }
#end
    return scaled;
}
