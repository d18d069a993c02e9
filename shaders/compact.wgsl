// x becomes relu(x)^2, and its non-zeros lists: rows that are not zero, in ascending order within each tile of 16, with their
// number, in the form that matvec.wgsl has for one token. x [tokens, neurons]; list [tokens, tiles, 16], (row, bits of the
// value), of which counts [tokens, tiles] are written. One invocation: one tile. Dispatch (tiles / 64, 1, tokens), rounded up.
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> list: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> counts: array<u32>;
struct Params { neurons: u32 }
@group(0) @binding(9) var<uniform> params: Params;

/// Above zero, or NaN, so that it is seen and not lost. By its bits: a shader may take for granted that there is no NaN.
fn is_active(value: f32) -> bool {
    let bits = bitcast<u32>(value);
    return (bits & 0x7fffffffu) > 0x7f800000u || (bits != 0u && bits < 0x80000000u);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let tiles = (params.neurons + 15u) / 16u;
    if (id.x >= tiles) {
        return;
    }
    let tile = id.z * tiles + id.x;
    var to = tile * 16u;
    for (var i = id.x * 16u; i < min(id.x * 16u + 16u, params.neurons); i++) {
        let at = id.z * params.neurons + i;
        let value = x[at];
        if (is_active(value)) {
            list[to] = vec2<u32>(i, bitcast<u32>(value * value));
            to++;
            x[at] = value * value;
        } else {
            x[at] = 0.0;
        }
    }
    counts[tile] = to - tile * 16u;
}
