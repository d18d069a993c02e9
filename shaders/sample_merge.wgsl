// The best of the chunks' candidates becomes the state: (token, position, position + 1, bits of a logit that is not finite or
// 0), which the next forward pass starts from. With PENALTY the token is counted. With FILTER what sample_chunk.wgsl
// has counted is set back to zeros.
// candidates [chunks] (key of the score, token, bits of a logit that is not finite or 0, 0).
// One workgroup of WIDTH, at least 16. Dispatch (1, 1, 1).
@group(0) @binding(0) var<storage, read> candidates: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> state: array<u32>;
#if PENALTY
struct Rules { header: array<u32, 12>, occurred: array<u32> }
@group(0) @binding(2) var<storage, read_write> rules: Rules;
#endif
#if FILTER
@group(0) @binding(3) var<storage, read_write> selection: array<u32>;
#endif
struct Params { chunks: u32 }
@group(0) @binding(9) var<uniform> params: Params;
var<workgroup> best: array<vec4<u32>, WIDTH>;

/// The larger score; of a tie the lower id.
fn better(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    let found = select(a.xy, b.xy, b.x > a.x || (b.x == a.x && b.y < a.y));
    return vec4<u32>(found, max(a.z, b.z), 0u);
}

@compute @workgroup_size(WIDTH)
fn main(@builtin(local_invocation_index) lane: u32) {
    var mine = vec4<u32>(0u, 0xffffffffu, 0u, 0u);
    for (var chunk = lane; chunk < params.chunks; chunk += WIDTH) {
        mine = better(mine, candidates[chunk]);
    }
    best[lane] = mine;
    workgroupBarrier();
    if (lane < 16u) {
        for (var i = lane + 16u; i < WIDTH; i += 16u) {
            mine = better(mine, best[i]);
        }
        best[lane] = mine;
    }
    workgroupBarrier();
    if (lane == 0u) {
        for (var i = 1u; i < 16u; i++) {
            mine = better(mine, best[i]);
        }
        // Where no logit is finite there is no token, and the host says so; what runs until then has to be a token.
        let token = select(mine.y, 0u, mine.x == 0u);
        let position = state[2];
        state[0] = token;
        state[1] = position;
        state[2] = position + 1u;
        state[3] = mine.z;
#if PENALTY
        rules.occurred[token] += 2u;
#endif
    }
#if FILTER
    for (var i = lane; i < arrayLength(&selection); i += WIDTH) {
        selection[i] = 0u;
    }
#endif
}
