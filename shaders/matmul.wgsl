// y[t, first_row + r] = (add ? y[t, first_row + r] : 0) + sum_i W[r, i] x[t, i]
// W [rows, columns] is one part of a matrix that may be split by rows; x [tokens, columns]; y [tokens, width].
// One invocation: one row, four tokens. Dispatch (rows / 64, 1, tokens / 4), rounded up.
#include weights
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
struct Params { rows: u32, columns: u32, first_row: u32, width: u32, tokens: u32, add: u32 }
@group(0) @binding(9) var<uniform> params: Params;

fn x4(token: u32, column: u32) -> vec4<f32> {
    let at = min(token, params.tokens - 1u) * params.columns + column;
    let left = params.columns - column;
    return vec4<f32>(
        x[at],
        select(0.0, x[at + 1u], left > 1u),
        select(0.0, x[at + 2u], left > 2u),
        select(0.0, x[at + 3u], left > 3u),
    );
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if (row >= params.rows) {
        return;
    }
    let token = id.z * 4u;
    var a = vec4<f32>();
    var b = vec4<f32>();
    var c = vec4<f32>();
    var d = vec4<f32>();
    if (token + 1u < params.tokens) {
        for (var i = 0u; i < params.columns; i += 4u) {
            let w = weights4(row, i, params.columns);
            a = fma(w, x4(token, i), a);
            b = fma(w, x4(token + 1u, i), b);
            c = fma(w, x4(token + 2u, i), c);
            d = fma(w, x4(token + 3u, i), d);
        }
    } else {
        for (var i = 0u; i < params.columns; i += 4u) {
            a = fma(weights4(row, i, params.columns), x4(token, i), a);
        }
    }
    let one = vec4<f32>(1.0);
    let sums = vec4<f32>(dot(a, one), dot(b, one), dot(c, one), dot(d, one));
    for (var t = 0u; t < min(4u, params.tokens - token); t++) {
        let at = (token + t) * params.width + params.first_row + row;
        y[at] = sums[t] + select(0.0, y[at], params.add == 1u);
    }
}
