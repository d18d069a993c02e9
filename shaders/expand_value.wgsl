// o[t, h, j] = sum_r Wv[h, j, r] z[t, h, r], with Wv[h, j] = row h (nope + v) + nope + j of kv_b [heads (nope + v), rank].
// z [tokens, heads, rank]; o [tokens, heads, v]. One invocation: one value. Dispatch (heads * v / 64, 1, tokens), rounded up.
#include weights
@group(0) @binding(2) var<storage, read> z: array<f32>;
@group(0) @binding(3) var<storage, read_write> o: array<f32>;
struct Params { heads: u32, nope: u32, v: u32, rank: u32 }
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let head = id.x / params.v;
    if (head >= params.heads) {
        return;
    }
    let row = head * (params.nope + params.v) + params.nope + id.x % params.v;
    let latent = (id.z * params.heads + head) * params.rank;
    var sum = 0.0;
    for (var r = 0u; r < params.rank; r += 4u) {
        let w = weights4(row, r, params.rank);
        for (var i = 0u; i < min(4u, params.rank - r); i++) {
            sum = fma(w[i], z[latent + r + i], sum);
        }
    }
    o[id.z * params.heads * params.v + id.x] = sum;
}
