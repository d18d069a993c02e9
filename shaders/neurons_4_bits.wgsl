// What neurons_q4_0.wgsl and neurons_q4_k.wgsl have in common: their plane of quants. Q4_0's offset is not taken from them.

/// The four quants that a word begins with.
fn low(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(15u));
}

/// The quants of neuron `row` for 32 hidden values.
fn quants32(row: u32, column: u32, columns: u32) -> array<vec4<f32>, 8> {
    let at = (row * ((columns + 7u) & ~7u) + column) / 8u;
    let words = vec4<u32>(weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u]);
    let high = words >> vec4<u32>(16u);
    return array<vec4<f32>, 8>(
        low(words.x), low(high.x), low(words.y), low(high.y), low(words.z), low(high.z), low(words.w), low(high.w),
    );
}
