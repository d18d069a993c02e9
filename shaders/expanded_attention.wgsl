// Attention of many tokens to a block of entries whose keys and values are expanded, for processors that play a GPU;
// expanded_attention_tiled.wgsl computes the same for GPUs.
// score_s = query . (K_s, rotated key of s); m = max_s score_s, l = sum_s exp(score_s - m), o = sum_s exp(score_s - m) V_s over
// entries s <= position + t, an online softmax that goes on from block to block: sums holds (m, l). After the last block
// o is divided by l.
// query [tokens, heads, KEY], as append_and_absorb.wgsl has scaled and turned it; expanded [entries of the block, heads,
// NOPE + VALUE], per head K, then V; cache [capacity, ENTRY] of one layer, f16, the rotated key from LATENT on;
// o [tokens, heads, VALUE]; sums [tokens, heads]. Widths in units of 4 values; KEY = NOPE + ENTRY - LATENT.
// One invocation: one token and one head. Dispatch (tokens / 16, heads, 1), rounded up.
@group(0) @binding(0) var<uniform> state: State;
@group(0) @binding(1) var<storage, read> query: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> expanded: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> cache: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read_write> o: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> sums: array<vec2<f32>>;
struct State { token: u32, position: u32 }
struct Params { heads: u32, tokens: u32, start: u32, end: u32, last: u32 }
@group(0) @binding(9) var<uniform> params: Params;
const KEY = NOPE + ENTRY - LATENT;
/// Scores that are taken before what was added up is shrunk to a new largest one.
const STEP = 8u;

fn unpacked(words: vec2<u32>) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}

@compute @workgroup_size(16)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let token = id.x;
    if (token >= params.tokens) {
        return;
    }
    let row = token * params.heads + id.y;
    var held: array<vec4<f32>, VALUE>;
    var most = -3.0e38;
    var total = 0.0;
    if (params.start > 0u) {
        most = sums[row].x;
        total = sums[row].y;
        for (var i = 0u; i < VALUE; i++) {
            held[i] = o[row * VALUE + i];
        }
    }
    let end = min(params.end, state.position + token + 1u);
    for (var first = params.start; first < end; first += STEP) {
        let count = min(STEP, end - first);
        var scores: array<f32, STEP>;
        var larger = most;
        for (var k = 0u; k < count; k++) {
            let at = ((first + k - params.start) * params.heads + id.y) * (NOPE + VALUE);
            var sum = vec4<f32>();
            for (var i = 0u; i < NOPE; i++) {
                sum = fma(query[row * KEY + i], expanded[at + i], sum);
            }
            for (var i = 0u; i < ENTRY - LATENT; i++) {
                sum = fma(query[row * KEY + NOPE + i], unpacked(cache[(first + k) * ENTRY + LATENT + i]), sum);
            }
            scores[k] = dot(sum, vec4<f32>(1.0));
            larger = max(larger, scores[k]);
        }
        let shrink = exp(most - larger);
        total *= shrink;
        for (var i = 0u; i < VALUE; i++) {
            held[i] *= shrink;
        }
        most = larger;
        for (var k = 0u; k < count; k++) {
            let at = ((first + k - params.start) * params.heads + id.y) * (NOPE + VALUE) + NOPE;
            let weight = exp(scores[k] - most);
            total += weight;
            for (var i = 0u; i < VALUE; i++) {
                held[i] = fma(expanded[at + i], vec4<f32>(weight), held[i]);
            }
        }
    }
    sums[row] = vec2<f32>(most, total);
    let scale = select(1.0, 1.0 / total, params.last == 1u);
    for (var i = 0u; i < VALUE; i++) {
        o[row * VALUE + i] = held[i] * scale;
    }
}
