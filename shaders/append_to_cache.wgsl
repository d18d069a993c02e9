// cache[position + t] = (RMSNorm(compressed[t, ..rank]) * weight, RoPE(compressed[t, rank..]))
// compressed [tokens, rank + rope]; cache [capacity, rank + rope] of one layer; angles as in rope_query.wgsl.
// One workgroup of 64: one token. Dispatch (1, 1, tokens).
@group(0) @binding(0) var<storage, read> compressed: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> angles: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> cache: array<f32>;
struct Params { rank: u32, rope: u32, position: u32, eps: f32 }
@group(0) @binding(4) var<uniform> params: Params;
var<workgroup> partial: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let width = params.rank + params.rope;
    let start = group.z * width;
    let to = (params.position + group.z) * width;
    var sum = 0.0;
    for (var i = lane; i < params.rank; i += 64u) {
        sum = fma(compressed[start + i], compressed[start + i], sum);
    }
    partial[lane] = sum;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) {
            partial[lane] += partial[lane + half];
        }
    }
    workgroupBarrier();
    let scale = 1.0 / sqrt(partial[0] / f32(params.rank) + params.eps);
    for (var i = lane; i < params.rank; i += 64u) {
        cache[to + i] = compressed[start + i] * scale * weight[i];
    }
    let pairs = params.rope / 2u;
    for (var pair = lane; pair < pairs; pair += 64u) {
        let turn = angles[(params.position + group.z) * pairs + pair];
        let a = compressed[start + params.rank + 2u * pair];
        let b = compressed[start + params.rank + 2u * pair + 1u];
        cache[to + params.rank + 2u * pair] = a * turn.x - b * turn.y;
        cache[to + params.rank + 2u * pair + 1u] = a * turn.y + b * turn.x;
    }
}
