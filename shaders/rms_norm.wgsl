// y[t, i] = x[t, i] / sqrt(mean_i(x[t, i]^2) + eps) * weight[i] with NORM, x[t, i] without: the rows that matmul.wgsl and
// matmul_tiled.wgsl take.
// x [tokens, width]; weight [width]; y [tokens, width rounded up to 4], zeros in the padding.
// One workgroup of 64: one token. Dispatch (1, 1, tokens).
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
struct Params { width: u32, eps: f32 }
@group(0) @binding(9) var<uniform> params: Params;
#if NORM
@group(0) @binding(1) var<storage, read> weight: array<f32>;
var<workgroup> partial: array<f32, 64>;
#endif

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let start = group.z * params.width;
    let padded = (params.width + 3u) / 4u * 4u;
#if NORM
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
#endif
    for (var i = lane; i < padded; i += 64u) {
        var value = 0.0;
        if (i < params.width) {
#if NORM
            value = x[start + i] * scale * weight[i];
#else
            value = x[start + i];
#endif
        }
        y[group.z * padded + i] = value;
    }
}
