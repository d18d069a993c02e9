// qa[t, h, r] = sum_n Wk[h, n, r] q[t, h, n], with Wk[h, n] = row h (nope + v) + n of kv_b [heads (nope + v), rank].
// q [tokens, heads, nope + rope]; qa [tokens, heads, rank]. One invocation: four r.
// Dispatch (rank / 4 / 64, heads, tokens), rounded up.
#include weights
@group(0) @binding(2) var<storage, read> q: array<f32>;
@group(0) @binding(3) var<storage, read_write> qa: array<f32>;
struct Params { heads: u32, nope: u32, rope: u32, v: u32, rank: u32 }
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let r = id.x * 4u;
    if (r >= params.rank) {
        return;
    }
    let head = id.y;
    let query = (id.z * params.heads + head) * (params.nope + params.rope);
    var sum = vec4<f32>();
    for (var n = 0u; n < params.nope; n++) {
        sum = fma(weights4(head * (params.nope + params.v) + n, r, params.rank), vec4<f32>(q[query + n]), sum);
    }
    for (var i = 0u; i < min(4u, params.rank - r); i++) {
        qa[(id.z * params.heads + head) * params.rank + r + i] = sum[i];
    }
}
