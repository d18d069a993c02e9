// One part of the context of one token, for up to 4 x QUADS heads, on GPUs; latent_attention_scores.wgsl and
// latent_attention_values.wgsl compute the same for processors that play a GPU. m = max_s score_s, l = sum_s exp(score_s - m) and
// z = sum_s exp(score_s - m) c_s, over entries s of the part with s <= position + t; expand_value.wgsl puts parts together.
// score_s = latent_query . entry_s, which append_and_absorb.wgsl has scaled.
// latent_query [tokens, heads, ENTRY]; cache [capacity, ENTRY] of one layer, f16, its first LATENT the latent c; widths in
// units of 4 values. z [tokens, heads, parts, LATENT]; sums [tokens, heads, parts], (m, l).
// One workgroup of WIDTH: one part, TILE entries at a time with an online softmax. Heads go in fours, so that an entry that
// was read serves four of them: a score item is (four heads, entry), a value item (four heads, four latent values).
// Entries go through workgroup memory on their way to the scores, since neighbouring invocations want neighbouring entries,
// which lie far apart. Dispatch (parts, heads / (4 * QUADS), tokens), rounded up.
@group(0) @binding(0) var<uniform> state: State;
@group(0) @binding(1) var<storage, read> latent_query: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> cache: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> z: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> sums: array<vec2<f32>>;
struct State { token: u32, position: u32 }
struct Params { heads: u32, parts: u32, part_length: u32 }
@group(0) @binding(9) var<uniform> params: Params;
const LEAST = vec4<f32>(-3.0e38);
const TILE = 64u;
/// A score item each.
const WIDTH = QUADS * TILE;
/// Value items of one invocation.
const HELD = (QUADS * LATENT + WIDTH - 1u) / WIDTH;
/// Scores of the tile, then their exponentials.
var<workgroup> scores: array<vec4<f32>, QUADS * TILE>;
/// The largest score of every eighth entry of the tile.
var<workgroup> near: array<vec4<f32>, QUADS * 8u>;
/// The largest score before this tile.
var<workgroup> running: array<vec4<f32>, QUADS>;
const CHUNK = 16u;
/// [TILE, CHUNK], one apart so that a column's words lie in different banks.
var<workgroup> staged: array<vec2<u32>, TILE * (CHUNK + 1u)>;

fn unpacked(words: vec2<u32>) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}

/// The largest score of four heads up to the end of this tile.
fn most(quad: u32) -> vec4<f32> {
    var value = running[quad];
    for (var i = 0u; i < 8u; i++) {
        value = max(value, near[quad * 8u + i]);
    }
    return value;
}

@compute @workgroup_size(WIDTH)
fn main(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let length = state.position + group.z + 1u;
    let start = group.x * params.part_length;
    let end = min(start + params.part_length, length);
    let first_head = group.y * 4u * QUADS;
    let last_head = params.heads - 1u; // Heads past the end repeat the last one, and are not stored.
    // Four heads a column each; l of the four heads.
    var held: array<mat4x4<f32>, HELD>;
    var totals: array<vec4<f32>, HELD>;
    if (index < QUADS) {
        running[index] = LEAST;
    }
    for (var tile = start; tile < end; tile += TILE) {
        let count = min(TILE, end - tile);
        let head = first_head + index / TILE * 4u;
        let entry = index % TILE;
        let row = group.z * params.heads;
        let query = (vec4<u32>(row) + min(vec4<u32>(head, head + 1u, head + 2u, head + 3u), vec4<u32>(last_head))) * ENTRY;
        var score = vec4<f32>();
        for (var chunk = 0u; chunk < ENTRY; chunk += CHUNK) {
            for (var i = index; i < TILE * CHUNK; i += WIDTH) {
                if (i / CHUNK < count && chunk + i % CHUNK < ENTRY) {
                    staged[i / CHUNK * (CHUNK + 1u) + i % CHUNK] = cache[(tile + i / CHUNK) * ENTRY + chunk + i % CHUNK];
                }
            }
            workgroupBarrier();
            for (var i = 0u; i < min(CHUNK, ENTRY - chunk); i++) {
                let value = unpacked(staged[entry * (CHUNK + 1u) + i]);
                let at = query + chunk + i;
                score += vec4<f32>(
                    dot(latent_query[at.x], value), dot(latent_query[at.y], value),
                    dot(latent_query[at.z], value), dot(latent_query[at.w], value),
                );
            }
            workgroupBarrier();
        }
        scores[index] = select(LEAST, score, entry < count);
        workgroupBarrier();
        for (var item = index; item < QUADS * 8u; item += WIDTH) {
            var value = LEAST;
            for (var entry = item % 8u; entry < TILE; entry += 8u) {
                value = max(value, scores[item / 8u * TILE + entry]);
            }
            near[item] = value;
        }
        workgroupBarrier();
        for (var item = index; item < QUADS * TILE; item += WIDTH) {
            let weight = exp(scores[item] - most(item / TILE));
            scores[item] = select(vec4<f32>(), weight, item % TILE < count);
        }
        workgroupBarrier();
        for (var k = 0u; k < HELD; k++) {
            let item = index + WIDTH * k;
            if (item < QUADS * LATENT) {
                let quad = item / LATENT;
                let shrink = exp(running[quad] - most(quad));
                var a = held[k][0] * shrink.x;
                var b = held[k][1] * shrink.y;
                var c = held[k][2] * shrink.z;
                var d = held[k][3] * shrink.w;
                var total = totals[k] * shrink;
                var at = tile * ENTRY + item % LATENT;
                for (var entry = 0u; entry < count; entry++) {
                    let value = unpacked(cache[at]);
                    let weight = scores[quad * TILE + entry];
                    a = fma(value, vec4<f32>(weight.x), a);
                    b = fma(value, vec4<f32>(weight.y), b);
                    c = fma(value, vec4<f32>(weight.z), c);
                    d = fma(value, vec4<f32>(weight.w), d);
                    total += weight;
                    at += ENTRY;
                }
                held[k] = mat4x4<f32>(a, b, c, d);
                totals[k] = total;
            }
        }
        workgroupBarrier();
        if (index < QUADS) {
            running[index] = most(index);
        }
    }
    workgroupBarrier();
    for (var k = 0u; k < HELD; k++) {
        let item = index + WIDTH * k;
        if (item < QUADS * LATENT) {
            let quad = item / LATENT;
            for (var i = 0u; i < 4u; i++) {
                let head = first_head + 4u * quad + i;
                if (head <= last_head) {
                    let part = (group.z * params.heads + head) * params.parts + group.x;
                    z[part * LATENT + item % LATENT] = held[k][i];
                    if (item % LATENT == 0u) {
                        sums[part] = vec2<f32>(running[quad][i], totals[k][i]);
                    }
                }
            }
        }
    }
}
