// y[t, i] = x[t, i] / sqrt(mean_i(x[t, i]^2) + eps) * weight[i]
// x and y [tokens, width], weight [width]. One workgroup of 64: one token. Dispatch (1, 1, tokens).
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
struct Params { width: u32, eps: f32 }
@group(0) @binding(9) var<uniform> params: Params;
var<workgroup> partial: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let start = group.z * params.width;
    var sum = 0.0;
    for (var i = lane; i < params.width; i += 64u) {
        sum = fma(x[start + i], x[start + i], sum);
    }
    partial[lane] = sum;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) {
            partial[lane] += partial[lane + half];
        }
    }
    workgroupBarrier();
    let scale = 1.0 / sqrt(partial[0] / f32(params.width) + params.eps);
    for (var i = lane; i < params.width; i += 64u) {
        y[start + i] = x[start + i] * scale * weight[i];
    }
}
