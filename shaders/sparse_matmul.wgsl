// y[t, o] += sum over the lists of token t of value * W[neuron, o]. Only active neurons' weights are read.
// W neuron-major [neurons, columns]; indices and values [tokens, tiles, tile_rows], of which counts [tokens, tiles] are
// there (matvec.wgsl and compact.wgsl write them); y [tokens, columns].
// One workgroup of 256: 32 columns, 8 x 4, and 32 neurons at a time. The lists of 1024 rows at a time are first packed into
// workgroup memory, so that all invocations have the same work however the active neurons lie.
// Dispatch (columns / 32, 1, tokens), rounded up.
#include weights
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read> counts: array<u32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
struct Params { columns: u32, tiles: u32, tile_rows: u32 }
@group(0) @binding(9) var<uniform> params: Params;
const PACKED = 1024u;
var<workgroup> neurons: array<u32, PACKED>;
var<workgroup> factors: array<f32, PACKED>;
var<workgroup> partial: array<vec4<f32>, 256>;
var<workgroup> ends: array<u32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let column = group.x * 32u + index % 8u * 4u;
    let lane = index / 8u;
    let tiles_at_once = min(PACKED / params.tile_rows, 256u);
    let first_tile = group.z * params.tiles;
    var sum = vec4<f32>();
    for (var tile = 0u; tile < params.tiles; tile += tiles_at_once) {
        let here = min(tiles_at_once, params.tiles - tile);
        var count = 0u;
        if (index < here) {
            count = counts[first_tile + tile + index];
        }
        ends[index] = count;
        workgroupBarrier();
        var total = 0u;
        var before = 0u;
        for (var i = 0u; i < here; i++) {
            before += select(0u, ends[i], i < index);
            total += ends[i];
        }
        if (index < here) {
            let list = (first_tile + tile + index) * params.tile_rows;
            for (var i = 0u; i < count; i++) {
                neurons[before + i] = indices[list + i];
                factors[before + i] = values[list + i];
            }
        }
        workgroupBarrier();
        if (column < params.columns) {
            for (var k = lane; k < total; k += 32u) {
                sum = fma(weights4(neurons[k], column, params.columns), vec4<f32>(factors[k]), sum);
            }
        }
        workgroupBarrier();
    }
    partial[index] = sum;
    workgroupBarrier();
    if (lane == 0u && column < params.columns) {
        for (var i = 1u; i < 32u; i++) {
            sum += partial[index + 8u * i];
        }
        for (var i = 0u; i < min(4u, params.columns - column); i++) {
            y[group.z * params.columns + column + i] += sum[i];
        }
    }
}
