// y[first_row + r] = sum_i W[r, i] h[i], for one token.
// h is x, or with NORM x / sqrt(mean(x^2) + eps) * norm; the root is the same for all i, so it is taken out of the sum, and
// both sums are taken in one walk. With ADD the product is added to y. With RELU_SQUARED y is not written; relu(y)^2 goes
// to a list instead: rows that are not zero, in ascending order within each tile of the rows that one workgroup has:
// indices and values [tiles, rows a tile], of which counts[tile] are written. No atomics, so the order, and with it every
// sum over the list, is the same each time.
// W [rows, columns] is one part of a matrix that may be split by rows; x and norm [columns]; y [width].
// One workgroup of 256: `lanes` invocations walk one four of rows, a block of 32 columns at a time.
// Dispatch (rows / (4 * 256 / lanes), 1, 1), rounded up.
#include weights
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
#if RELU_SQUARED
@group(0) @binding(3) var<storage, read_write> indices: array<u32>;
@group(0) @binding(4) var<storage, read_write> values: array<f32>;
@group(0) @binding(5) var<storage, read_write> counts: array<u32>;
#else
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
#endif
#if NORM
@group(0) @binding(6) var<storage, read> norm: array<vec4<f32>>;
#endif
struct Params { rows: u32, columns: u32, first_row: u32, lanes: u32, eps: f32 }
@group(0) @binding(9) var<uniform> params: Params;
var<workgroup> partial: array<vec4<f32>, 256>;
#if NORM
var<workgroup> squares: array<f32, 256>;
#endif
#if RELU_SQUARED
var<workgroup> found: array<vec4<f32>, 256>;
#endif

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let fours = 256u / params.lanes;
    let four = index / params.lanes;
    let lane = index % params.lanes;
    let row = (group.x * fours + four) * 4u;
    let last = params.rows - 1u; // Rows past the end repeat the last one, and are not stored.
    var sums = vec4<f32>();
    var square = 0.0;
    let blocks = (params.columns + 31u) / 32u;
    for (var block = lane; block < blocks; block += params.lanes) {
        var h: array<vec4<f32>, 8>;
        var sum = vec4<f32>();
        for (var i = 0u; i < 8u; i++) {
            var value = x[block * 8u + i];
            let column = block * 32u + i * 4u;
            if (column + 4u > params.columns) {
                // What lies past the columns is not ours.
                value = select(vec4<f32>(), value, vec4<u32>(column) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.columns));
            }
#if NORM
            square += dot(value, value);
            value *= norm[block * 8u + i];
#endif
            sum += value;
            h[i] = value;
        }
        let total = dot(sum, vec4<f32>(1.0));
        sums.x += dot32(min(row, last), block, params.columns, &h, total);
        sums.y += dot32(min(row + 1u, last), block, params.columns, &h, total);
        sums.z += dot32(min(row + 2u, last), block, params.columns, &h, total);
        sums.w += dot32(min(row + 3u, last), block, params.columns, &h, total);
    }
    // The lanes of one four are added up in two steps: eight neighbours, then the eighths.
    partial[index] = sums;
#if NORM
    squares[index] = square;
#endif
    workgroupBarrier();
    let near = min(params.lanes, 8u);
    if (lane % near == 0u) {
        for (var i = 1u; i < near; i++) {
            sums += partial[index + i];
#if NORM
            square += squares[index + i];
#endif
        }
    }
    workgroupBarrier();
    partial[index] = sums;
#if NORM
    squares[index] = square;
#endif
    workgroupBarrier();
    if (lane == 0u) {
        for (var i = near; i < params.lanes; i += near) {
            sums += partial[index + i];
#if NORM
            square += squares[index + i];
#endif
        }
#if NORM
        sums *= 1.0 / sqrt(square / f32(params.columns) + params.eps);
#endif
#if RELU_SQUARED
        found[four] = sums;
#else
        for (var i = 0u; i < min(4u, max(params.rows, row) - row); i++) {
#if ADD
            y[params.first_row + row + i] += sums[i];
#else
            y[params.first_row + row + i] = sums[i];
#endif
        }
#endif
    }
#if RELU_SQUARED
    workgroupBarrier();
    if (index == 0u) {
        let first = group.x * fours * 4u;
        var to = first;
        for (var i = 0u; i < min(fours * 4u, params.rows - first); i++) {
            let value = found[i / 4u][i & 3u];
            if (!(value <= 0.0)) { // NaN counts, so that it is seen and not lost.
                indices[to] = params.first_row + first + i;
                values[to] = value * value;
                to++;
            }
        }
        counts[group.x] = to - first;
    }
#endif
}
