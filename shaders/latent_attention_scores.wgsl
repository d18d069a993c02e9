// The first half of latent attention for processors that play a GPU, latent_attention_values.wgsl the second; for GPUs
// latent_attention.wgsl computes the same. A row is one head of one token, row = token * heads + head.
// score_s = latent_query . entry_s, which append_and_absorb.wgsl has scaled; of each eight entries m = max_s score_s and
// weight_s = exp(score_s - m), over entries s <= position + token. Later entries have a weight of zero, and m is LEAST where
// there are no others.
// latent_query [rows, ENTRY]; cache [capacity, ENTRY] of one layer, f16; widths in units of 4 values.
// weights [rows / 8, eights of entries, 8 entries, 8 rows]; most [rows / 8, eights of entries, 8 rows].
// One invocation: eight rows and sixteen entries, so that what is loaded serves so often: where a processor plays a GPU, each
// invocation's loads are made one by one. No barriers, which cost such a processor its registers.
// Dispatch (entries / 128, rows / 8, 1), rounded up: rows from `first` to `end`; `weights` and `most` begin at `first`.
@group(0) @binding(0) var<uniform> state: State;
@group(0) @binding(1) var<storage, read> latent_query: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> cache: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> weights: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> most: array<vec4<f32>>;
struct State { token: u32, position: u32 }
struct Params { heads: u32, first: u32, end: u32, eights: u32 }
@group(0) @binding(9) var<uniform> params: Params;
const LEAST = vec4<f32>(-3.0e38);

fn unpacked(at: u32) -> vec4<f32> {
    let words = cache[at];
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}

fn entries(at: vec4<u32>) -> mat4x4<f32> {
    return mat4x4<f32>(unpacked(at.x), unpacked(at.y), unpacked(at.z), unpacked(at.w));
}

/// Four rows of the query, as rows of a matrix.
fn queries(at: vec4<u32>) -> mat4x4<f32> {
    return transpose(mat4x4<f32>(latent_query[at.x], latent_query[at.y], latent_query[at.z], latent_query[at.w]));
}

/// Stores the scores of four rows with four entries, every other vec4 from `at` on, but LEAST where a row does not reach the
/// entry.
fn store(at: u32, scores: mat4x4<f32>, entry: u32, length: vec4<u32>) {
#repeat i 4
    weights[at + 2u * $i] = select(LEAST, scores[$i], vec4<u32>(entry + $i) < length);
#end
}

/// Takes the scores of four rows with eight entries, every other vec4 from `at` on, to their weights.
fn weigh(at: u32) -> vec4<f32> {
    var largest = LEAST;
    for (var i = at; i < at + 16u; i += 2u) {
        largest = max(largest, weights[i]);
    }
    for (var i = at; i < at + 16u; i += 2u) {
        let score = weights[i];
        weights[i] = select(vec4<f32>(), exp(score - largest), score > LEAST);
    }
    return largest;
}

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let entry = id.x * 16u;
    // Rows past the end repeat the last one, and so do entries.
    let row = vec4<u32>(params.first + id.y * 8u) + vec4<u32>(0u, 1u, 2u, 3u);
    let low = min(row, vec4<u32>(params.end - 1u));
    let high = min(row + vec4<u32>(4u), vec4<u32>(params.end - 1u));
    let last = state.position + high.w / params.heads;
    if (entry > last) {
        return;
    }
    let at = vec4<u32>(entry) + vec4<u32>(0u, 1u, 2u, 3u);
    let first = min(at, vec4<u32>(last)) * ENTRY;
    let second = min(at + vec4<u32>(4u), vec4<u32>(last)) * ENTRY;
    let third = min(at + vec4<u32>(8u), vec4<u32>(last)) * ENTRY;
    let fourth = min(at + vec4<u32>(12u), vec4<u32>(last)) * ENTRY;
    // Four rows, low or high, with four entries.
    var low_first: mat4x4<f32>;
    var low_second: mat4x4<f32>;
    var low_third: mat4x4<f32>;
    var low_fourth: mat4x4<f32>;
    var high_first: mat4x4<f32>;
    var high_second: mat4x4<f32>;
    var high_third: mat4x4<f32>;
    var high_fourth: mat4x4<f32>;
    for (var i = 0u; i < ENTRY; i++) {
        let p = queries(low * ENTRY + i);
        let q = queries(high * ENTRY + i);
        let a = entries(first + i);
        let b = entries(second + i);
        let c = entries(third + i);
        let d = entries(fourth + i);
        low_first += p * a;
        low_second += p * b;
        low_third += p * c;
        low_fourth += p * d;
        high_first += q * a;
        high_second += q * b;
        high_third += q * c;
        high_fourth += q * d;
    }
    let eight = id.y * params.eights + id.x * 2u;
    let low_length = low / params.heads + vec4<u32>(state.position + 1u);
    let high_length = high / params.heads + vec4<u32>(state.position + 1u);
    store(eight * 16u, low_first, entry, low_length);
    store(eight * 16u + 8u, low_second, entry + 4u, low_length);
    store(eight * 16u + 1u, high_first, entry, high_length);
    store(eight * 16u + 9u, high_second, entry + 4u, high_length);
    if (entry + 8u <= last) {
        store(eight * 16u + 16u, low_third, entry + 8u, low_length);
        store(eight * 16u + 24u, low_fourth, entry + 12u, low_length);
        store(eight * 16u + 17u, high_third, entry + 8u, high_length);
        store(eight * 16u + 25u, high_fourth, entry + 12u, high_length);
    }
    // In a loop, since exponentials are long where they are compiled.
    for (var i = 2u * eight; i < 2u * eight + select(2u, 4u, entry + 8u <= last); i++) {
        most[i] = weigh(i / 2u * 16u + (i & 1u));
    }
}
