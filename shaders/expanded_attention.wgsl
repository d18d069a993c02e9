// Attention of many tokens to a block of entries whose keys and values are expanded, for processors that play a GPU;
// expanded_attention_tiled.wgsl computes the same for GPUs.
// score_s = query . (K_s, rotated key of s); m = max_s score_s, l = sum_s exp(score_s - m), o = sum_s exp(score_s - m) V_s over
// entries s <= position + t, an online softmax that goes on from block to block: sums holds (m, l). After the last block
// o is divided by l.
// query [tokens, heads, KEY], as append_and_absorb.wgsl has scaled and turned it; expanded [entries of the block, heads,
// NOPE + VALUE], per head K, then V; cache [capacity, ENTRY] of one layer, f16, the rotated key from LATENT on;
// o [tokens, heads, VALUE]; sums [tokens, heads]. Widths in units of 4 values; KEY = NOPE + ENTRY - LATENT.
// One invocation: four tokens of one head, and four entries at a time, so that what is loaded serves four times.
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
const LEAST = -3.0e38;

fn largest(values: vec4<f32>) -> f32 {
    return max(max(values.x, values.y), max(values.z, values.w));
}

fn unpacked(words: vec2<u32>) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}

/// Four entries' keys, one column of the matrix each.
fn keys(at: vec4<u32>, i: u32) -> mat4x4<f32> {
    if (i < NOPE) {
        return mat4x4<f32>(expanded[at.x + i], expanded[at.y + i], expanded[at.z + i], expanded[at.w + i]);
    }
    let width = params.heads * (NOPE + VALUE);
    let rotated = (at / width + vec4<u32>(params.start)) * ENTRY + vec4<u32>(LATENT + i - NOPE);
    return mat4x4<f32>(
        unpacked(cache[rotated.x]), unpacked(cache[rotated.y]), unpacked(cache[rotated.z]), unpacked(cache[rotated.w]),
    );
}

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let token = id.x * 4u;
    if (token >= params.tokens) {
        return;
    }
    // Tokens past the end repeat the last one, and are not stored.
    let tokens = min(vec4<u32>(token) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.tokens - 1u));
    let rows = tokens * params.heads + vec4<u32>(id.y);
    let reach = tokens + vec4<u32>(state.position);
    var a: array<vec4<f32>, VALUE>;
    var b: array<vec4<f32>, VALUE>;
    var c: array<vec4<f32>, VALUE>;
    var d: array<vec4<f32>, VALUE>;
    // Of the four tokens.
    var most = vec4<f32>(LEAST);
    var total = vec4<f32>();
    if (params.start > 0u) {
        for (var t = 0u; t < 4u; t++) {
            most[t] = sums[rows[t]].x;
            total[t] = sums[rows[t]].y;
        }
        for (var i = 0u; i < VALUE; i++) {
            a[i] = o[rows.x * VALUE + i];
            b[i] = o[rows.y * VALUE + i];
            c[i] = o[rows.z * VALUE + i];
            d[i] = o[rows.w * VALUE + i];
        }
    }
    let end = min(params.end, reach.w + 1u);
    for (var first = params.start; first < end; first += 4u) {
        // Entries past the end repeat the last one, with a weight of zero.
        let entries = vec4<u32>(first) + vec4<u32>(0u, 1u, 2u, 3u);
        let block_entries = min(entries, vec4<u32>(end - 1u)) - vec4<u32>(params.start);
        let at = (block_entries * params.heads + vec4<u32>(id.y)) * (NOPE + VALUE);
        // Four entries' scores of each token.
        var p = vec4<f32>();
        var q = vec4<f32>();
        var r = vec4<f32>();
        var s = vec4<f32>();
        for (var i = 0u; i < KEY; i++) {
            let four = keys(at, i);
            p += query[rows.x * KEY + i] * four;
            q += query[rows.y * KEY + i] * four;
            r += query[rows.z * KEY + i] * four;
            s += query[rows.w * KEY + i] * four;
        }
        let inside = min(reach + vec4<u32>(1u), vec4<u32>(end));
        p = select(vec4<f32>(LEAST), p, entries < vec4<u32>(inside.x));
        q = select(vec4<f32>(LEAST), q, entries < vec4<u32>(inside.y));
        r = select(vec4<f32>(LEAST), r, entries < vec4<u32>(inside.z));
        s = select(vec4<f32>(LEAST), s, entries < vec4<u32>(inside.w));
        let larger = max(most, vec4<f32>(largest(p), largest(q), largest(r), largest(s)));
        let shrink = exp(most - larger);
        most = larger;
        // Where all scores are LEAST the difference is no small number.
        p = select(vec4<f32>(), exp(p - larger.x), p > vec4<f32>(LEAST));
        q = select(vec4<f32>(), exp(q - larger.y), q > vec4<f32>(LEAST));
        r = select(vec4<f32>(), exp(r - larger.z), r > vec4<f32>(LEAST));
        s = select(vec4<f32>(), exp(s - larger.w), s > vec4<f32>(LEAST));
        total = fma(total, shrink, vec4<f32>(1.0) * mat4x4<f32>(p, q, r, s));
        for (var i = 0u; i < VALUE; i++) {
            let value = at + vec4<u32>(NOPE + i);
            let four = mat4x4<f32>(expanded[value.x], expanded[value.y], expanded[value.z], expanded[value.w]);
            a[i] = fma(a[i], vec4<f32>(shrink.x), four * p);
            b[i] = fma(b[i], vec4<f32>(shrink.y), four * q);
            c[i] = fma(c[i], vec4<f32>(shrink.z), four * r);
            d[i] = fma(d[i], vec4<f32>(shrink.w), four * s);
        }
    }
    let scale = select(vec4<f32>(1.0), 1.0 / total, params.last == 1u);
    for (var t = 0u; t < min(4u, params.tokens - token); t++) {
        sums[rows[t]] = vec2<f32>(most[t], total[t]);
    }
    for (var i = 0u; i < VALUE; i++) {
        let values = mat4x4<f32>(a[i] * scale.x, b[i] * scale.y, c[i] * scale.z, d[i] * scale.w);
        for (var t = 0u; t < min(4u, params.tokens - token); t++) {
            o[rows[t] * VALUE + i] = values[t];
        }
    }
}
