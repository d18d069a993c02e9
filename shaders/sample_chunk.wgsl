// One step of choosing the next token, on a chunk of CHUNK logits a workgroup. src/backend/sampling.rs says what is computed.
//
// With DRAW: the best token of each chunk, of those whose logit, after the penalties, is not below the filters' threshold:
//   score = logit + temperature * -ln(-ln(u)), u = hash(seed, position, token) in (0, 1)
// Without DRAW: one stage of finding the threshold, by radix selection over a key of 32 bits that orders as logits do.
// Stages 0 to 3 count tokens for top-k; stages 4 to 7 sum up exp((logit - largest) / temperature), as whole 2^-31ths, for
// top-p. A stage takes the logits whose key has the digits found so far, and adds up, for each value of the next 8 bits, their
// counts or masses, in 64 bits, since whole numbers come out the same in any order; with STAGED first in workgroup memory, so
// that not everybody waits for the same few words. Which value the threshold has there the next dispatch finds, in each
// workgroup for itself. Stage 8 only finds the largest logit, as stage 0 does on its way.
// A logit that is not finite is left out, and its bits are handed on.
//
// logits [vocab_size]; candidates [chunks] (key of the score, token, bits of a logit that is not finite or 0, 0).
// selection: word 0 the largest key; word 1 the key at which top-k cuts; from word 4 for each stage (digits found so far,
// what is wanted of the logits that have them: low word, high word, unused); from word 64 for each stage 256 low words, then
// 256 high words. All zeros to begin with. Workgroups of WIDTH, a power of two from 16 to 256. Dispatch (chunks, 1, 1).
struct Rules {
    temperature: f32,
    inverse_temperature: f32,
    penalises: u32,
    repetition: f32,
    inverse_repetition: f32,
    frequency: f32,
    presence: f32,
    top_k: u32,
    top_p: u32, // Of 2^32.
    min_p: f32, // How far below the largest.
    seed_low: u32,
    seed_high: u32,
    occurred: array<u32>, // By token, where there is a penalty: 1 for being in the prompt, and 2 each time that it was drawn.
}
struct Params { vocab_size: u32, previous: u32, stage: u32 }
@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> rules: Rules;
#if FILTER
@group(0) @binding(2) var<storage, read_write> selection: array<atomic<u32>>;
#endif
#if DRAW
@group(0) @binding(3) var<storage, read> state: array<u32>;
@group(0) @binding(4) var<storage, read_write> candidates: array<vec4<u32>>;
var<workgroup> best: array<vec2<u32>, WIDTH>;
var<workgroup> broken: atomic<u32>;
#endif
@group(0) @binding(9) var<uniform> params: Params;

fn is_finite(logit: f32) -> bool {
    return (bitcast<u32>(logit) & 0x7f800000u) != 0x7f800000u;
}

fn penalised(id: u32, logit: f32) -> f32 {
    if (rules.penalises == 0u) {
        return logit;
    }
    let occurred = rules.occurred[id];
    if (occurred == 0u) {
        return logit;
    }
    return logit * select(rules.repetition, rules.inverse_repetition, logit > 0.0)
        - (rules.frequency * f32(occurred >> 1u) + select(0.0, rules.presence, occurred > 1u));
}

/// Orders as the values do. Never 0 for a number.
fn key(value: f32) -> u32 {
    let bits = bitcast<u32>(value);
    return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

#if FILTER
const THRESHOLD = 1u;
const LARGEST = 8u;
var<workgroup> lane_sums: array<vec2<u32>, WIDTH>;
var<workgroup> sums: array<vec2<u32>, 16>;
var<workgroup> chosen: u32;
var<workgroup> digits: u32;
var<workgroup> wanted: vec2<u32>;

fn from_key(value: u32) -> f32 {
    return bitcast<f32>(select(~value, value ^ 0x80000000u, (value >> 31u) == 1u));
}

fn entry_of(stage: u32) -> u32 {
    return 4u + stage * 4u;
}

fn bins_of(stage: u32) -> u32 {
    return 64u + stage * 512u;
}

// 64 bits are (low, high).
fn plus(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = a.x + b.x;
    return vec2<u32>(low, a.y + b.y + u32(low < a.x));
}

fn minus(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return vec2<u32>(a.x - b.x, a.y - b.y - u32(a.x < b.x));
}

fn is_less(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.y < b.y || (a.y == b.y && a.x < b.x);
}

fn product(a: u32, b: u32) -> vec2<u32> {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let middle = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let other = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
    return vec2<u32>((other << 16u) | (low & 0xffffu), (a >> 16u) * (b >> 16u) + (middle >> 16u) + (other >> 16u));
}

fn sum(stage: u32, bin: u32) -> vec2<u32> {
    let at = bins_of(stage) + bin;
    return vec2<u32>(atomicLoad(&selection[at]), atomicLoad(&selection[at + 256u]));
}

/// Of `sums`, from the last down, the one with which what is `wanted` is reached; `wanted` becomes what is left of it there.
fn reach() -> u32 {
    var rest = wanted;
    var at = 15u;
    while (at > 0u && is_less(sums[at], rest)) {
        rest = minus(rest, sums[at]);
        at--;
    }
    wanted = rest;
    return at;
}

/// Finds the threshold's digit that stage `previous` has counted for, from the largest down: sets `digits`, and `wanted`
/// to what is left to reach among the logits that have them. First among sixteenths of the bins, then among the bins of one.
fn evaluate(previous: u32, lane: u32) {
    const BINS = 256u / WIDTH;
    var total = vec2<u32>();
    for (var i = 0u; i < BINS; i++) {
        total = plus(total, sum(previous, lane * BINS + i));
    }
    lane_sums[lane] = total;
    workgroupBarrier();
    if (lane < 16u) {
        total = vec2<u32>();
        for (var i = 0u; i < WIDTH / 16u; i++) {
            total = plus(total, lane_sums[lane * (WIDTH / 16u) + i]);
        }
        sums[lane] = total;
    }
    workgroupBarrier();
    let level = previous & 3u;
    if (lane == 0u) {
        digits = 0u;
        wanted = vec2<u32>(rules.top_k, 0u);
        if (level > 0u) {
            let entry = entry_of(previous);
            digits = atomicLoad(&selection[entry]);
            wanted = vec2<u32>(atomicLoad(&selection[entry + 1u]), atomicLoad(&selection[entry + 2u]));
        } else if (previous == 4u) {
            // The share top_p / 2^32 of the whole mass, at least a bit.
            var whole = vec2<u32>();
            for (var i = 0u; i < 16u; i++) {
                whole = plus(whole, sums[i]);
            }
            let share = plus(product(whole.y, rules.top_p), vec2<u32>(product(whole.x, rules.top_p).y, 0u));
            wanted = vec2<u32>(select(share.x, 1u, share.x == 0u && share.y == 0u), share.y);
        }
        chosen = reach() * 16u;
    }
    workgroupBarrier();
    if (lane < 16u) {
        sums[lane] = sum(previous, chosen + lane);
    }
    workgroupBarrier();
    if (lane == 0u) {
        digits |= (chosen + reach()) << (24u - 8u * level);
    }
    workgroupBarrier();
}
#endif

#if DRAW
/// pcg4d: Jarzynski and Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020.
fn pcg4d(words: vec4<u32>) -> vec4<u32> {
    var v = words * 1664525u + 1013904223u;
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    v ^= v >> vec4<u32>(16u);
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    return v;
}

fn noise(position: u32, id: u32) -> f32 {
    let bits = pcg4d(vec4<u32>(rules.seed_low, rules.seed_high, position, id)).w;
    // Where u is near 1, ln(u) has lost its digits, and the series has not.
    let v = (f32(bits) + 0.5) / 4294967296.0;
    let series = v * (1.0 + v * (0.5 + v * (0.33333334 + v * 0.25)));
    let logarithm = -log((f32(~bits >> 8u) + 0.5) / 16777216.0);
    return -log(select(logarithm, series, bits < 0x4000000u));
}

/// The larger score; of a tie the lower id.
fn better(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return select(a, b, b.x > a.x || (b.x == a.x && b.y < a.y));
}

@compute @workgroup_size(WIDTH)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
    var threshold = 0u;
#if FILTER
    if (params.previous < LARGEST) {
        evaluate(params.previous, lane);
        threshold = digits;
    }
    threshold = max(threshold, key(from_key(atomicLoad(&selection[0])) + rules.min_p));
#endif
    let position = state[2];
    let end = min(group.x * CHUNK + CHUNK, params.vocab_size);
    var mine = vec2<u32>(0u, 0xffffffffu);
    var bad = 0u;
    for (var id = group.x * CHUNK + lane; id < end; id += WIDTH) {
        let logit = logits[id];
        if (!is_finite(logit)) {
            bad = bitcast<u32>(logit);
            continue;
        }
        var score = penalised(id, logit);
        if (key(score) < threshold) {
            continue;
        }
        if (rules.temperature > 0.0) {
            score += rules.temperature * noise(position, id);
        }
        mine = better(mine, vec2<u32>(key(score), id));
    }
    best[lane] = mine;
    if (bad != 0u) {
        atomicMax(&broken, bad);
    }
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
        candidates[group.x] = vec4<u32>(mine, atomicLoad(&broken), 0u);
    }
}
#else
var<workgroup> largest: atomic<u32>;
#if STAGED
var<workgroup> low_bins: array<atomic<u32>, 256>;
var<workgroup> high_bins: array<atomic<u32>, 256>;

fn add(stage: u32, bin: u32, weight: vec2<u32>) {
    let low = atomicAdd(&low_bins[bin], weight.x);
    let high = weight.y + u32(low + weight.x < low);
    if (high != 0u) {
        atomicAdd(&high_bins[bin], high);
    }
}
#else
fn add(stage: u32, bin: u32, weight: vec2<u32>) {
    let at = bins_of(stage) + bin;
    let low = atomicAdd(&selection[at], weight.x);
    let high = weight.y + u32(low + weight.x < low);
    if (high != 0u) {
        atomicAdd(&selection[at + 256u], high);
    }
}
#endif

@compute @workgroup_size(WIDTH)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let stage = params.stage;
    let level = stage & 3u;
    if (params.previous < LARGEST) {
        evaluate(params.previous, lane);
    }
    // What top-p starts from is what top-k has left.
    var threshold = digits;
    var prefix = 0u;
    if (level > 0u) {
        threshold = atomicLoad(&selection[THRESHOLD]);
        prefix = digits;
    }
    if (group.x == 0u && lane == 0u) {
        if (level > 0u) {
            let entry = entry_of(stage);
            atomicStore(&selection[entry], prefix);
            atomicStore(&selection[entry + 1u], wanted.x);
            atomicStore(&selection[entry + 2u], wanted.y);
        } else {
            atomicStore(&selection[THRESHOLD], threshold);
        }
    }
    let most = from_key(atomicLoad(&selection[0]));
    let end = min(group.x * CHUNK + CHUNK, params.vocab_size);
    let shift = 24u - 8u * level;
    var most_here = 0u;
    // Neighbours often fall into the same bin, and an atomic addition is dear.
    var current = 0u;
    var weight = vec2<u32>();
    for (var id = group.x * CHUNK + lane; id < end; id += WIDTH) {
        if (!is_finite(logits[id])) {
            continue;
        }
        let logit = penalised(id, logits[id]);
        let bits = key(logit);
        most_here = max(most_here, bits);
        // Shifted in two steps, since a shift by 32 would be none.
        let differs = (((bits ^ prefix) >> shift) >> 8u) != 0u;
        if (stage == LARGEST || differs || bits < threshold) {
            continue;
        }
        let bin = (bits >> shift) & 255u;
        if (bin != current) {
            add(stage, current, weight);
            current = bin;
            weight = vec2<u32>();
        }
        var one = 1u;
        if (stage >= 4u) {
            one = u32(exp((logit - most) * rules.inverse_temperature) * 2147483648.0 + 0.5);
        }
        weight = plus(weight, vec2<u32>(one, 0u));
    }
    if (stage != LARGEST) { // It has no bins.
        add(stage, current, weight);
    }
    if (stage == 0u || stage == LARGEST) {
        atomicMax(&largest, most_here);
    }
    workgroupBarrier();
    if (lane == 0u && (stage == 0u || stage == LARGEST)) {
        atomicMax(&selection[0], atomicLoad(&largest));
    }
#if STAGED
    if (stage == LARGEST) {
        return;
    }
    for (var bin = lane; bin < 256u; bin += WIDTH) {
        let weight = atomicLoad(&low_bins[bin]);
        let at = bins_of(stage) + bin;
        var high = atomicLoad(&high_bins[bin]);
        if (weight != 0u) {
            let low = atomicAdd(&selection[at], weight);
            high += u32(low + weight < low);
        }
        if (high != 0u) {
            atomicAdd(&selection[at + 256u], high);
        }
    }
#endif
}
#endif
