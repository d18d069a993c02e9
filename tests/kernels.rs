//! Every GPU kernel against its twin of the plain CPU backend, on random inputs, at shapes that fill workgroups and at
//! shapes that do not. Runs on the adapter that Vulkan gives; `npm test` runs it on each software adapter in turn.
//!
//! Bound. Both sides start from the same bits, so what differs is the order of summation: each of n additions rounds by
//! at most 6e-8 of the partial sum, and errors of random sign add up to about sqrt(n) of that, below 2e-6 for the sums of
//! some hundred terms here. 5e-6 leaves room; a wrong index, scale or sign is above 1e-2. Attention is a chain of four
//! sums, one as long as the context, and an exponential, which a GPU may round by several units in the last place; and where
//! sums differ in their last bit, an entry of the cache may round to the neighbouring f16, which moves a score by up to 1e-4
//! of itself: 1e-4.
//!
//! With f16 tiles each factor of a product of many tokens is rounded by at most 4.9e-4 of itself, 2.8e-4 on the average of
//! squares: products of random terms are off by 4e-4, and hardly ever by 1e-3. Attention that expands its keys so has scores of
//! a few units off by as much of themselves, and values once more: 3e-3.

#![cfg(feature = "gpu")]

mod adapter;

use adapter::gpu;
use half::{bf16, f16};
use plume::{
    Result,
    backend::{Backend, LatentAttention, Layout, MatrixDescriptor, Tokens, cpu::CpuBackend, gpu::GpuBackend},
    model::Config,
    weights::ElementType,
};
use pollster::block_on;

const PRODUCT_BOUND: f64 = 5e-6;
const ATTENTION_BOUND: f64 = 1e-4;
const F16_PRODUCT_BOUND: f64 = 1e-3;
const F16_ATTENTION_BOUND: f64 = 3e-3;

const ELEMENT_TYPES: [ElementType; 13] = [
    ElementType::F32,
    ElementType::F16,
    ElementType::BF16,
    ElementType::Q8_0,
    ElementType::Q4_0,
    ElementType::Q4_1,
    ElementType::Q5_0,
    ElementType::Q5_1,
    ElementType::Q2K,
    ElementType::Q3K,
    ElementType::Q4K,
    ElementType::Q5K,
    ElementType::Q6K,
];

/// Types that the GPU keeps as they are. The others become one of these when they are uploaded, so that a few small cases
/// show all that is different about them.
const KEPT: [ElementType; 7] = [
    ElementType::F32,
    ElementType::F16,
    ElementType::BF16,
    ElementType::Q8_0,
    ElementType::Q4_0,
    ElementType::Q4K,
    ElementType::Q6K,
];

/// The adapter with each way to choose its kernels: for a GPU, with neither and with either of subgroup operations and f16 if
/// it has them, and for a processor that plays a GPU.
fn gpus() -> Vec<(&'static str, GpuBackend)> {
    let mut gpus = Vec::new();
    for (name, narrow, subgroups, f16) in [
        (SUBGROUPS, false, true, false),
        (F16, false, false, true),
        ("wide", false, false, false),
        ("narrow", true, false, false),
    ] {
        let Some(mut gpu) = gpu() else { break };
        gpu.set_narrow(narrow);
        if (gpu.set_subgroups(subgroups), gpu.set_shader_f16(f16)) == (subgroups, f16) {
            gpus.push((name, gpu));
        } else {
            println!("{name}: skipped, this adapter does not have them");
        }
    }
    gpus
}

const SUBGROUPS: &str = "wide, subgroups";
const F16: &str = "wide, f16";

/// SplitMix64.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in [-1, 1).
    fn signed(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    fn values(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.signed()).collect()
    }

    /// Random blocks whose weights are finite: any bits, but scales of a size that trained weights have.
    fn blocks(&mut self, element_type: ElementType, elements: usize) -> Vec<u8> {
        use ElementType::*;
        let scales: &[usize] = match element_type {
            F32 => return self.values(elements).iter().flat_map(|value| value.to_le_bytes()).collect(),
            F16 => return self.values(elements).iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect(),
            BF16 => {
                return self.values(elements).iter().flat_map(|value| bf16::from_f32(*value).to_le_bytes()).collect();
            }
            Q8_0 | Q4_0 | Q5_0 => &[0],
            Q4_1 | Q5_1 | Q4K | Q5K => &[0, 2],
            Q2K => &[80, 82],
            Q3K => &[108],
            Q6K => &[208],
        };
        let blocks = elements / element_type.block_elements();
        let mut bytes: Vec<u8> = (0..blocks * element_type.block_bytes()).map(|_| self.bits() as u8).collect();
        for block in bytes.chunks_exact_mut(element_type.block_bytes()) {
            for offset in scales {
                let scale = f16::from_f32(self.signed() * 0.01);
                block[*offset..offset + 2].copy_from_slice(&scale.to_le_bytes());
            }
        }
        bytes
    }
}

/// A matrix as a file has it.
struct Weights {
    element_type: ElementType,
    rows: usize,
    columns: usize,
    layout: Layout,
    bytes: Vec<u8>,
}

impl Weights {
    fn random(random: &mut Random, element_type: ElementType, rows: usize, columns: usize, layout: Layout) -> Self {
        Self { element_type, rows, columns, layout, bytes: random.blocks(element_type, rows * columns) }
    }

    fn exact(values: &[f32], columns: usize) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let rows = values.len() / columns;
        Self { element_type: ElementType::F32, rows, columns, layout: Layout::RowMajor, bytes }
    }

    /// Uploads in two uneven pieces, as a stream would.
    fn upload<B: Backend>(&self, backend: &mut B) -> B::Matrix {
        let Self { element_type, rows, columns, layout, bytes } = self;
        let (element_type, rows, columns, layout) = (*element_type, *rows, *columns, *layout);
        let descriptor = MatrixDescriptor { name: "test".to_owned(), element_type, rows, columns, layout };
        let mut upload = backend.begin_matrix(&descriptor).unwrap();
        let (first, rest) = bytes.split_at(rows / 3 * (bytes.len() / rows));
        backend.upload_rows(&mut upload, first).unwrap();
        backend.upload_rows(&mut upload, rest).unwrap();
        backend.finish_matrix(upload).unwrap()
    }
}

/// [tokens, width] on the device: the rows of an exact embedding, in order.
fn activation<B: Backend>(backend: &mut B, values: &[f32], width: usize) -> B::Activation {
    let table = Weights::exact(values, width).upload(backend);
    let ids: Vec<u32> = (0..(values.len() / width) as u32).collect();
    backend.embed(&table, Tokens::Known(&ids), 0).unwrap()
}

fn read<B: Backend>(backend: &mut B, activation: &B::Activation) -> Vec<f32> {
    block_on(backend.read(activation)).unwrap()
}

/// ||found - expected|| / ||expected|| must be within the bound.
fn compare(what: &str, found: &[f32], expected: &[f32], bound: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let error = squares(&mut found.iter().zip(expected).map(|(a, b)| f64::from(*a) - f64::from(*b)));
    let norm = squares(&mut expected.iter().map(|value| f64::from(*value)));
    assert!(error <= bound * norm, "{what}: relative error {:e} over {bound:e}", error / norm);
}

fn config() -> Config {
    Config {
        vocab_size: 1,
        hidden_size: 1,
        num_hidden_layers: 2,
        num_attention_heads: 1,
        kv_lora_rank: 1,
        qk_nope_head_dim: 1,
        qk_rope_head_dim: 2,
        v_head_dim: 1,
        intermediate_size: 1,
        rms_norm_eps: 1e-6,
        rope_theta: 1e5,
        max_position_embeddings: 1,
    }
}

/// (rows, columns) with columns a whole number of the type's blocks. Few rows are still three: of a single sum nothing may be
/// left but rounding, if its terms cancel.
fn shapes(element_type: ElementType) -> Vec<(usize, usize)> {
    match element_type.block_elements() {
        1 => vec![(1, 1), (7, 5), (65, 33), (130, 102)],
        32 => vec![(3, 32), (65, 96), (130, 160)],
        block => vec![(3, block), (67, block), (130, 2 * block)],
    }
}

#[test]
fn embeddings_are_exact_whole_and_split() {
    fn run<B: Backend>(backend: &mut B, table: &Weights, ids: &[u32]) -> Vec<f32> {
        let table = table.upload(backend);
        let x = backend.embed(&table, Tokens::Known(ids), 0).unwrap();
        read(backend, &x)
    }
    let Some(mut gpu) = gpu() else { return };
    let mut split = self::gpu().unwrap();
    split.limit_bindings(16 << 10);
    let mut random = Random(1);
    for element_type in ELEMENT_TYPES {
        for (rows, columns) in shapes(element_type) {
            let table = Weights::random(&mut random, element_type, rows, columns, Layout::RowMajor);
            let ids: Vec<u32> = (0..5).map(|_| (random.bits() % rows as u64) as u32).chain([rows as u32 - 1]).collect();
            let expected = run(&mut CpuBackend::new(), &table, &ids);
            let what = format!("{element_type} [{rows}, {columns}]");
            // A shader may take Q4_K's product and difference with one rounding; everything else is one product.
            let bound = if element_type == ElementType::Q4K { PRODUCT_BOUND } else { 0.0 };
            compare(&what, &run(&mut gpu, &table, &ids), &expected, bound);
            compare(&format!("{what}, split"), &run(&mut split, &table, &ids), &expected, bound);
        }
    }
}

#[test]
fn an_id_past_the_vocabulary_is_an_error() {
    let Some(mut gpu) = gpu() else { return };
    let table = Weights::exact(&[1.0, 2.0], 1).upload(&mut gpu);
    assert_eq!(gpu.embed(&table, Tokens::Known(&[2]), 0).err().unwrap().code(), "invalid_request");
}

#[test]
fn products_equal_the_cpus_whole_and_split() {
    struct Case {
        matrix: Weights,
        x: Vec<f32>,
        norm: Vec<f32>,
        residual: Vec<f32>,
    }
    fn run<B: Backend>(backend: &mut B, case: &Case) -> [Vec<f32>; 2] {
        let matrix = case.matrix.upload(backend);
        let norm = backend.vector(&case.norm).unwrap();
        let x = activation(backend, &case.x, case.matrix.columns);
        let mut sum = activation(backend, &case.residual, case.matrix.rows);
        let product = backend.norm_matmul(&x, &norm, &matrix, &config()).unwrap();
        backend.matmul_add(&mut sum, &matrix, &x).unwrap();
        let last = backend.last_row(&sum).unwrap();
        let (last, sum) = (read(backend, &last), read(backend, &sum));
        assert_eq!(last, sum[sum.len() - last.len()..]);
        [read(backend, &product), sum]
    }
    let mut gpus = gpus();
    if let Some(mut gpu) = gpu() {
        gpu.limit_bindings(16 << 10);
        gpus.push(("split", gpu));
    }
    let mut random = Random(2);
    for element_type in ELEMENT_TYPES {
        for (rows, columns) in shapes(element_type) {
            for tokens in [1, 2, 5, 67].into_iter().filter(|tokens| *tokens < 5 || KEPT.contains(&element_type)) {
                let case = Case {
                    matrix: Weights::random(&mut random, element_type, rows, columns, Layout::RowMajor),
                    x: random.values(tokens * columns),
                    norm: random.values(columns),
                    residual: random.values(tokens * rows),
                };
                let expected = run(&mut CpuBackend::new(), &case);
                for (how, gpu) in &mut gpus {
                    if *how == F16 && tokens == 1 {
                        continue; // Only products of many tokens have f16 tiles.
                    }
                    // Activations of many tokens do not fit in the small bindings either, and are not split.
                    if *how == "split" && tokens > 5 {
                        continue;
                    }
                    let what = format!("{element_type} [{rows}, {columns}], {tokens} tokens, {how}");
                    let found = run(gpu, &case);
                    for ((found, expected), op) in found.iter().zip(&expected).zip(["norm_matmul", "matmul_add"]) {
                        // Types that are not kept become f32, which has f32 tiles.
                        let rounded = *how == F16 && KEPT.contains(&element_type) && element_type != ElementType::F32;
                        let bound = if rounded { F16_PRODUCT_BOUND } else { PRODUCT_BOUND };
                        compare(&format!("{what}, {op}"), found, expected, bound);
                    }
                }
            }
        }
    }
}

#[test]
fn a_row_of_zeros_is_normed_to_zeros() {
    let Some(mut gpu) = gpu() else { return };
    for tokens in [1, 2] {
        let matrix = Weights::exact(&[1.0; 15], 5).upload(&mut gpu);
        let norm = gpu.vector(&[1.0; 5]).unwrap();
        let x = activation(&mut gpu, &vec![0.0; 5 * tokens], 5);
        let product = gpu.norm_matmul(&x, &norm, &matrix, &config()).unwrap();
        assert_eq!(read(&mut gpu, &product), vec![0.0; 3 * tokens]);
    }
}

#[test]
fn the_sparse_feed_forward_equals_the_cpus_at_every_density() {
    struct Case {
        up: Weights,
        down: Weights,
        x: Vec<f32>,
        norm: Vec<f32>,
        residual: Vec<f32>,
    }
    fn run<B: Backend>(backend: &mut B, case: &Case) -> (Vec<f32>, Vec<f32>) {
        let (up, down) = (case.up.upload(backend), case.down.upload(backend));
        let norm = backend.vector(&case.norm).unwrap();
        let x = activation(backend, &case.x, case.up.columns);
        let mut residual = activation(backend, &case.residual, case.down.rows);
        let active = backend.norm_relu_squared(0, &x, &norm, &up, &config()).unwrap();
        backend.sparse_matmul_add(&mut residual, &down, &active).unwrap();
        (read(backend, &residual), block_on(backend.density()).unwrap())
    }
    let mut gpus = gpus();
    let mut random = Random(4);
    for element_type in ELEMENT_TYPES {
        let block = element_type.block_elements();
        // More than the 1024 that go through workgroup memory at once, for one type.
        let neuron_counts = match element_type {
            ElementType::F32 => vec![1, 63, 130, 1300],
            _ if block == 1 => vec![63, 130],
            _ => vec![block, if block == 32 { 5 * block } else { 2 * block }],
        };
        for neurons in neuron_counts {
            // Of many tokens, few active neurons take the sparse product and many the dense one.
            for (tokens, hidden, density) in
                [(1, 3, 1.0), (1, 37, 0.1), (3, 70, 0.1), (2, 264, 0.0), (1, 64, 0.9), (2, 3, 1.0), (67, 70, 0.8)]
            {
                if tokens > 2 && !KEPT.contains(&element_type) || tokens > 5 && neurons > 1000 {
                    continue;
                }
                // One token's product, and what makes the lists after it, has several invocations for a long row.
                let width = if tokens == 1 { 70 } else { 3 };
                // With x > 0 the sign of a row decides whether its neuron is active, so that the density is known.
                let mut active = 0;
                let mut row = |_| {
                    let on = f64::from(random.signed() * 0.5 + 0.5) < density;
                    active += usize::from(on);
                    let sign = if on { 1.0 } else { -1.0 };
                    random.values(width).into_iter().map(move |value| (value.abs() + 0.1) * sign)
                };
                let up: Vec<f32> = (0..neurons).flat_map(&mut row).collect();
                let case = Case {
                    up: Weights::exact(&up, width),
                    down: Weights::random(&mut random, element_type, hidden, neurons, Layout::NeuronMajor),
                    x: random.values(tokens * width).iter().map(|value| value.abs() + 0.1).collect(),
                    norm: random.values(width).iter().map(|value| value.abs() + 0.5).collect(),
                    residual: random.values(tokens * hidden),
                };
                let what = format!("{element_type}, {tokens} tokens, [{hidden}, {neurons}], {active} active");
                let (expected, expected_density) = run(&mut CpuBackend::new(), &case);
                assert_eq!(expected_density, [active as f32 / neurons as f32], "{what}");
                for (how, gpu) in &mut gpus {
                    // Only one token's kernels have subgroup operations, and none of these f16 tiles.
                    if tokens > 1 && *how == SUBGROUPS || *how == F16 {
                        continue;
                    }
                    let (found, density) = run(gpu, &case);
                    compare(&format!("{what}, {how}"), &found, &expected, PRODUCT_BOUND);
                    assert_eq!(density, expected_density, "{what}, {how}");
                }
            }
        }
    }
}

/// Keys and values of one layer, then queries against them.
struct Attention {
    config: Config,
    kv_b: Weights,
    weight: Vec<f32>,
    capacity: usize,
    /// Passes begin and end at these positions.
    bounds: &'static [usize],
    compressed: Vec<f32>,
    q: Vec<f32>,
}

impl Attention {
    fn run<B: Backend>(&self, backend: &mut B) -> Result<Vec<f32>> {
        let config = &self.config;
        let layer = 1;
        let kv_b = self.kv_b.upload(backend);
        let weight = backend.vector(&self.weight).unwrap();
        let mut cache = backend.create_cache(config, self.capacity).unwrap();
        let mut taken = (0, 0);
        let mut all = Vec::new();
        for piece in self.bounds.windows(2) {
            let (position, tokens) = (piece[0], piece[1] - piece[0]);
            let entries = tokens * config.cache_width();
            let queries = tokens * config.num_attention_heads * config.qk_head_dim();
            // The embedding that makes the first activation also says where the pass begins.
            let table =
                Weights::exact(&self.compressed[taken.0..taken.0 + entries], config.cache_width()).upload(backend);
            let q = activation(backend, &self.q[taken.1..taken.1 + queries], queries / tokens);
            let ids: Vec<u32> = (0..tokens as u32).collect();
            let compressed = backend.embed(&table, Tokens::Known(&ids), position).unwrap();
            taken = (taken.0 + entries, taken.1 + queries);
            let attention = LatentAttention {
                layer,
                position,
                q: &q,
                compressed: &compressed,
                kv_a_layernorm: &weight,
                kv_b_proj: &kv_b,
            };
            let o = backend.latent_attention(&mut cache, attention, config)?;
            all.extend(read(backend, &o));
        }
        Ok(all)
    }
}

#[test]
fn latent_attention_equals_the_cpus() {
    let mut gpus = gpus();
    gpus.retain(|(how, _)| *how != SUBGROUPS);
    let mut random = Random(5);
    let dimensions = [
        // heads, nope, rope, v, rank
        (1, 1, 2, 1, 1),
        (3, 5, 6, 7, 9),
        (5, 4, 2, 36, 10),
        (2, 12, 8, 40, 130),
        (8, 32, 16, 32, 64),
        (9, 16, 8, 16, 544),
        (16, 4, 4, 4, 28),
        (17, 4, 2, 4, 20),
    ];
    // Entries before the first position are zeros.
    let contexts: [&[usize]; 6] =
        [&[0, 1], &[0, 5], &[0, 31, 32, 33], &[0, 70, 133], &[121, 130, 131, 132], &[4000, 4001, 4004]];
    for (heads, nope, rope, v, rank) in dimensions {
        let config = Config {
            num_attention_heads: heads,
            qk_nope_head_dim: nope,
            qk_rope_head_dim: rope,
            v_head_dim: v,
            kv_lora_rank: rank,
            ..config()
        };
        // How weights are read depends on the type and not on the shape: one shape with all types shows it.
        let types = if rank == 64 { &KEPT[..5] } else { &[ElementType::F16] };
        for element_type in types.iter().copied() {
            for bounds in contexts {
                // Long contexts take long on a software adapter, and what depends on the element type does not depend on
                // the context; one type does, and of the longest one shape.
                let end = bounds[bounds.len() - 1];
                if end > 100 && element_type != ElementType::F16 || end > 1000 && rank != 64 || end == 133 && rank > 500
                {
                    continue;
                }
                let tokens = end - bounds[0];
                // A large cache leaves room for the weights of few heads and tokens at once.
                let capacity = if end == 133 && heads >= 8 { 33_000 } else { end };
                let case = Attention {
                    kv_b: Weights::random(&mut random, element_type, heads * (nope + v), rank, Layout::RowMajor),
                    weight: random.values(rank),
                    capacity,
                    bounds,
                    compressed: random.values(tokens * config.cache_width()),
                    // Scores of a few units, as trained models have them.
                    q: random.values(tokens * heads * config.qk_head_dim()).iter().map(|value| value * 0.2).collect(),
                    config: config.clone(),
                };
                let what = format!("{element_type}, {heads} heads, {nope}+{rope}, {v}, {rank}, {bounds:?}");
                let expected = case.run(&mut CpuBackend::new()).unwrap();
                for (how, gpu) in &mut gpus {
                    for expanded in [false, true] {
                        // Only passes of several tokens have a choice.
                        if expanded && bounds.windows(2).all(|piece| piece[1] - piece[0] == 1) {
                            continue;
                        }
                        if *how == F16 && !expanded {
                            continue;
                        }
                        gpu.set_expanded(expanded);
                        let what = format!("{what}, {how}{}", if expanded { ", expanded" } else { "" });
                        let bound = if *how == F16 { F16_ATTENTION_BOUND } else { ATTENTION_BOUND };
                        compare(&what, &case.run(gpu).unwrap(), &expected, bound);
                    }
                }
            }
        }
    }
}

#[test]
fn entries_past_the_context_are_refused() {
    let Some(mut gpu) = gpu() else { return };
    let case = Attention {
        config: config(),
        kv_b: Weights::exact(&[1.0; 2], 1),
        weight: vec![1.0],
        capacity: 2,
        bounds: &[0, 3],
        compressed: vec![1.0; 9],
        q: vec![1.0; 9],
    };
    for refused in [case.run(&mut gpu), case.run(&mut CpuBackend::new())] {
        assert_eq!(refused.unwrap_err().code(), "context_full");
    }
}
