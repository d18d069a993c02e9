// The non-zeros of relu(x)^2 as a list: for each token, in ascending order, (neuron, value), and their number.
// x [tokens, neurons]; indices and values [tokens, neurons], of which counts[t] are written.
// One workgroup of 64: one token; each invocation a run of neurons. No atomics, so the order, and with it every sum over
// the list, is the same each time. Dispatch (1, 1, tokens).
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> indices: array<u32>;
@group(0) @binding(2) var<storage, read_write> values: array<f32>;
@group(0) @binding(3) var<storage, read_write> counts: array<u32>;
struct Params { neurons: u32 }
@group(0) @binding(4) var<uniform> params: Params;
var<workgroup> found: array<u32, 64>;

/// Above zero, or NaN, so that it is seen and not lost. By its bits: a shader may take for granted that there is no NaN.
fn is_active(value: f32) -> bool {
    let bits = bitcast<u32>(value);
    return (bits & 0x7fffffffu) > 0x7f800000u || (bits != 0u && bits < 0x80000000u);
}

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let start = group.z * params.neurons;
    let run = (params.neurons + 63u) / 64u;
    let first = lane * run;
    let end = min(first + run, params.neurons);
    var count = 0u;
    for (var i = first; i < end; i++) {
        count += u32(is_active(x[start + i]));
    }
    found[lane] = count;
    workgroupBarrier();
    var to = start;
    for (var i = 0u; i < lane; i++) {
        to += found[i];
    }
    for (var i = first; i < end; i++) {
        let value = x[start + i];
        if (is_active(value)) {
            indices[to] = i;
            values[to] = value * value;
            to++;
        }
    }
    if (lane == 63u) {
        counts[group.z] = to - start;
    }
}
