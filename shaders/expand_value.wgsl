// o[t, h, j] = sum_r Wv[h, j, r] z[t, h, r], with z put together from the parts that latent attention made:
// z = sum_p exp(m_p - m) z_p / sum_p exp(m_p - m) l_p, m = max_p m_p, over the parts that the context reaches into.
// Wv[h, j] is row h (nope + v) + nope + j of kv_b [heads (nope + v), rank]. z_p [tokens, heads, parts, LATENT], in units of 4
// values; sums [tokens, heads, parts], (m, l); o [tokens, heads, v].
// With REDUCE one workgroup of 256: 32 values of one head, 8 invocations each. Dispatch (v / 32, heads, tokens), rounded up.
// Without, one workgroup of 16: all values of one head, one invocation each. Dispatch (1, heads, tokens).
#include weights
@group(0) @binding(2) var<storage, read> z: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> sums: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> o: array<f32>;
@group(0) @binding(5) var<uniform> state: State;
struct State { token: u32, position: u32 }
struct Params { heads: u32, nope: u32, v: u32, rank: u32, parts: u32, part_length: u32 }
@group(0) @binding(9) var<uniform> params: Params;
#if REDUCE
const WIDTH = 256u;
var<workgroup> partial: array<f32, WIDTH>;
#else
const WIDTH = 16u;
#endif
var<workgroup> merged: array<vec4<f32>, LATENT>;

@compute @workgroup_size(WIDTH)
fn main(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let row = group.z * params.heads + group.y;
    let first = row * params.parts;
    let parts = (state.position + group.z) / params.part_length + 1u;
    var most = sums[first].x;
    for (var part = 1u; part < parts; part++) {
        most = max(most, sums[first + part].x);
    }
    var total = 0.0;
    for (var part = 0u; part < parts; part++) {
        total += exp(sums[first + part].x - most) * sums[first + part].y;
    }
    for (var r = index; r < LATENT; r += WIDTH) {
        var value = vec4<f32>();
        for (var part = 0u; part < parts; part++) {
            value = fma(z[(first + part) * LATENT + r], vec4<f32>(exp(sums[first + part].x - most)), value);
        }
        merged[r] = value / total;
    }
    workgroupBarrier();
    let weight_row = group.y * (params.nope + params.v) + params.nope;
#if REDUCE
    let j = group.x * 32u + index / 8u;
    var sum = vec4<f32>();
    if (j < params.v) {
        for (var r = index % 8u; r < LATENT; r += 8u) {
            sum = fma(weights4(weight_row + j, r * 4u, params.rank), merged[r], sum);
        }
    }
    partial[index] = dot(sum, vec4<f32>(1.0));
    workgroupBarrier();
    if (index % 8u == 0u && j < params.v) {
        var value = 0.0;
        for (var i = 0u; i < 8u; i++) {
            value += partial[index + i];
        }
        o[row * params.v + j] = value;
    }
#else
    for (var j = index; j < params.v; j += WIDTH) {
        var sum = vec4<f32>();
        for (var r = 0u; r < LATENT; r++) {
            sum = fma(weights4(weight_row + j, r * 4u, params.rank), merged[r], sum);
        }
        o[row * params.v + j] = dot(sum, vec4<f32>(1.0));
    }
#endif
}
