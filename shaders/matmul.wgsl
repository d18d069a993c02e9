// y[t, first_row + r] = sum_i W[r, i] x[t, i] for many tokens, added to y with ADD; without workgroup memory or barriers, for
// processors that play a GPU. matmul_tiled.wgsl computes the same for GPUs.
// W [rows, columns] is one part of a matrix that may be split by rows; x [tokens, columns rounded up to 4], zeros in the
// padding; with CACHE it is f16, and its rows are entries of the latent cache from `first` on, each `stride` long in units of 4
// values; y [tokens, width].
// One invocation: four tokens and four rows, so that what is loaded serves four times: where a processor plays a GPU, each
// invocation's loads are made one by one. Dispatch (rows / 32, 1, tokens / 4), rounded up.
#include weights
#if CACHE
@group(0) @binding(2) var<storage, read> x: array<vec2<u32>>;
#else
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
#endif
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
struct Params { rows: u32, columns: u32, first_row: u32, width: u32, tokens: u32, first: u32, stride: u32 }
@group(0) @binding(9) var<uniform> params: Params;

fn x4(at: u32) -> vec4<f32> {
#if CACHE
    return vec4<f32>(unpack2x16float(x[at].x), unpack2x16float(x[at].y));
#else
    return x[at];
#endif
}

fn store(token: u32, row: u32, value: f32) {
    let at = token * params.width + params.first_row + row;
#if ADD
    y[at] += value;
#else
    y[at] = value;
#endif
}

/// Four rows and four columns of the weights, a row each. Rows past the end repeat the last one, and are not stored; past the
/// last column the weights are zero.
fn four_weights(row: u32, column: u32) -> mat4x4<f32> {
    let rows = min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.rows - 1u));
    return mat4x4<f32>(
        weights4(rows.x, column, params.columns), weights4(rows.y, column, params.columns),
        weights4(rows.z, column, params.columns), weights4(rows.w, column, params.columns),
    );
}

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x * 4u;
    if (row >= params.rows) {
        return;
    }
    let token = id.z * 4u;
    let steps = (params.columns + 3u) / 4u;
    // Tokens past the end repeat the last one, and are not stored.
    let tokens = min(vec4<u32>(token) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.tokens - 1u));
    let start = (tokens + vec4<u32>(params.first)) * params.stride;
    // Four rows of a token each.
    var a = vec4<f32>();
    var b = vec4<f32>();
    var c = vec4<f32>();
    var d = vec4<f32>();
    for (var i = 0u; i < steps; i++) {
        let w = four_weights(row, 4u * i);
        a += x4(start.x + i) * w;
        b += x4(start.y + i) * w;
        c += x4(start.z + i) * w;
        d += x4(start.w + i) * w;
    }
    let sums = mat4x4<f32>(a, b, c, d);
    for (var t = 0u; t < min(4u, params.tokens - token); t++) {
        for (var i = 0u; i < min(4u, params.rows - row); i++) {
            store(token + t, row + i, sums[t][i]);
        }
    }
}
