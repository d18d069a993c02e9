// logits[token] = -1e30 where the token's bit in `allowed` is 0: no token that is allowed is less likely.
// logits [vocab_size]; allowed [ceil(vocab_size / 32)], the first token in the lowest bit. Workgroups of 256, an invocation a token.
// Dispatch (ceil(vocab_size / 256), 1, 1).
@group(0) @binding(0) var<storage, read_write> logits: array<f32>;
@group(0) @binding(1) var<storage, read> allowed: array<u32>;
struct Params { vocab_size: u32 }
@group(0) @binding(9) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < params.vocab_size && ((allowed[id.x >> 5u] >> (id.x & 31u)) & 1u) == 0u) {
        logits[id.x] = -1e30;
    }
}
