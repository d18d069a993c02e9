// logits[token] += bias, for each pair (token, bits of its bias). No token comes twice.
// logits [vocab_size]; pairs [count]. Workgroups of 64, an invocation a pair. Dispatch (ceil(count / 64), 1, 1).
@group(0) @binding(0) var<storage, read_write> logits: array<f32>;
@group(0) @binding(1) var<storage, read> pairs: array<vec2<u32>>;
struct Params { count: u32 }
@group(0) @binding(9) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < params.count) {
        let pair = pairs[id.x];
        logits[pair.x] += bitcast<f32>(pair.y);
    }
}
