// Attention of many tokens to a block of entries whose keys and values are expanded. expanded_attention.wgsl says what is
// computed, and of what shapes.
// One workgroup of 128: 32 tokens of one head, 32 entries at a time. Scores: 2 tokens and 4 entries an invocation, 4 columns
// (in units of 4 values) at a time, which go through workgroup memory; values: 8 tokens and 4 values an invocation.
// Dispatch (tokens / 32, heads, 1), rounded up.
@group(0) @binding(0) var<uniform> state: State;
@group(0) @binding(1) var<storage, read> query: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> expanded: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> cache: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read_write> o: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> sums: array<vec2<f32>>;
struct State { token: u32, position: u32 }
struct Params { heads: u32, tokens: u32, start: u32, end: u32, last: u32 }
@group(0) @binding(9) var<uniform> params: Params;
const KEY = NOPE + ENTRY - LATENT;
const TILE = 32u;
const LEAST = -3.0e38;
/// Items of 8 tokens and 4 values that one invocation has.
const HELD = (4u * VALUE + 127u) / 128u;
/// [4 columns, TILE]
var<workgroup> q_tile: array<vec4<f32>, 4u * TILE>;
var<workgroup> k_tile: array<vec4<f32>, 4u * TILE>;
/// [entries, tokens], then their exponentials.
var<workgroup> scores: array<f32, TILE * TILE>;
/// [tokens, quarters of the entries]
var<workgroup> near: array<f32, TILE * 4u>;
/// Of each token: the largest score up to now, the sum of exponentials, and what earlier sums shrink by.
var<workgroup> most: array<f32, TILE>;
var<workgroup> total: array<f32, TILE>;
var<workgroup> shrink: array<f32, TILE>;

fn unpacked(words: vec2<u32>) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}

fn key(entry: u32, head: u32, i: u32) -> vec4<f32> {
    if (i < NOPE) {
        return expanded[((entry - params.start) * params.heads + head) * (NOPE + VALUE) + i];
    }
    return unpacked(cache[entry * ENTRY + LATENT + i - NOPE]);
}

@compute @workgroup_size(128)
fn main(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let head = group.y;
    let first_token = group.x * TILE;
    let last_token = params.tokens - 1u; // Tokens past the end repeat the last one, and are not stored.
    var held: array<array<vec4<f32>, 8>, HELD>;
    if (index < TILE) {
        let row = min(first_token + index, last_token) * params.heads + head;
        let before = select(vec2<f32>(LEAST, 0.0), sums[row], params.start > 0u);
        most[index] = before.x;
        total[index] = before.y;
    }
    if (params.start > 0u) {
        for (var h = 0u; h < HELD; h++) {
            let item = index + 128u * h;
            for (var i = 0u; i < 8u; i++) {
                let token = min(first_token + item / VALUE * 8u + i, last_token);
                held[h][i] = o[(token * params.heads + head) * VALUE + item % VALUE];
            }
        }
    }
    // Up to the entry of the tile's last token.
    let end = min(params.end, state.position + min(first_token + TILE - 1u, last_token) + 1u);
    for (var first = params.start; first < end; first += TILE) {
        // The tile's scores: entries 4 (index % 8) and on, tokens 2 (index / 8) and on.
        let entry = index % 8u * 4u;
        let token = index / 8u * 2u;
        var a = vec4<f32>();
        var b = vec4<f32>();
        for (var column = 0u; column < KEY; column += 4u) {
            let i = column + index % 4u;
            let brought = index / 4u;
            var q = vec4<f32>();
            var k = vec4<f32>();
            if (i < KEY) {
                q = query[(min(first_token + brought, last_token) * params.heads + head) * KEY + i];
                k = key(min(first + brought, end - 1u), head, i);
            }
            q_tile[index % 4u * TILE + brought] = q;
            k_tile[index % 4u * TILE + brought] = k;
            workgroupBarrier();
            for (var j = 0u; j < 4u; j++) {
                let at = j * TILE;
                let keys = mat4x4<f32>(
                    k_tile[at + entry], k_tile[at + entry + 1u], k_tile[at + entry + 2u], k_tile[at + entry + 3u],
                );
                a += q_tile[at + token] * keys;
                b += q_tile[at + token + 1u] * keys;
            }
            workgroupBarrier();
        }
        for (var j = 0u; j < 4u; j++) {
            let reach = state.position + first_token + token;
            scores[(entry + j) * TILE + token] = select(LEAST, a[j], first + entry + j < min(end, reach + 1u));
            scores[(entry + j) * TILE + token + 1u] = select(LEAST, b[j], first + entry + j < min(end, reach + 2u));
        }
        workgroupBarrier();
        // Four invocations a token.
        let own = index / 4u;
        let quarter = index % 4u * 8u;
        var larger = most[own];
        for (var k = 0u; k < 8u; k++) {
            larger = max(larger, scores[(quarter + k) * TILE + own]);
        }
        near[index] = larger;
        workgroupBarrier();
        larger = max(max(near[own * 4u], near[own * 4u + 1u]), max(near[own * 4u + 2u], near[own * 4u + 3u]));
        var sum = 0.0;
        for (var k = 0u; k < 8u; k++) {
            let at = (quarter + k) * TILE + own;
            let weight = select(0.0, exp(scores[at] - larger), scores[at] > LEAST);
            scores[at] = weight;
            sum += weight;
        }
        workgroupBarrier();
        near[index] = sum;
        workgroupBarrier();
        if (index % 4u == 0u) {
            shrink[own] = exp(most[own] - larger);
            most[own] = larger;
            total[own] = total[own] * shrink[own] + near[index] + near[index + 1u] + near[index + 2u] + near[index + 3u];
        }
        workgroupBarrier();
        for (var h = 0u; h < HELD; h++) {
            let item = index + 128u * h;
            if (item < 4u * VALUE) {
                let tokens = item / VALUE * 8u;
                var own_values = held[h];
                for (var i = 0u; i < 8u; i++) {
                    own_values[i] *= shrink[tokens + i];
                }
                for (var k = 0u; k < min(TILE, end - first); k++) {
                    let at = ((first + k - params.start) * params.heads + head) * (NOPE + VALUE) + NOPE;
                    let value = expanded[at + item % VALUE];
                    for (var i = 0u; i < 8u; i++) {
                        own_values[i] = fma(value, vec4<f32>(scores[k * TILE + tokens + i]), own_values[i]);
                    }
                }
                held[h] = own_values;
            }
        }
        workgroupBarrier();
    }
    if (index < TILE && first_token + index <= last_token) {
        sums[(first_token + index) * params.heads + head] = vec2<f32>(most[index], total[index]);
    }
    workgroupBarrier();
    for (var h = 0u; h < HELD; h++) {
        let item = index + 128u * h;
        for (var i = 0u; i < 8u; i++) {
            let tile_token = item / VALUE * 8u + i;
            if (item < 4u * VALUE && first_token + tile_token <= last_token) {
                let scale = select(1.0, 1.0 / total[tile_token], params.last == 1u);
                o[((first_token + tile_token) * params.heads + head) * VALUE + item % VALUE] = held[h][i] * scale;
            }
        }
    }
}
