// One part of the context of one token, for some heads: m = max_s score_s, l = sum_s exp(score_s - m) and
// z = sum_s exp(score_s - m) c_s, over entries s of the part with s <= position + t; expand_value.wgsl puts parts together.
// score_s = latent_query . entry_s, which append_and_absorb.wgsl has scaled.
// latent_query [tokens, heads, entry]; cache [capacity, entry] of one layer, its first `latent` values the latent c; both
// padded to multiples of 4, widths in units of 4. z [tokens, heads, parts, latent]; sums [tokens, heads, parts], (m, l).
// One workgroup of 256: one part and `together` heads, 32 entries at a time with an online softmax. Each invocation has one
// of 32 x 8 scores, then up to four of the together x latent values of z (together is chosen so that four suffice).
// Dispatch (parts, heads / together, tokens), rounded up.
@group(0) @binding(0) var<uniform> state: State;
@group(0) @binding(1) var<storage, read> latent_query: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> cache: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> z: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> sums: array<vec2<f32>>;
struct State { token: u32, position: u32 }
struct Params { heads: u32, together: u32, latent: u32, entry: u32, parts: u32, part_length: u32 }
@group(0) @binding(9) var<uniform> params: Params;
const LEAST = -3.0e38;
var<workgroup> scores: array<array<f32, 32>, 8>;
/// (m, l, what earlier sums shrink by) of each head.
var<workgroup> running: array<vec3<f32>, 8>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let length = state.position + group.z + 1u;
    let start = group.x * params.part_length;
    let end = min(start + params.part_length, length);
    let first_head = group.z * params.heads + group.y * params.together;
    let heads = min(params.together, params.heads - group.y * params.together);
    let mine = index % 32u;
    let head = index / 32u;
    var held: array<vec4<f32>, 4>;
    if (index < 8u) {
        running[index] = vec3<f32>(LEAST, 0.0, 1.0);
    }
    for (var tile = start; tile < end; tile += 32u) {
        let count = min(32u, end - tile);
        if (head < heads && mine < count) {
            let query = (first_head + head) * params.entry;
            let at = (tile + mine) * params.entry;
            var sum = vec4<f32>();
            for (var i = 0u; i < params.entry; i++) {
                sum = fma(latent_query[query + i], cache[at + i], sum);
            }
            scores[head][mine] = dot(sum, vec4<f32>(1.0));
        }
        workgroupBarrier();
        if (mine == 0u && head < heads) {
            let before = running[head];
            var most = before.x;
            for (var i = 0u; i < count; i++) {
                most = max(most, scores[head][i]);
            }
            let shrink = exp(before.x - most);
            var sum = before.y * shrink;
            for (var i = 0u; i < count; i++) {
                let weight = exp(scores[head][i] - most);
                scores[head][i] = weight;
                sum += weight;
            }
            running[head] = vec3<f32>(most, sum, shrink);
        }
        workgroupBarrier();
        for (var k = 0u; k < 4u; k++) {
            let item = index + 256u * k;
            if (item < heads * params.latent) {
                let owner = item / params.latent;
                var at = tile * params.entry + item % params.latent;
                var sum = held[k] * running[owner].z;
                for (var i = 0u; i < count; i++) {
                    sum = fma(cache[at], vec4<f32>(scores[owner][i]), sum);
                    at += params.entry;
                }
                held[k] = sum;
            }
        }
        workgroupBarrier();
    }
    for (var k = 0u; k < 4u; k++) {
        let item = index + 256u * k;
        if (item < heads * params.latent) {
            let part = (first_head + item / params.latent) * params.parts + group.x;
            z[part * params.latent + item % params.latent] = held[k];
        }
    }
    if (index < heads) {
        sums[(first_head + index) * params.parts + group.x] = running[index].xy;
    }
}
