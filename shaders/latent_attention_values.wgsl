// The second half of latent attention for processors that play a GPU, for one part of the context: m = max_s score_s,
// l = sum_s exp(score_s - m) and z = sum_s exp(score_s - m) c_s over entries s of the part. expand_value.wgsl puts parts
// together. latent_attention_scores.wgsl has made the weights, of each eight entries exp(score_s - their own m), and says what a row is.
// weights [rows / 8, eights of entries, 8 entries, 8 rows]; most [rows / 8, eights of entries, 8 rows]; cache
// [capacity, ENTRY] of one layer, f16, its first LATENT the latent c; z [rows, parts, LATENT]; widths in units of 4 values.
// sums [rows, parts], (m, l).
// One invocation: eight rows and sixteen latent values of one part, eight entries at a time.
// Dispatch (LATENT / 32, rows / 8, parts), rounded up: rows from `first` to `end`; `weights` and `most` begin at `first`.
@group(0) @binding(0) var<uniform> state: State;
@group(0) @binding(1) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> cache: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> z: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> sums: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read> most: array<vec4<f32>>;
struct State { token: u32, position: u32 }
struct Params { heads: u32, first: u32, end: u32, eights: u32, parts: u32, part_eights: u32 }
@group(0) @binding(9) var<uniform> params: Params;
const LEAST = vec4<f32>(-3.0e38);

fn unpacked(at: u32) -> vec4<f32> {
    let words = cache[at];
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}

fn latents(at: vec4<u32>) -> mat4x4<f32> {
    return mat4x4<f32>(unpacked(at.x), unpacked(at.y), unpacked(at.z), unpacked(at.w));
}

/// The weights of four rows with four entries, every other vec4 from `at` on; a row each column.
fn four_weights(at: u32, scale: vec4<f32>) -> mat4x4<f32> {
    return transpose(mat4x4<f32>(
        weights[at] * scale, weights[at + 2u] * scale, weights[at + 4u] * scale, weights[at + 6u] * scale,
    ));
}

/// The columns times the factors.
fn scaled(columns: mat4x4<f32>, factors: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(columns[0] * factors.x, columns[1] * factors.y, columns[2] * factors.z, columns[3] * factors.w);
}

/// Of four rows from `row` on, up to 16 latent values from `r` on, and the sums.
fn store(row: u32, part: u32, r: u32, values: array<mat4x4<f32>, 4>, top: vec4<f32>, total: vec4<f32>) {
    var latents = values;
    for (var i = 0u; i < 4u; i++) {
        if (row + i < params.end) {
            let at = (row + i) * params.parts + part;
            for (var j = 0u; j < min(4u, LATENT - r); j++) {
                z[at * LATENT + r + j] = latents[j][i];
            }
            if (r == 0u) {
                sums[at] = vec2<f32>(top[i], total[i]);
            }
        }
    }
}

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let r = id.x * 4u;
    if (r >= LATENT) {
        return;
    }
    let row = params.first + id.y * 8u;
    let last = state.position + min(row + 7u, params.end - 1u) / params.heads;
    let start = id.z * params.part_eights;
    let end = min(start + params.part_eights, last / 8u + 1u);
    // Latents past the end repeat the last one, and are not stored.
    let rs = min(vec4<u32>(r) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(LATENT - 1u));
    // Four latent values, a row of `rs`, of four rows, low or high.
    var low_x: mat4x4<f32>;
    var low_y: mat4x4<f32>;
    var low_z: mat4x4<f32>;
    var low_w: mat4x4<f32>;
    var high_x: mat4x4<f32>;
    var high_y: mat4x4<f32>;
    var high_z: mat4x4<f32>;
    var high_w: mat4x4<f32>;
    var low_most = LEAST;
    var high_most = LEAST;
    var low_total = vec4<f32>();
    var high_total = vec4<f32>();
    for (var eight = start; eight < end; eight++) {
        let at = id.y * params.eights + eight;
        let low_own = most[at * 2u];
        let high_own = most[at * 2u + 1u];
        let low_larger = max(low_most, low_own);
        let high_larger = max(high_most, high_own);
        let low_shrink = exp(low_most - low_larger);
        let high_shrink = exp(high_most - high_larger);
        let low_scale = exp(low_own - low_larger);
        let high_scale = exp(high_own - high_larger);
        low_most = low_larger;
        high_most = high_larger;
        let low_near = four_weights(at * 16u, low_scale);
        let low_far = four_weights(at * 16u + 8u, low_scale);
        let high_near = four_weights(at * 16u + 1u, high_scale);
        let high_far = four_weights(at * 16u + 9u, high_scale);
        low_total = fma(low_total, low_shrink, vec4<f32>(1.0) * low_near + vec4<f32>(1.0) * low_far);
        high_total = fma(high_total, high_shrink, vec4<f32>(1.0) * high_near + vec4<f32>(1.0) * high_far);
        // Entries past the end repeat the last one, with a weight of zero.
        let entries = vec4<u32>(eight * 8u) + vec4<u32>(0u, 1u, 2u, 3u);
        let near = min(entries, vec4<u32>(last)) * ENTRY;
        let far = min(entries + vec4<u32>(4u), vec4<u32>(last)) * ENTRY;
        var p = latents(near + rs.x);
        var q = latents(far + rs.x);
        low_x = scaled(low_x, low_shrink) + p * low_near + q * low_far;
        high_x = scaled(high_x, high_shrink) + p * high_near + q * high_far;
        p = latents(near + rs.y);
        q = latents(far + rs.y);
        low_y = scaled(low_y, low_shrink) + p * low_near + q * low_far;
        high_y = scaled(high_y, high_shrink) + p * high_near + q * high_far;
        p = latents(near + rs.z);
        q = latents(far + rs.z);
        low_z = scaled(low_z, low_shrink) + p * low_near + q * low_far;
        high_z = scaled(high_z, high_shrink) + p * high_near + q * high_far;
        p = latents(near + rs.w);
        q = latents(far + rs.w);
        low_w = scaled(low_w, low_shrink) + p * low_near + q * low_far;
        high_w = scaled(high_w, high_shrink) + p * high_near + q * high_far;
    }
    store(row, id.z, r, array<mat4x4<f32>, 4>(low_x, low_y, low_z, low_w), low_most, low_total);
    store(row + 4u, id.z, r, array<mat4x4<f32>, 4>(high_x, high_y, high_z, high_w), high_most, high_total);
}
