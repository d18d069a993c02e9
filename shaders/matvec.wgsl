// y[first_row + r] = sum_i W[r, i] h[i], for one token.
// h is x, or with NORM x / sqrt(mean(x^2) + eps) * norm; the root is the same for all i, so it is taken out of the sum, and
// both sums are taken in one walk. With ADD the product is added to y. With RELU_SQUARED y is not written; relu(y)^2 goes
// to a list instead: rows that are not zero, in ascending order within each tile of the 16 rows that one workgroup has:
// list [tiles, 16], (row, bits of the value), of which counts[tile] are written. No atomics, so the order, and with it every
// sum over the list, is the same each time.
// W [rows, columns] is one part of a matrix that may be split by rows; x and norm [columns]; y [width].
// One workgroup of 4 x LANES: LANES invocations walk one four of rows, a block of 32 columns at a time. With SUBGROUPS they
// are of one subgroup, and add up by shuffles; with REDUCE through workgroup memory; with neither LANES is 1.
// Dispatch (tiles up to 32768, tiles / 32768, 1), rounded up.
#include weights
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
#if RELU_SQUARED
@group(0) @binding(3) var<storage, read_write> list: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read_write> counts: array<u32>;
#else
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
#endif
#if NORM
@group(0) @binding(6) var<storage, read> norm: array<vec4<f32>>;
#endif
struct Params { rows: u32, columns: u32, first_row: u32, eps: f32 }
@group(0) @binding(9) var<uniform> params: Params;
#if REDUCE
/// Lanes whose sums are added up in the first of two steps.
const NEAR = min(LANES, 8u);
var<workgroup> partial: array<vec4<f32>, 4u * LANES>;
#if NORM
var<workgroup> squares: array<f32, 4u * LANES>;
#endif
#endif
#if RELU_SQUARED
var<workgroup> found: array<vec4<f32>, 4>;

/// Above zero, or NaN, so that it is seen and not lost. By its bits: a shader may take for granted that there is no NaN.
fn is_active(value: f32) -> bool {
    let bits = bitcast<u32>(value);
    return (bits & 0x7fffffffu) > 0x7f800000u || (bits != 0u && bits < 0x80000000u);
}
#endif

@compute @workgroup_size(4u * LANES)
fn main(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let tile = group.y * 32768u + group.x;
    let four = index / LANES;
    let lane = index % LANES;
    let row = (tile * 4u + four) * 4u;
    let last = params.rows - 1u; // Rows past the end repeat the last one, and are not stored.
    var sums = vec4<f32>();
    var square = 0.0;
    let blocks = (params.columns + 31u) / 32u;
    for (var block = lane; block < blocks; block += LANES) {
        var h: array<vec4<f32>, 8>;
        var sum = vec4<f32>();
#repeat i 8
        {
            var value = x[block * 8u + $i];
            let column = block * 32u + $i * 4u;
            if (column + 4u > params.columns) {
                // What lies past the columns is not ours.
                value = select(vec4<f32>(), value, vec4<u32>(column) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.columns));
            }
#if NORM
            square += dot(value, value);
            value *= norm[block * 8u + $i];
#endif
            sum += value;
            h[$i] = value;
        }
#end
        let total = dot(sum, vec4<f32>(1.0));
        sums.x += dot32(min(row, last), block, params.columns, &h, total);
        sums.y += dot32(min(row + 1u, last), block, params.columns, &h, total);
        sums.z += dot32(min(row + 2u, last), block, params.columns, &h, total);
        sums.w += dot32(min(row + 3u, last), block, params.columns, &h, total);
    }
#if SUBGROUPS
    for (var step = LANES / 2u; step > 0u; step /= 2u) {
        sums += subgroupShuffleXor(sums, step);
#if NORM
        square += subgroupShuffleXor(square, step);
#endif
    }
#endif
#if REDUCE
    partial[index] = sums;
#if NORM
    squares[index] = square;
#endif
    workgroupBarrier();
    if (lane % NEAR == 0u) {
        for (var i = 1u; i < NEAR; i++) {
            sums += partial[index + i];
#if NORM
            square += squares[index + i];
#endif
        }
    }
#if TWO_STEPS
    workgroupBarrier();
    partial[index] = sums;
#if NORM
    squares[index] = square;
#endif
    workgroupBarrier();
    if (lane == 0u) {
        for (var i = NEAR; i < LANES; i += NEAR) {
            sums += partial[index + i];
#if NORM
            square += squares[index + i];
#endif
        }
    }
#endif
#endif
#if NORM
    sums *= 1.0 / sqrt(square / f32(params.columns) + params.eps);
#endif
#if RELU_SQUARED
    if (lane == 0u) {
        found[four] = sums;
    }
    workgroupBarrier();
    if (index == 0u && tile * 16u < params.rows) {
        var to = tile * 16u;
        for (var i = 0u; i < min(16u, params.rows - tile * 16u); i++) {
            let value = found[i / 4u][i & 3u];
            if (is_active(value)) {
                list[to] = vec2<u32>(params.first_row + tile * 16u + i, bitcast<u32>(value * value));
                to++;
            }
        }
        counts[tile] = to - tile * 16u;
    }
#else
    if (lane == 0u) {
        for (var i = 0u; i < min(4u, max(params.rows, row) - row); i++) {
#if ADD
            y[params.first_row + row + i] += sums[i];
#else
            y[params.first_row + row + i] = sums[i];
#endif
        }
    }
#endif
}
