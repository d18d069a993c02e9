// y[t, o] += sum over the lists of token t of value * W[neuron, o], for GPUs; sparse_matmul.wgsl computes the same for
// processors that play one. Only active neurons' weights are read.
// W neuron-major [neurons, columns]; list [tokens, tiles, 16], (neuron, bits of the value), of which counts [tokens, tiles]
// are there (matvec.wgsl and compact.wgsl write them); y [tokens, columns].
// One workgroup of COLUMN_LANES x DEPTH: four columns each, DEPTH neurons at a time. The lists are first put together in
// workgroup memory, 1024 neurons at a time, so that all invocations have the same work however the active neurons lie; where
// most neurons are active the lists are nearly even as they are, and are walked without that, DEPTH tiles at a time.
// Dispatch (columns / (4 * COLUMN_LANES), 1, tokens), rounded up.
#include weights
@group(0) @binding(2) var<storage, read> list: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> counts: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
struct Params { columns: u32, tiles: u32 }
@group(0) @binding(9) var<uniform> params: Params;
const WIDTH = COLUMN_LANES * DEPTH;
const ROOM = 1024u;
var<workgroup> packed: array<vec2<u32>, ROOM>;
var<workgroup> partial: array<vec4<f32>, WIDTH>;
/// How many neurons the tiles of each invocation have, and of each sixteen invocations.
var<workgroup> found: array<u32, WIDTH>;
var<workgroup> found_by_sixteen: array<u32, (WIDTH + 15u) / 16u>;
var<workgroup> found_by_all: u32;

@compute @workgroup_size(COLUMN_LANES * DEPTH)
fn main(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let column = (group.x * COLUMN_LANES + index % COLUMN_LANES) * 4u;
    let first_tile = group.z * params.tiles;
    var sum = vec4<f32>();
    let lane = index / COLUMN_LANES;
    // Each invocation has a run of tiles; where its neurons go among all of them is the number of those before.
    let run = (params.tiles + WIDTH - 1u) / WIDTH;
    let start = min(index * run, params.tiles);
    let end = min(start + run, params.tiles);
    var count = 0u;
    for (var tile = start; tile < end; tile++) {
        count += counts[first_tile + tile];
    }
    found[index] = count;
    workgroupBarrier();
    if (index % 16u == 0u) {
        var sixteen = 0u;
        for (var i = index; i < min(index + 16u, WIDTH); i++) {
            sixteen += found[i];
        }
        found_by_sixteen[index / 16u] = sixteen;
    }
    workgroupBarrier();
    var before = 0u;
    for (var i = 0u; i < index / 16u; i++) {
        before += found_by_sixteen[i];
    }
    for (var i = index & ~15u; i < index; i++) {
        before += found[i];
    }
    if (index == WIDTH - 1u) {
        found_by_all = before + count;
    }
    let total = workgroupUniformLoad(&found_by_all);
    let most_are_active = 2u * total > params.tiles * 16u;
    if (most_are_active && column < params.columns) {
        for (var tile = first_tile + lane; tile < first_tile + params.tiles; tile += DEPTH) {
            for (var i = 0u; i < counts[tile]; i++) {
                let neuron = list[tile * 16u + i];
                sum = fma(weights4(neuron.x, column, params.columns), vec4<f32>(bitcast<f32>(neuron.y)), sum);
            }
        }
    }
    let left = select(total, 0u, most_are_active);
    for (var taken = 0u; taken < left; taken += ROOM) {
        var at = before;
        for (var tile = start; tile < end; tile++) {
            let first = (first_tile + tile) * 16u;
            for (var i = 0u; i < counts[first_tile + tile]; i++) {
                if (at >= taken && at - taken < ROOM) {
                    packed[at - taken] = list[first + i];
                }
                at++;
            }
        }
        workgroupBarrier();
        if (column < params.columns) {
            for (var k = lane; k < min(ROOM, left - taken); k += DEPTH) {
                let neuron = packed[k];
                sum = fma(weights4(neuron.x, column, params.columns), vec4<f32>(bitcast<f32>(neuron.y)), sum);
            }
        }
        workgroupBarrier();
    }
    partial[index] = sum;
    workgroupBarrier();
    if (lane == 0u) {
        for (var i = 1u; i < DEPTH; i++) {
            sum += partial[index + COLUMN_LANES * i];
        }
    }
    if (lane == 0u && column < params.columns) {
        for (var i = 0u; i < min(4u, params.columns - column); i++) {
            y[group.z * params.columns + column + i] += sum[i];
        }
    }
}
