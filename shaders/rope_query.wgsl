// Rotates, in each head of q [tokens, heads, nope + rope], the pairs (2i, 2i + 1) of the last `rope` values:
// (a, b) -> (a cos - b sin, a sin + b cos) with the angle (position + t) * theta^(-2i / rope).
// angles [positions, rope / 2] holds (cos, sin), taken in f64 on the host: an f32 sine of a large angle is not exact.
// One invocation: one pair. Dispatch (heads * rope / 2 / 64, 1, tokens), rounded up.
@group(0) @binding(0) var<storage, read_write> q: array<f32>;
@group(0) @binding(1) var<storage, read> angles: array<vec2<f32>>;
struct Params { heads: u32, nope: u32, rope: u32, position: u32 }
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let pairs = params.rope / 2u;
    let head = id.x / pairs;
    let pair = id.x % pairs;
    if (head >= params.heads) {
        return;
    }
    let turn = angles[(params.position + id.z) * pairs + pair];
    let at = (id.z * params.heads + head) * (params.nope + params.rope) + params.nope + 2u * pair;
    let a = q[at];
    let b = q[at + 1u];
    q[at] = a * turn.x - b * turn.y;
    q[at + 1u] = a * turn.y + b * turn.x;
}
