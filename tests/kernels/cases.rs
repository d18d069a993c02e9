//! What is computed in the tests of kernels, on any backend.

use half::{bf16, f16};
use plume::{
    Result,
    backend::{Backend, LatentAttention, Layout, MatrixDescriptor, Tokens},
    model::Config,
    weights::ElementType,
};
use pollster::block_on;

pub const ELEMENT_TYPES: [ElementType; 13] = [
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
pub const KEPT: [ElementType; 7] = [
    ElementType::F32,
    ElementType::F16,
    ElementType::BF16,
    ElementType::Q8_0,
    ElementType::Q4_0,
    ElementType::Q4K,
    ElementType::Q6K,
];

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in [-1, 1).
    pub fn signed(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub fn values(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.signed()).collect()
    }

    /// Random blocks whose weights are finite: any bits, but scales of a size that trained weights have.
    fn blocks(&mut self, element_type: ElementType, elements: usize) -> Vec<u8> {
        use ElementType::*;
        let scales = scale_offsets(element_type);
        match element_type {
            F32 => return self.values(elements).iter().flat_map(|value| value.to_le_bytes()).collect(),
            F16 => return self.values(elements).iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect(),
            BF16 => {
                return self.values(elements).iter().flat_map(|value| bf16::from_f32(*value).to_le_bytes()).collect();
            }
            _ => (),
        }
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

/// Where the f16 scales of a block lie; of plain numbers, where the number does.
pub fn scale_offsets(element_type: ElementType) -> &'static [usize] {
    use ElementType::*;
    match element_type {
        F32 | F16 | BF16 | Q8_0 | Q4_0 | Q5_0 => &[0],
        Q4_1 | Q5_1 | Q4K | Q5K => &[0, 2],
        Q2K => &[80, 82],
        Q3K => &[108],
        Q6K => &[208],
    }
}

/// A matrix as a file has it.
pub struct Weights {
    pub element_type: ElementType,
    pub rows: usize,
    pub columns: usize,
    pub layout: Layout,
    pub bytes: Vec<u8>,
}

impl Weights {
    pub fn random(random: &mut Random, element_type: ElementType, rows: usize, columns: usize, layout: Layout) -> Self {
        Self { element_type, rows, columns, layout, bytes: random.blocks(element_type, rows * columns) }
    }

    pub fn exact(values: &[f32], columns: usize) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let rows = values.len() / columns;
        Self { element_type: ElementType::F32, rows, columns, layout: Layout::RowMajor, bytes }
    }

    pub fn descriptor(&self) -> MatrixDescriptor {
        let Self { element_type, rows, columns, layout, .. } = *self;
        MatrixDescriptor { name: "test".to_owned(), element_type, rows, columns, layout }
    }

    /// Uploads in two uneven pieces, as a stream would.
    pub fn upload<B: Backend>(&self, backend: &mut B) -> B::Matrix {
        let mut upload = backend.begin_matrix(&self.descriptor()).unwrap();
        let (first, rest) = self.bytes.split_at(self.rows / 3 * (self.bytes.len() / self.rows));
        backend.upload_rows(&mut upload, first).unwrap();
        backend.upload_rows(&mut upload, rest).unwrap();
        backend.finish_matrix(upload).unwrap()
    }
}

/// [tokens, width] on the device: the rows of an exact embedding, in order.
pub fn activation<B: Backend>(backend: &mut B, values: &[f32], width: usize) -> B::Activation {
    let table = Weights::exact(values, width).upload(backend);
    let ids: Vec<u32> = (0..(values.len() / width) as u32).collect();
    backend.embed(&table, Tokens::Known(&ids), 0).unwrap()
}

pub fn read<B: Backend>(backend: &mut B, activation: &B::Activation) -> Vec<f32> {
    block_on(backend.read(activation)).unwrap()
}

/// ||found - expected|| / ||expected|| must be within the bound.
pub fn compare(what: &str, found: &[f32], expected: &[f32], bound: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let error = squares(&mut found.iter().zip(expected).map(|(a, b)| f64::from(*a) - f64::from(*b)));
    let norm = squares(&mut expected.iter().map(|value| f64::from(*value)));
    assert!(error <= bound * norm, "{what}: relative error {:e} over {bound:e}", error / norm);
}

pub fn config() -> Config {
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
pub fn shapes(element_type: ElementType) -> Vec<(usize, usize)> {
    match element_type.block_elements() {
        1 => vec![(1, 1), (7, 5), (65, 33), (130, 102)],
        32 => vec![(3, 32), (65, 96), (130, 160)],
        block => vec![(3, block), (67, block), (130, 2 * block)],
    }
}

/// A matrix and what it is multiplied with.
pub struct Product {
    pub matrix: Weights,
    pub x: Vec<f32>,
    pub norm: Vec<f32>,
    pub residual: Vec<f32>,
}

impl Product {
    pub fn random(
        random: &mut Random,
        element_type: ElementType,
        (rows, columns): (usize, usize),
        tokens: usize,
    ) -> Self {
        Self {
            matrix: Weights::random(random, element_type, rows, columns, Layout::RowMajor),
            x: random.values(tokens * columns),
            norm: random.values(columns),
            residual: random.values(tokens * rows),
        }
    }

    /// norm_matmul and matmul_add.
    pub fn run<B: Backend>(&self, backend: &mut B) -> [Vec<f32>; 2] {
        let matrix = self.matrix.upload(backend);
        let norm = backend.vector(&self.norm).unwrap();
        let x = activation(backend, &self.x, self.matrix.columns);
        let mut sum = activation(backend, &self.residual, self.matrix.rows);
        let product = backend.norm_matmul(&x, &norm, &matrix, &config()).unwrap();
        backend.matmul_add(&mut sum, &matrix, &x).unwrap();
        let last = backend.last_row(&sum).unwrap();
        let (last, sum) = (read(backend, &last), read(backend, &sum));
        assert_eq!(last, sum[sum.len() - last.len()..]);
        [read(backend, &product), sum]
    }
}

/// A feed-forward layer.
pub struct FeedForward {
    pub up: Weights,
    pub down: Weights,
    pub x: Vec<f32>,
    pub norm: Vec<f32>,
    pub residual: Vec<f32>,
}

impl FeedForward {
    /// Of such a density, as near as chance will have it. Gives how many neurons are active, too.
    pub fn random(
        random: &mut Random,
        element_type: ElementType,
        (hidden, neurons): (usize, usize),
        tokens: usize,
        density: f64,
    ) -> (Self, usize) {
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
        let case = Self {
            up: Weights::exact(&up, width),
            down: Weights::random(random, element_type, hidden, neurons, Layout::NeuronMajor),
            x: random.values(tokens * width).iter().map(|value| value.abs() + 0.1).collect(),
            norm: random.values(width).iter().map(|value| value.abs() + 0.5).collect(),
            residual: random.values(tokens * hidden),
        };
        (case, active)
    }

    /// The residual, and the density.
    pub fn run<B: Backend>(&self, backend: &mut B) -> (Vec<f32>, Vec<f32>) {
        let (up, down) = (self.up.upload(backend), self.down.upload(backend));
        let norm = backend.vector(&self.norm).unwrap();
        let x = activation(backend, &self.x, self.up.columns);
        let mut residual = activation(backend, &self.residual, self.down.rows);
        let active = backend.norm_relu_squared(0, &x, &norm, &up, &config()).unwrap();
        backend.sparse_matmul_add(&mut residual, &down, &active).unwrap();
        (read(backend, &residual), block_on(backend.density()).unwrap())
    }
}

/// Keys and values of one layer, then queries against them.
pub struct Attention {
    pub config: Config,
    pub kv_b: Weights,
    pub weight: Vec<f32>,
    pub capacity: usize,
    /// Passes begin and end at these positions.
    pub bounds: &'static [usize],
    pub compressed: Vec<f32>,
    pub q: Vec<f32>,
}

/// The configuration of such a layer.
pub fn attention_config((heads, nope, rope, v, rank): (usize, usize, usize, usize, usize)) -> Config {
    Config {
        num_attention_heads: heads,
        qk_nope_head_dim: nope,
        qk_rope_head_dim: rope,
        v_head_dim: v,
        kv_lora_rank: rank,
        ..config()
    }
}

impl Attention {
    pub fn random(
        random: &mut Random,
        element_type: ElementType,
        config: Config,
        capacity: usize,
        bounds: &'static [usize],
    ) -> Self {
        let tokens = bounds[bounds.len() - 1] - bounds[0];
        let (heads, nope, v, rank) =
            (config.num_attention_heads, config.qk_nope_head_dim, config.v_head_dim, config.kv_lora_rank);
        Self {
            kv_b: Weights::random(random, element_type, heads * (nope + v), rank, Layout::Heads { nope, v }),
            weight: random.values(rank),
            capacity,
            bounds,
            compressed: random.values(tokens * config.cache_width()),
            // Scores of a few units, as trained models have them.
            q: random.values(tokens * heads * config.qk_head_dim()).iter().map(|value| value * 0.2).collect(),
            config,
        }
    }

    pub fn run<B: Backend>(&self, backend: &mut B) -> Result<Vec<f32>> {
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

/// The tokens' rows of an embedding.
pub fn run_embedding<B: Backend>(backend: &mut B, table: &Weights, ids: &[u32]) -> Vec<f32> {
    let table = table.upload(backend);
    let x = backend.embed(&table, Tokens::Known(ids), 0).unwrap();
    read(backend, &x)
}
