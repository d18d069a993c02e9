// score_s = (qa[t, h] . c_s + q_pe[t, h] . k_pe_s) * scale for s <= position + t; z[t, h] = sum_s softmax(score)_s c_s
// cache [capacity, rank + rope] of one layer holds (c_s, k_pe_s); qa and z [tokens, heads, rank];
// q [tokens, heads, nope + rope]. One workgroup of 64: one head of one token, over the context in tiles of 64 with an
// online softmax. Dispatch (heads, 1, tokens).
@group(0) @binding(0) var<storage, read> qa: array<f32>;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> cache: array<f32>;
@group(0) @binding(3) var<storage, read_write> z: array<f32>;
struct Params { heads: u32, nope: u32, rope: u32, rank: u32, position: u32, scale: f32 }
@group(0) @binding(4) var<uniform> params: Params;
var<workgroup> scores: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let width = params.rank + params.rope;
    let at = group.z * params.heads + group.x;
    let query = at * params.rank;
    let rotated = at * (params.nope + params.rope) + params.nope;
    let length = params.position + group.z + 1u;
    for (var r = lane; r < params.rank; r += 64u) {
        z[query + r] = 0.0;
    }
    var most = -3.0e38;
    var sum = 0.0;
    for (var tile = 0u; tile < length; tile += 64u) {
        let s = tile + lane;
        var score = -3.0e38;
        if (s < length) {
            score = 0.0;
            for (var r = 0u; r < params.rank; r++) {
                score = fma(qa[query + r], cache[s * width + r], score);
            }
            for (var i = 0u; i < params.rope; i++) {
                score = fma(q[rotated + i], cache[s * width + params.rank + i], score);
            }
            score *= params.scale;
        }
        scores[lane] = score;
        workgroupBarrier();
        // Every invocation takes the same maximum and sum in the same order: cheap, and no second exchange.
        let count = min(64u, length - tile);
        var most_now = most;
        for (var i = 0u; i < count; i++) {
            most_now = max(most_now, scores[i]);
        }
        let correction = exp(most - most_now);
        sum *= correction;
        for (var r = lane; r < params.rank; r += 64u) {
            var value = z[query + r] * correction;
            for (var i = 0u; i < count; i++) {
                value = fma(exp(scores[i] - most_now), cache[(tile + i) * width + r], value);
            }
            z[query + r] = value;
        }
        for (var i = 0u; i < count; i++) {
            sum += exp(scores[i] - most_now);
        }
        most = most_now;
        workgroupBarrier();
    }
    for (var r = lane; r < params.rank; r += 64u) {
        z[query + r] /= sum;
    }
}
