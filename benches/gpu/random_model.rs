//! Random weights at PLM-1.8B's shapes, made row by row as a file would have them: nothing is stored, and no more than a
//! few megabytes are held at a time.
//!
//! How many neurons are active is chosen, although PLM has no biases: the first [`LEAD`] values of every embedding are one,
//! no projection writes there, and so they act as a bias that reaches every layer. The rows of the up projection weigh
//! them so that a neuron is well above zero or well below.

use half::f16;
use plume::{
    Result,
    backend::{Backend, Layout, MatrixDescriptor},
    model::{Config, LayerWeights, Weights},
    weights::ElementType,
};

/// Leading values of an activation that are the bias: whole blocks of every element type.
pub const LEAD: usize = 256;
/// Bytes of rows that are made at a time.
const CHUNK: usize = 1 << 20;
/// Standard deviations. They keep activations near one through 32 layers, and scales of Q8_0 and Q4_0 within what f16
/// holds with all its digits.
const EMBEDDING: f32 = 0.5;
const QUERY: f32 = 0.02;
const LATENT: f32 = 0.03;
const OTHERS: f32 = 0.005;

/// PLM-1.8B's configuration, with fewer layers and a smaller vocabulary where that is asked for.
pub fn plm_1_8b(layers: usize, vocabulary: usize) -> Config {
    Config {
        vocab_size: vocabulary,
        hidden_size: 2048,
        num_hidden_layers: layers,
        num_attention_heads: 16,
        kv_lora_rank: 512,
        qk_nope_head_dim: 128,
        qk_rope_head_dim: 64,
        v_head_dim: 128,
        intermediate_size: 8192,
        rms_norm_eps: 1e-6,
        rope_theta: 1e5,
        max_position_embeddings: 4096,
    }
}

/// Which element type each matrix has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// The same for all.
    Uniform(ElementType),
    /// llama.cpp's: Q4_K, with Q6_K for the embedding and, in half of the layers, for the down projection and kv_b_proj.
    Q4KM,
}

impl Mix {
    /// By llama.cpp's name, such as Q8_0 or Q4_K_M.
    pub fn named(name: &str) -> Option<Self> {
        if name == "Q4_K_M" {
            return Some(Self::Q4KM);
        }
        (0..32).filter_map(ElementType::from_ggml).find(|kind| kind.to_string() == name).map(Self::Uniform)
    }

    pub fn embedding(self) -> ElementType {
        match self {
            Self::Uniform(element_type) => element_type,
            Self::Q4KM => ElementType::Q6K,
        }
    }

    /// Of the down projection and kv_b_proj.
    pub fn sensitive(self, layer: usize, layers: usize) -> ElementType {
        let eighth = layers / 8;
        match self {
            Self::Q4KM if layer < eighth || layer >= layers - eighth || (layer - eighth) % 3 == 2 => ElementType::Q6K,
            mix => mix.others(),
        }
    }

    /// Of the up projection and the rest of attention.
    pub fn others(self) -> ElementType {
        match self {
            Self::Uniform(element_type) => element_type,
            Self::Q4KM => ElementType::Q4K,
        }
    }
}

impl std::fmt::Display for Mix {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Uniform(element_type) => element_type.fmt(formatter),
            Self::Q4KM => formatter.write_str("Q4_K_M"),
        }
    }
}

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.bits().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// What one row of a matrix holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Row {
    Random,
    Zeros,
    /// This value [`LEAD`] times, then random ones.
    Led(f32),
}

/// Makes blocks of one element type whose weights have one standard deviation.
struct Blocks {
    element_type: ElementType,
    /// Where the f16 scales of a block lie.
    scales: &'static [usize],
    /// What is written there, or what the exponent of a plain number is.
    scale: u32,
}

impl Blocks {
    fn new(element_type: ElementType, deviation: f32) -> Self {
        use ElementType::*;
        let scales: &[usize] = match element_type {
            F32 | F16 | BF16 => &[],
            Q8_0 | Q4_0 | Q5_0 => &[0],
            Q4_1 | Q5_1 | Q4K | Q5K => &[0, 2],
            Q2K => &[80, 82],
            Q3K => &[108],
            Q6K => &[208],
        };
        // The deviation of random bits at a scale of one is measured, to save a formula for each type.
        let mut blocks = Self { element_type, scales, scale: u32::from(f16::ONE.to_bits()) };
        if scales.is_empty() {
            blocks.scale = blocks.exponent(0);
        }
        let mut bytes = vec![0; 4096 / element_type.block_elements() * element_type.block_bytes()];
        blocks.fill(&mut Random(0), &mut bytes);
        let mut values = vec![0.0; 4096];
        element_type.decode(&bytes, &mut values).expect("whole blocks");
        let measured = (values.iter().map(|value| value * value).sum::<f32>() / 4096.0).sqrt();
        blocks.scale = match scales {
            [] => blocks.exponent((deviation / measured).log2().round() as i32),
            _ => u32::from(f16::from_f32(deviation / measured).to_bits()),
        };
        blocks
    }

    /// The bits of 2^power, but for the number's own sign and fraction.
    fn exponent(&self, power: i32) -> u32 {
        let (bias, fraction_bits) = match self.element_type {
            ElementType::F16 => (15, 10),
            ElementType::BF16 => (127, 7),
            _ => (127, 23),
        };
        ((bias + power) as u32) << fraction_bits
    }

    /// Random bits with the scale put in, its sign random too.
    fn fill(&self, random: &mut Random, bytes: &mut [u8]) {
        random.fill(bytes);
        match self.element_type {
            ElementType::F32 => {
                for number in bytes.chunks_exact_mut(4) {
                    let bits = u32::from_le_bytes(number.try_into().expect("four bytes"));
                    number.copy_from_slice(&(bits & 0x807f_ffff | self.scale).to_le_bytes());
                }
            }
            ElementType::F16 | ElementType::BF16 => {
                let kept = if self.element_type == ElementType::F16 { 0x83ff } else { 0x807f };
                for number in bytes.chunks_exact_mut(2) {
                    let bits = u16::from_le_bytes([number[0], number[1]]);
                    number.copy_from_slice(&(bits & kept | self.scale as u16).to_le_bytes());
                }
            }
            _ => {
                for block in bytes.chunks_exact_mut(self.element_type.block_bytes()) {
                    let sign = u16::from(block[self.scales[0]] & 1) << 15;
                    for offset in self.scales {
                        block[*offset..offset + 2].copy_from_slice(&(self.scale as u16 | sign).to_le_bytes());
                    }
                }
            }
        }
    }
}

/// A block whose every weight is `value`, rounded to f16.
pub fn constant_block(element_type: ElementType, value: f32) -> Vec<u8> {
    use ElementType::*;
    let mut block = vec![0; element_type.block_bytes()];
    // All quants, read as one: the scale alone is the value. Where there are minimums, all quants are zero and the value is
    // one of those, with its sign turned.
    let mut put = |at: usize, value: f32| block[at..at + 2].copy_from_slice(&f16::from_f32(value).to_le_bytes());
    match element_type {
        F32 => return value.to_le_bytes().to_vec(),
        F16 => put(0, value),
        BF16 => return value.to_le_bytes()[2..].to_vec(),
        Q8_0 | Q4_0 | Q5_0 => put(0, value),
        Q4_1 | Q5_1 => put(2, value),
        Q2K => put(82, -value),
        Q3K => put(108, value),
        Q4K | Q5K => put(2, -value),
        Q6K => put(208, value),
    }
    match element_type {
        Q8_0 => block[2..].fill(1),
        Q4_0 => block[2..].fill(0x99),
        Q5_0 => {
            block[2..6].fill(0xff);
            block[6..].fill(0x11);
        }
        Q2K => block[..16].fill(0x10),
        Q3K => {
            block[..32].fill(0xff);
            block[32..96].fill(0x55);
            block[96..104].fill(0x11);
            block[104..108].fill(0xaa);
        }
        Q4K | Q5K => {
            block[8..12].fill(1);
            block[12..16].fill(0x10);
        }
        Q6K => {
            block[..128].fill(0x11);
            block[128..192].fill(0xaa);
            block[192..208].fill(1);
        }
        _ => {}
    }
    block
}

/// Streams a random matrix to the backend. `row` says what each row holds, `seen` is shown each row as the file would have
/// it.
///
/// # Errors
/// What the backend gives.
pub fn upload_matrix<B: Backend>(
    backend: &mut B,
    random: &mut Random,
    descriptor: &MatrixDescriptor,
    deviation: f32,
    mut row: impl FnMut(usize, &mut Random) -> Row,
    mut seen: impl FnMut(usize, &[u8]),
) -> Result<B::Matrix> {
    let element_type = descriptor.element_type;
    let blocks = Blocks::new(element_type, deviation);
    let row_bytes = descriptor.columns / element_type.block_elements() * element_type.block_bytes();
    let zeros = constant_block(element_type, 0.0);
    let mut upload = backend.begin_matrix(descriptor)?;
    let rows_a_chunk = (CHUNK / row_bytes).max(1);
    let mut bytes = vec![0; rows_a_chunk * row_bytes];
    for first in (0..descriptor.rows).step_by(rows_a_chunk) {
        let chunk = &mut bytes[..rows_a_chunk.min(descriptor.rows - first) * row_bytes];
        for (index, encoded) in chunk.chunks_exact_mut(row_bytes).enumerate() {
            let content = row(first + index, random);
            if content != Row::Zeros {
                blocks.fill(random, encoded);
            }
            let (constant, blocks) = match content {
                Row::Random => (Vec::new(), 0),
                Row::Zeros => (zeros.clone(), encoded.len()),
                Row::Led(value) => (constant_block(element_type, value), LEAD / element_type.block_elements()),
            };
            if !constant.is_empty() {
                encoded.chunks_exact_mut(constant.len()).take(blocks).for_each(|to| to.copy_from_slice(&constant));
            }
            seen(first + index, encoded);
        }
        backend.upload_rows(&mut upload, chunk)?;
    }
    backend.finish_matrix(upload)
}

/// One matrix of a model: what the kernels' benches take one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Embedding,
    Query,
    Compressed,
    KeysAndValues,
    Output,
    Up,
    Down,
}

/// What a random model is to be.
pub struct RandomModel {
    pub config: Config,
    pub mix: Mix,
    /// The fraction of neurons that are to be zero.
    pub zeros: f64,
}

impl RandomModel {
    /// The shape and element type of one matrix.
    pub fn descriptor(&self, part: Part, layer: usize) -> MatrixDescriptor {
        let Config { hidden_size: hidden, num_attention_heads: heads, kv_lora_rank: rank, .. } = self.config;
        let config = &self.config;
        let (rows, columns) = match part {
            Part::Embedding => (config.vocab_size, hidden),
            Part::Query => (heads * config.qk_head_dim(), hidden),
            Part::Compressed => (config.cache_width(), hidden),
            Part::KeysAndValues => (heads * (config.qk_nope_head_dim + config.v_head_dim), rank),
            Part::Output => (hidden, heads * config.v_head_dim),
            Part::Up => (config.intermediate_size, hidden),
            Part::Down => (hidden, config.intermediate_size),
        };
        let element_type = match part {
            Part::Embedding => self.mix.embedding(),
            Part::Down | Part::KeysAndValues => self.mix.sensitive(layer, config.num_hidden_layers),
            _ => self.mix.others(),
        };
        let layout = if part == Part::Down { Layout::NeuronMajor } else { Layout::RowMajor };
        MatrixDescriptor { name: format!("{part:?} {layer}"), element_type, rows, columns, layout }
    }

    /// Streams one matrix to the backend.
    ///
    /// # Errors
    /// What the backend gives.
    pub fn upload<B: Backend>(
        &self,
        backend: &mut B,
        random: &mut Random,
        part: Part,
        layer: usize,
    ) -> Result<B::Matrix> {
        self.upload_as(backend, random, part, &self.descriptor(part, layer))
    }

    /// As [`RandomModel::upload`], with another descriptor: the same matrix in another layout.
    ///
    /// # Errors
    /// What the backend gives.
    pub fn upload_as<B: Backend>(
        &self,
        backend: &mut B,
        random: &mut Random,
        part: Part,
        descriptor: &MatrixDescriptor,
    ) -> Result<B::Matrix> {
        let deviation = match part {
            Part::Embedding => EMBEDDING,
            Part::Query | Part::Compressed => QUERY,
            Part::KeysAndValues => LATENT,
            Part::Output | Part::Up | Part::Down => OTHERS,
        };
        let zeros = self.zeros;
        let row = |row: usize, random: &mut Random| match part {
            Part::Embedding => Row::Led(1.0),
            Part::Output | Part::Down if row < LEAD => Row::Zeros,
            // The bias adds up to one, against a deviation of 0.2 or less from all other values.
            Part::Up => Row::Led(if random.fraction() < zeros { -1.0 } else { 0.5 } / LEAD as f32),
            _ => Row::Random,
        };
        upload_matrix(backend, random, descriptor, deviation, row, |_, _| {})
    }

    /// Streams `distinct` of the model's layers, evenly spaced, its final norm and its embedding to the backend; `done` is
    /// called after each matrix.
    ///
    /// # Errors
    /// What the backend gives.
    pub fn weights<B: Backend>(
        &self,
        backend: &mut B,
        distinct: usize,
        mut done: impl FnMut(&mut B) -> Result<()>,
    ) -> Result<Weights<B>> {
        let mut random = Random(1);
        let mut matrix = |backend: &mut B, part, layer| {
            let matrix = self.upload(backend, &mut random, part, layer)?;
            done(backend)?;
            Ok(matrix)
        };
        let Config { hidden_size, kv_lora_rank, num_hidden_layers, .. } = self.config;
        let ones = |backend: &mut B, width| backend.vector(&vec![1.0; width]);
        let embed_tokens = matrix(backend, Part::Embedding, 0)?;
        let layers = (0..distinct).map(|index| {
            let layer = index * num_hidden_layers / distinct;
            Ok(LayerWeights {
                input_layernorm: ones(backend, hidden_size)?,
                q_proj: matrix(backend, Part::Query, layer)?,
                kv_a_proj_with_mqa: matrix(backend, Part::Compressed, layer)?,
                kv_a_layernorm: ones(backend, kv_lora_rank)?,
                kv_b_proj: matrix(backend, Part::KeysAndValues, layer)?,
                o_proj: matrix(backend, Part::Output, layer)?,
                post_attention_layernorm: ones(backend, hidden_size)?,
                up_proj: matrix(backend, Part::Up, layer)?,
                down_proj: matrix(backend, Part::Down, layer)?,
            })
        });
        let layers = layers.collect::<Result<_>>()?;
        Ok(Weights { embed_tokens, layers, norm: ones(backend, hidden_size)?, fingerprint: 0 })
    }
}
