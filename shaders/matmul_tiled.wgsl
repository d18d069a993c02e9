// y[t, first_row + r] = sum_i W[r, i] x[t, i] for many tokens, added to y with ADD. matmul.wgsl computes the same without
// workgroup memory.
// W [rows, columns] is one part of a matrix that may be split by rows; with NEURONS it is neuron-major instead,
// [columns, rows], and whole. x [tokens, columns rounded up to 4], zeros in the padding; with CACHE it is f16, and its rows are
// entries of the latent cache from `first` on, each `stride` long in units of 4 values; y [tokens, width].
// One workgroup of 128: a tile of 64 rows and 64 tokens, 16 columns at a time, which go through workgroup memory, so that a
// weight is decoded once for 64 tokens; with F16 they are rounded on the way, which halves what that memory has to bring for
// each product. Sums are f32. One invocation: 8 rows and 4 tokens. Dispatch (rows / 64, 1, tokens / 64), rounded up.
#include weights
#if CACHE
@group(0) @binding(2) var<storage, read> x: array<vec2<u32>>;
#else
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
#endif
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
struct Params { rows: u32, columns: u32, first_row: u32, width: u32, tokens: u32, first: u32, stride: u32 }
@group(0) @binding(9) var<uniform> params: Params;
const STEP = 16u;
#if F16
alias Four = vec4<f16>;
#else
alias Four = vec4<f32>;
#endif

/// What goes through workgroup memory. Beyond the largest f16 would be infinity, which makes every later sum NaN.
fn four(values: vec4<f32>) -> Four {
#if F16
    return Four(clamp(values, vec4<f32>(-65504.0), vec4<f32>(65504.0)));
#else
    return values;
#endif
}
/// [STEP, 16], fours of rows and of tokens.
var<workgroup> w_tile: array<Four, STEP * 16u>;
var<workgroup> x_tile: array<Four, STEP * 16u>;

/// Four columns of four rows, by columns. Rows past the end repeat the last one, and are not stored; what lies past the last
/// column meets a zero of x.
fn four_weights(row: u32, column: u32) -> mat4x4<f32> {
#if NEURONS
    let last = params.columns - 1u;
    return mat4x4<f32>(
        weights4(min(column, last), row, params.rows), weights4(min(column + 1u, last), row, params.rows),
        weights4(min(column + 2u, last), row, params.rows), weights4(min(column + 3u, last), row, params.rows),
    );
#else
    let last = params.rows - 1u;
    return transpose(mat4x4<f32>(
        weights4(min(row, last), column, params.columns), weights4(min(row + 1u, last), column, params.columns),
        weights4(min(row + 2u, last), column, params.columns), weights4(min(row + 3u, last), column, params.columns),
    ));
#endif
}

fn x4(at: u32) -> vec4<f32> {
#if CACHE
    return vec4<f32>(unpack2x16float(x[at].x), unpack2x16float(x[at].y));
#else
    return x[at];
#endif
}

/// Four columns of four tokens, by columns.
fn four_tokens(token: u32, column: u32) -> mat4x4<f32> {
    if (column >= params.columns) {
        return mat4x4<f32>();
    }
    let tokens = min(vec4<u32>(token) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.tokens - 1u));
    let at = (tokens + vec4<u32>(params.first)) * params.stride + vec4<u32>(column / 4u);
    return transpose(mat4x4<f32>(x4(at.x), x4(at.y), x4(at.z), x4(at.w)));
}

fn store(token: u32, row: u32, values: vec4<f32>) {
    if (token >= params.tokens || row >= params.rows) {
        return;
    }
    let at = token * params.width + params.first_row + row;
    for (var i = 0u; i < min(4u, params.rows - row); i++) {
#if ADD
        y[at + i] += values[i];
#else
        y[at + i] = values[i];
#endif
    }
}

@compute @workgroup_size(128)
fn main(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let first_row = group.x * 64u;
    let first_token = group.z * 64u;
    // Which four, and which four columns, this invocation brings: weights in the first half, tokens in the second.
    let brought = index % 16u;
    let bringing = index % 64u / 16u * 4u;
    let row = index % 8u;
    let token = index / 8u;
    var a0 = vec4<f32>();
    var a1 = vec4<f32>();
    var b0 = vec4<f32>();
    var b1 = vec4<f32>();
    var c0 = vec4<f32>();
    var c1 = vec4<f32>();
    var d0 = vec4<f32>();
    var d1 = vec4<f32>();
    for (var column = 0u; column < params.columns; column += STEP) {
        let to = bringing * 16u + brought;
        if (index < 64u) {
            let values = four_weights(first_row + brought * 4u, column + bringing);
            w_tile[to] = four(values[0]);
            w_tile[to + 16u] = four(values[1]);
            w_tile[to + 32u] = four(values[2]);
            w_tile[to + 48u] = four(values[3]);
        } else {
            let values = four_tokens(first_token + brought * 4u, column + bringing);
            x_tile[to] = four(values[0]);
            x_tile[to + 16u] = four(values[1]);
            x_tile[to + 32u] = four(values[2]);
            x_tile[to + 48u] = four(values[3]);
        }
        workgroupBarrier();
        for (var k = 0u; k < STEP; k++) {
            let w0 = vec4<f32>(w_tile[k * 16u + row]);
            let w1 = vec4<f32>(w_tile[k * 16u + row + 8u]);
            let h = vec4<f32>(x_tile[k * 16u + token]);
            a0 = fma(w0, vec4<f32>(h.x), a0);
            a1 = fma(w1, vec4<f32>(h.x), a1);
            b0 = fma(w0, vec4<f32>(h.y), b0);
            b1 = fma(w1, vec4<f32>(h.y), b1);
            c0 = fma(w0, vec4<f32>(h.z), c0);
            c1 = fma(w1, vec4<f32>(h.z), c1);
            d0 = fma(w0, vec4<f32>(h.w), d0);
            d1 = fma(w1, vec4<f32>(h.w), d1);
        }
        workgroupBarrier();
    }
    let t = first_token + token * 4u;
    let r0 = first_row + row * 4u;
    let r1 = r0 + 32u;
    store(t, r0, a0);
    store(t, r1, a1);
    store(t + 1u, r0, b0);
    store(t + 1u, r1, b1);
    store(t + 2u, r0, c0);
    store(t + 2u, r1, c1);
    store(t + 3u, r0, d0);
    store(t + 3u, r1, d1);
}
