// What attention needs of each new token, in two jobs that do not depend on each other.
// Workgroups (*, heads, t) append token t to the cache: (RMSNorm(compressed[..rank]) * norm, RoPE(compressed[rank..])).
// Workgroups (*, head, t) make the head's latent query: (Wk^T q[..nope], RoPE(q[nope..])) * scale, so that a score is its
// product with a cache entry. Wk[n] is row head (nope + v) + n of kv_b [heads (nope + v), rank].
// RoPE turns the pairs (2i, 2i + 1) by position * theta^(-2i / rope); angles [positions, rope / 2] holds (cos, sin), taken in
// f64 on the host, since an f32 sine of a large angle is not exact.
// compressed [tokens, rank + rope]; q [tokens, heads, nope + rope]; latent_query [tokens, heads, entry];
// cache [capacity, entry] of one layer. An entry is the latent, then the rotated key, each padded with zeros to a multiple of 4.
// One workgroup of 256: 64 latent columns, 16 x 4, and 16 rows of Wk at a time. Dispatch (rank / 64, heads + 1, tokens),
// rounded up.
#include weights
@group(0) @binding(2) var<uniform> state: State;
@group(0) @binding(3) var<storage, read> q: array<f32>;
@group(0) @binding(4) var<storage, read> compressed: array<f32>;
@group(0) @binding(5) var<storage, read> norm: array<f32>;
@group(0) @binding(6) var<storage, read> angles: array<vec2<f32>>;
@group(0) @binding(7) var<storage, read_write> latent_query: array<f32>;
@group(0) @binding(8) var<storage, read_write> cache: array<f32>;
struct State { token: u32, position: u32 }
struct Params { heads: u32, nope: u32, rope: u32, v: u32, rank: u32, scale: f32, eps: f32 }
@group(0) @binding(9) var<uniform> params: Params;
var<workgroup> partial: array<vec4<f32>, 256>;

fn padded(width: u32) -> u32 {
    return (width + 3u) & ~3u;
}

fn turned(pair: u32, token: u32, values: vec2<f32>) -> vec2<f32> {
    let turn = angles[(state.position + token) * (params.rope / 2u) + pair];
    return vec2<f32>(values.x * turn.x - values.y * turn.y, values.x * turn.y + values.y * turn.x);
}

fn append(index: u32, token: u32) {
    let source = token * (params.rank + params.rope);
    let rank = padded(params.rank);
    let to = (state.position + token) * (rank + padded(params.rope));
    var sum = 0.0;
    for (var i = index; i < params.rank; i += 256u) {
        sum = fma(compressed[source + i], compressed[source + i], sum);
    }
    partial[index].x = sum;
    workgroupBarrier();
    if (index % 16u == 0u) {
        for (var i = 1u; i < 16u; i++) {
            sum += partial[index + i].x;
        }
        partial[index].y = sum;
    }
    workgroupBarrier();
    sum = 0.0;
    for (var i = 0u; i < 256u; i += 16u) {
        sum += partial[i].y;
    }
    let root = 1.0 / sqrt(sum / f32(params.rank) + params.eps);
    for (var i = index; i < params.rank; i += 256u) {
        cache[to + i] = compressed[source + i] * root * norm[i];
    }
    for (var pair = index; pair < params.rope / 2u; pair += 256u) {
        let at = source + params.rank + 2u * pair;
        let key = turned(pair, token, vec2<f32>(compressed[at], compressed[at + 1u]));
        cache[to + rank + 2u * pair] = key.x;
        cache[to + rank + 2u * pair + 1u] = key.y;
    }
}

fn absorb(index: u32, group: vec3<u32>) {
    let head = group.y;
    let query = (group.z * params.heads + head) * (params.nope + params.rope);
    let rank = padded(params.rank);
    let to = (group.z * params.heads + head) * (rank + padded(params.rope));
    let r = group.x * 64u + index % 16u * 4u;
    let lane = index / 16u;
    var sum = vec4<f32>();
    if (r < params.rank) {
        for (var n = lane; n < params.nope; n += 16u) {
            let row = head * (params.nope + params.v) + n;
            sum = fma(weights4(row, r, params.rank), vec4<f32>(q[query + n]), sum);
        }
    }
    partial[index] = sum;
    workgroupBarrier();
    if (lane == 0u && r < params.rank) {
        for (var i = 1u; i < 16u; i++) {
            sum += partial[index + 16u * i];
        }
        for (var i = 0u; i < min(4u, params.rank - r); i++) {
            latent_query[to + r + i] = sum[i] * params.scale;
        }
    }
    if (group.x == 0u) {
        for (var pair = index; pair < params.rope / 2u; pair += 256u) {
            let at = query + params.nope + 2u * pair;
            let turned_query = turned(pair, group.z, vec2<f32>(q[at], q[at + 1u])) * params.scale;
            latent_query[to + rank + 2u * pair] = turned_query.x;
            latent_query[to + rank + 2u * pair + 1u] = turned_query.y;
        }
        // The padding must be zeros: buffers are used again.
        for (var i = params.rank + index; i < rank; i += 256u) {
            latent_query[to + i] = 0.0;
        }
        for (var i = params.rope + index; i < padded(params.rope); i += 256u) {
            latent_query[to + rank + i] = 0.0;
        }
    }
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    if (group.y < params.heads) {
        absorb(index, group);
    } else if (group.x == 0u) {
        append(index, group.z);
    }
}
