// What attention needs of each new token, in two jobs that do not depend on each other.
// Workgroups (0, heads, t) append token t to the cache: (RMSNorm(compressed[..rank]) * norm, RoPE(compressed[rank..])).
// Workgroups (*, head, t) make the head's latent query: (Wk^T q[..nope], RoPE(q[nope..])) * scale, so that a score is its
// product with a cache entry. Wk[n] is row head (nope + v) + n of kv_b [heads (nope + v), rank]. With EXPANDED they make
// (q[..nope], RoPE(q[nope..])) * scale instead, for scores with expanded keys; nope is a multiple of 4 then.
// RoPE turns the pairs (2i, 2i + 1) by position * theta^(-2i / rope); angles [positions, rope / 2] holds (cos, sin), taken in
// f64 on the host, since an f32 sine of a large angle is not exact.
// compressed [tokens, rank + rope]; q [tokens, heads, nope + rope]; query [tokens, heads, entry, or nope + rope rounded up to 4];
// cache [capacity, entry] of one layer, f16, four values a vec2. An entry is the latent, then the rotated key, each padded
// with zeros to a multiple of 4.
// One workgroup of 16 x DEPTH: 64 latent columns, four each, and DEPTH rows of Wk at a time.
// Dispatch (rank / 64, or 1 with EXPANDED, heads + 1, tokens), rounded
// up.
#include weights
@group(0) @binding(2) var<uniform> state: State;
@group(0) @binding(3) var<storage, read> q: array<f32>;
@group(0) @binding(4) var<storage, read> compressed: array<f32>;
@group(0) @binding(5) var<storage, read> norm: array<f32>;
@group(0) @binding(6) var<storage, read> angles: array<vec2<f32>>;
@group(0) @binding(7) var<storage, read_write> query: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> cache: array<vec2<u32>>;
struct State { token: u32, position: u32 }
struct Params { heads: u32, nope: u32, rope: u32, v: u32, rank: u32, scale: f32, eps: f32 }
@group(0) @binding(9) var<uniform> params: Params;
const WIDTH = 16u * DEPTH;
#if REDUCE
var<workgroup> partial: array<vec4<f32>, WIDTH>;
#endif

/// Two pairs, turned by the token's angles. `pair` is the first one's number; what lies past the last pair is zero.
fn turned(pair: u32, token: u32, values: vec4<f32>) -> vec4<f32> {
    let pairs = params.rope / 2u;
    let at = (state.position + token) * pairs;
    let a = angles[at + pair];
    let b = select(vec2<f32>(), angles[at + min(pair + 1u, pairs - 1u)], pair + 1u < pairs);
    return vec4<f32>(
        values.x * a.x - values.y * a.y, values.x * a.y + values.y * a.x,
        values.z * b.x - values.w * b.y, values.z * b.y + values.w * b.x,
    );
}

/// As f16. What f16 cannot hold becomes its largest value: infinity would make every later sum NaN.
fn packed(values: vec4<f32>) -> vec2<u32> {
    let inside = clamp(values, vec4<f32>(-65504.0), vec4<f32>(65504.0));
    return vec2<u32>(pack2x16float(inside.xy), pack2x16float(inside.zw));
}

fn append(index: u32, token: u32) {
    let source = token * (params.rank + params.rope);
    let latent = (params.rank + 3u) / 4u;
    let to = (state.position + token) * (latent + (params.rope + 3u) / 4u);
    var sum = 0.0;
#if REDUCE
    for (var i = index; i < params.rank; i += WIDTH) {
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
    for (var i = 0u; i < WIDTH; i += 16u) {
        sum += partial[i].y;
    }
#else
    for (var i = 0u; i < params.rank; i++) {
        sum = fma(compressed[source + i], compressed[source + i], sum);
    }
#endif
    let root = 1.0 / sqrt(sum / f32(params.rank) + params.eps);
    for (var i = index; i < latent; i += WIDTH) {
        var values = vec4<f32>();
        for (var j = 0u; j < min(4u, params.rank - 4u * i); j++) {
            values[j] = compressed[source + 4u * i + j] * root * norm[4u * i + j];
        }
        cache[to + i] = packed(values);
    }
    for (var i = index; i < (params.rope + 3u) / 4u; i += WIDTH) {
        let at = source + params.rank + 4u * i;
        var values = vec4<f32>(compressed[at], compressed[at + 1u], 0.0, 0.0);
        if (4u * i + 2u < params.rope) {
            values.z = compressed[at + 2u];
            values.w = compressed[at + 3u];
        }
        cache[to + latent + i] = packed(turned(2u * i, token, values));
    }
}

/// The rotated part of a head's query, from `at` in q to `to` in query.
fn turn(index: u32, token: u32, at: u32, to: u32) {
    for (var i = index; i < (params.rope + 3u) / 4u; i += WIDTH) {
        let pair = at + 4u * i;
        var values = vec4<f32>(q[pair], q[pair + 1u], 0.0, 0.0);
        if (4u * i + 2u < params.rope) {
            values.z = q[pair + 2u];
            values.w = q[pair + 3u];
        }
        query[to + i] = turned(2u * i, token, values) * params.scale;
    }
}

#if EXPANDED
fn make_query(index: u32, group: vec3<u32>) {
    let row = group.z * params.heads + group.y;
    let at = row * (params.nope + params.rope);
    let to = row * (params.nope / 4u + (params.rope + 3u) / 4u);
    for (var i = index; i < params.nope / 4u; i += WIDTH) {
        let from_q = at + 4u * i;
        query[to + i] = vec4<f32>(q[from_q], q[from_q + 1u], q[from_q + 2u], q[from_q + 3u]) * params.scale;
    }
    turn(index, group.z, at + params.nope, to + params.nope / 4u);
}
#else
fn make_query(index: u32, group: vec3<u32>) {
    let head = group.y;
    let at = (group.z * params.heads + head) * (params.nope + params.rope);
    let latent = (params.rank + 3u) / 4u;
    let to = (group.z * params.heads + head) * (latent + (params.rope + 3u) / 4u);
    let r = group.x * 16u + index % 16u;
    let lane = index / 16u;
    var sum = vec4<f32>();
    if (r < latent) {
        for (var n = lane; n < params.nope; n += DEPTH) {
            let row = head * (params.nope + params.v) + n;
            sum = fma(weights4(row, 4u * r, params.rank), vec4<f32>(q[at + n]), sum);
        }
    }
#if REDUCE
    partial[index] = sum;
    workgroupBarrier();
    if (lane == 0u) {
        for (var i = 1u; i < DEPTH; i++) {
            sum += partial[index + 16u * i];
        }
    }
#endif
    if (lane == 0u && r < latent) {
        query[to + r] = sum * params.scale;
    }
    if (group.x == 0u) {
        turn(index, group.z, at + params.nope, to + latent);
    }
}
#endif

@compute @workgroup_size(16u * DEPTH)
fn main(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    if (group.y < params.heads) {
        make_query(index, group);
    } else if (group.x == 0u) {
        append(index, group.z);
    }
}
