// o[t, h, j] = sum_r Wv[h, j, r] z[t, h, r], with z put together from the parts that latent_attention.wgsl made:
// z = sum_p exp(m_p - m) z_p / sum_p exp(m_p - m) l_p, m = max_p m_p.
// Wv[h, j] is row h (nope + v) + nope + j of kv_b [heads (nope + v), rank]. z_p [tokens, heads, parts, rank rounded up to 4];
// sums [tokens, heads, parts], (m, l); o [tokens, heads, v]. rank is at most 2048.
// One workgroup of 256: 32 values of one head, 8 invocations each. Dispatch (v / 32, heads, tokens), rounded up.
#include weights
@group(0) @binding(2) var<storage, read> z: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> sums: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> o: array<f32>;
struct Params { heads: u32, nope: u32, v: u32, rank: u32, parts: u32 }
@group(0) @binding(9) var<uniform> params: Params;
var<workgroup> merged: array<vec4<f32>, 512>;
var<workgroup> partial: array<f32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let first = (group.z * params.heads + group.y) * params.parts;
    var most = sums[first].x;
    for (var part = 1u; part < params.parts; part++) {
        most = max(most, sums[first + part].x);
    }
    var total = 0.0;
    for (var part = 0u; part < params.parts; part++) {
        total += exp(sums[first + part].x - most) * sums[first + part].y;
    }
    let width = (params.rank + 3u) / 4u;
    for (var r = index; r < width; r += 256u) {
        var value = vec4<f32>();
        for (var part = 0u; part < params.parts; part++) {
            value = fma(z[(first + part) * width + r], vec4<f32>(exp(sums[first + part].x - most)), value);
        }
        merged[r] = value / total;
    }
    workgroupBarrier();
    let j = group.x * 32u + index / 8u;
    var sum = vec4<f32>();
    if (j < params.v) {
        let row = group.y * (params.nope + params.v) + params.nope + j;
        for (var r = index % 8u; r < width; r += 8u) {
            sum = fma(weights4(row, r * 4u, params.rank), merged[r], sum);
        }
    }
    partial[index] = dot(sum, vec4<f32>(1.0));
    workgroupBarrier();
    if (index % 8u == 0u && j < params.v) {
        var value = 0.0;
        for (var i = 0u; i < 8u; i++) {
            value += partial[index + i];
        }
        o[(group.z * params.heads + group.y) * params.v + j] = value;
    }
}
