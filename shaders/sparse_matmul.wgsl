// y[t, o] += sum over the list of token t of value * W[neuron, o]. Only active neurons' weights are read.
// W neuron-major [neurons, columns]; indices, values, counts as compact.wgsl writes them; y [tokens, columns].
// One invocation: four o. Dispatch (columns / 4 / 64, 1, tokens), rounded up.
#include weights
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read> counts: array<u32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
struct Params { neurons: u32, columns: u32 }
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let column = id.x * 4u;
    if (column >= params.columns) {
        return;
    }
    let list = id.z * params.neurons;
    var sum = vec4<f32>();
    for (var k = list; k < list + counts[id.z]; k++) {
        sum = fma(weights4(indices[k], column, params.columns), vec4<f32>(values[k]), sum);
    }
    for (var i = 0u; i < min(4u, params.columns - column); i++) {
        y[id.z * params.columns + column + i] += sum[i];
    }
}
