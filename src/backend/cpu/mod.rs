//! PLM on the processor, with its vector instructions and its threads. Weights stay as the file has them, activations are
//! 16-bit integers with a scale for each 32, products are summed in integers as far as scales are shared, then in f32.

mod activations;
mod attention;
mod blocks;
mod bytes;
mod cache;
mod neurons;
mod panels;
mod pool;
mod rows;
mod simd;

use super::{
    Backend, LatentAttention, Layout, MatrixDescriptor, Sampler, Sampling, Tokens, add_bias, check_entries,
    check_width, mask,
};
use crate::{Error, Result, model::Config};
use activations::{ActivationBlock, BLOCK, quantise};
use async_trait::async_trait;
use attention::{Attend, HeadMatrices, heads_at_once};
use blocks::{EncodedRow, Format};
use bytemuck::Zeroable;
use cache::{Cache, EntryShape};
use neurons::NeuronTiles;
use panels::Panels;
pub use pool::{Pool, Shared};
pub use simd::InstructionSet;

/// A weight matrix, laid out for what is done with it.
pub enum Matrix {
    Rows(Panels),
    Neurons(NeuronTiles),
    Heads(HeadMatrices),
}

/// A matrix while its rows arrive.
pub struct MatrixUpload {
    descriptor: MatrixDescriptor,
    matrix: Matrix,
    rows_done: usize,
}

/// f32 [tokens, width].
pub struct Activation {
    width: usize,
    values: Vec<f32>,
}

impl Activation {
    fn tokens(&self) -> usize {
        self.values.len() / self.width
    }
}

/// For each token the non-zero neurons, in ascending order.
pub struct SparseActivation {
    tokens: Vec<Vec<(u32, f32)>>,
}

/// Runs PLM on this processor.
pub struct CpuBackend {
    set: InstructionSet,
    pool: Pool,
    /// Of the last pass, as [`Backend::fetch_density`] gives it.
    density: Vec<f32>,
    rotations: Rotations,
}

/// Cosine and sine of the angles by which RoPE turns the pairs of each token of a pass.
#[derive(Default)]
struct Rotations {
    position: usize,
    /// [tokens, rope / 2]
    pairs: Vec<[f32; 2]>,
}

impl CpuBackend {
    /// With the best instructions that there are, on the calling thread.
    pub fn new() -> Self {
        Self::with(InstructionSet::best(), Pool::alone())
    }

    /// With these instructions and threads.
    pub fn with(set: InstructionSet, pool: Pool) -> Self {
        Self { set, pool, density: Vec::new(), rotations: Rotations::default() }
    }

    /// The blocks of each token's values, one token after the other, of f(token's values).
    fn quantise(&self, x: &Activation, change: impl Fn(&[f32], &mut [f32]) + Sync) -> Vec<ActivationBlock> {
        let blocks = x.width.div_ceil(BLOCK);
        let mut quantised = vec![ActivationBlock::zeroed(); x.tokens() * blocks];
        self.pool.run(&mut quantised, blocks, 4 * x.values.len(), |token, quantised| {
            let mut values = x.values[token * x.width..][..x.width].to_vec();
            change(&x.values[token * x.width..][..x.width], &mut values);
            quantised.iter_mut().zip(quantise(&values)).for_each(|(to, block)| *to = block);
        });
        quantised
    }

    fn multiply(&self, matrix: &Matrix, x: &[ActivationBlock], tokens: usize, width: usize) -> Result<Activation> {
        let Matrix::Rows(panels) = matrix else { return Err(wrong_layout("for products of whole rows")) };
        check_width("a product", width, panels.columns)?;
        Ok(Activation { width: panels.rows, values: panels.multiply(self.set, &self.pool, x, tokens) })
    }
}

impl Default for CpuBackend {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait(?Send)]
impl Backend for CpuBackend {
    type Matrix = Matrix;
    type MatrixUpload = MatrixUpload;
    type Vector = Vec<f32>;
    type Activation = Activation;
    type SparseActivation = SparseActivation;
    type Cache = Cache;
    type Sampler = Sampler;
    type Token = u32;
    type Fence = ();
    type Values = Vec<f32>;
    type Density = Vec<f32>;

    fn name(&self) -> String {
        match self.pool.threads() {
            1 => format!("CPU, {}", self.set.name()),
            threads => format!("CPU, {}, {threads} threads", self.set.name()),
        }
    }

    fn begin_matrix(&mut self, descriptor: &MatrixDescriptor) -> Result<MatrixUpload> {
        let MatrixDescriptor { name, element_type, rows, columns, layout } = descriptor;
        let format = Format::of(*element_type);
        let matrix = match *layout {
            Layout::RowMajor => Matrix::Rows(Panels::new(format, *rows, *columns, name)?),
            Layout::NeuronMajor => Matrix::Neurons(NeuronTiles::new(format, *rows, *columns, name)?),
            Layout::Heads { nope, v } => Matrix::Heads(HeadMatrices::new(descriptor, nope, v)?),
        };
        Ok(MatrixUpload { descriptor: descriptor.clone(), matrix, rows_done: 0 })
    }

    fn upload_rows(&mut self, upload: &mut MatrixUpload, bytes: &[u8]) -> Result<()> {
        let row_bytes = upload.descriptor.check_rows(bytes, upload.rows_done)?;
        for bytes in bytes.chunks_exact(row_bytes) {
            let encoded = EncodedRow::new(&upload.descriptor, bytes)?;
            match &mut upload.matrix {
                Matrix::Rows(panels) => panels.put(upload.rows_done, &encoded),
                Matrix::Neurons(tiles) => tiles.put(upload.rows_done, &encoded),
                Matrix::Heads(heads) => heads.put(&upload.descriptor, upload.rows_done, &encoded)?,
            }
            upload.rows_done += 1;
        }
        Ok(())
    }

    fn finish_matrix(&mut self, upload: MatrixUpload) -> Result<Matrix> {
        upload.descriptor.check_whole(upload.rows_done)?;
        Ok(upload.matrix)
    }

    fn vector(&mut self, values: &[f32]) -> Result<Vec<f32>> {
        Ok(values.to_vec())
    }

    fn cache_bytes_a_token(&self, config: &Config) -> usize {
        config.num_hidden_layers * EntryShape::of(config).bytes_a_token()
    }

    fn create_cache(&mut self, config: &Config, capacity: usize) -> Result<Cache> {
        Cache::new(EntryShape::of(config), config.num_hidden_layers, capacity)
    }

    fn cache_format(&self) -> [u8; 4] {
        *b"i14 "
    }

    fn copy_cache(&mut self, from: &Cache, to: &mut Cache, tokens: usize) {
        to.copy(from, tokens);
    }

    async fn read_cache(&mut self, cache: &Cache, layer: usize, tokens: usize) -> Result<Vec<u8>> {
        Ok(bytemuck::cast_slice(cache.records(layer, tokens)).to_vec())
    }

    fn write_cache(&mut self, cache: &mut Cache, layer: usize, tokens: usize, bytes: &[u8]) -> Result<()> {
        let records = cache.records_mut(layer, tokens);
        check_entries(bytes.len(), size_of_val(records))?;
        bytemuck::cast_slice_mut(records).copy_from_slice(bytes);
        Ok(())
    }

    fn embed(&mut self, table: &Matrix, tokens: Tokens<'_, Self>, _position: usize) -> Result<Activation> {
        let ids = match tokens {
            Tokens::Known(ids) => ids,
            Tokens::Sampled(id) => std::slice::from_ref(id),
        };
        let Matrix::Rows(table) = table else { return Err(wrong_layout("as an embedding")) };
        if let Some(id) = ids.iter().find(|id| **id as usize >= table.rows) {
            return Err(Error::InvalidRequest(format!("token id {id}; the vocabulary has {} tokens", table.rows)));
        }
        let mut values = vec![0.0; ids.len() * table.columns];
        for (id, to) in ids.iter().zip(values.chunks_exact_mut(table.columns)) {
            table.decode_row(self.set, *id as usize, to);
        }
        Ok(Activation { width: table.columns, values })
    }

    fn norm_matmul(&mut self, x: &Activation, norm: &Vec<f32>, matrix: &Matrix, config: &Config) -> Result<Activation> {
        check_width("norm_matmul", x.width, norm.len())?;
        let quantised = self.quantise(x, |row, to| rms_norm(row, norm, config.rms_norm_eps, to));
        self.multiply(matrix, &quantised, x.tokens(), x.width)
    }

    fn matmul_add(&mut self, residual: &mut Activation, matrix: &Matrix, x: &Activation) -> Result<()> {
        let quantised = self.quantise(x, |_, _| ());
        let product = self.multiply(matrix, &quantised, x.tokens(), x.width)?;
        check_width("matmul_add", residual.values.len(), product.values.len())?;
        residual.values.iter_mut().zip(&product.values).for_each(|(r, p)| *r += p);
        Ok(())
    }

    fn latent_attention(
        &mut self,
        cache: &mut Cache,
        attention: LatentAttention<'_, Self>,
        config: &Config,
    ) -> Result<Activation> {
        let LatentAttention { layer, position, q, compressed, kv_a_layernorm, kv_b_proj } = attention;
        let (heads, qk, v) = (config.num_attention_heads, config.qk_head_dim(), config.v_head_dim);
        check_width("latent_attention: q", q.width, heads * qk)?;
        check_width("latent_attention: compressed", compressed.width, config.cache_width())?;
        let Matrix::Heads(matrices) = kv_b_proj else { return Err(wrong_layout("for latent attention")) };
        let tokens = q.tokens();
        cache.check_room(position + tokens)?;
        self.rotations.prepare(position, tokens, config);

        let (shape, rope) = (cache.shape, config.qk_rope_head_dim);
        let mut queries = q.values.clone();
        for (token, turns) in self.rotations.pairs.chunks_exact(rope / 2).enumerate() {
            let (latent, k_pe) = compressed.values[token * compressed.width..][..compressed.width].split_at(shape.rank);
            let mut normed = vec![0.0; shape.rank];
            rms_norm(latent, kv_a_layernorm, config.rms_norm_eps, &mut normed);
            let mut k_pe = k_pe.to_vec();
            rotate(&mut k_pe, turns);
            cache.put(layer, position + token, &normed, &k_pe);
            for head in queries[token * q.width..][..q.width].chunks_exact_mut(qk) {
                rotate(&mut head[qk - rope..], turns);
            }
        }

        let mut values = vec![0.0; tokens * heads * v];
        // One token is shared among threads by its heads.
        let heads_at_once = if tokens == 1 { heads_at_once(heads, self.pool.threads()).min(heads) } else { heads };
        let pieces = heads.div_ceil(heads_at_once);
        let operations = tokens * heads * shape.rank * (qk + v + 2 * (position + tokens));
        self.pool.run(&mut values, heads_at_once * v, operations, |piece, out| {
            let (token, first) = (piece / pieces, piece % pieces * heads_at_once);
            let count = out.len() / v;
            Attend {
                queries: &queries[token * q.width..][first * qk..][..count * qk],
                key: &matrices.key[first..][..count],
                value: &matrices.value[first..][..count],
                records: cache.records(layer, position + token + 1),
                entries: position + token + 1,
                shape,
                scale: config.attention_scale(),
                out,
            }
            .run(self.set);
        });
        Ok(Activation { width: heads * v, values })
    }

    fn norm_relu_squared(
        &mut self,
        layer: usize,
        x: &Activation,
        norm: &Vec<f32>,
        up: &Matrix,
        config: &Config,
    ) -> Result<SparseActivation> {
        let product = self.norm_matmul(x, norm, up, config)?;
        let mut tokens = vec![Vec::new(); product.tokens()];
        self.pool.run(&mut tokens, 1, product.values.len(), |token, active| {
            let row = product.values[token * product.width..][..product.width].iter().enumerate();
            let row = row.filter(|(_, value)| **value > 0.0 || value.is_nan());
            active[0] = row.map(|(neuron, value)| (neuron as u32, value * value)).collect();
        });
        self.density.resize(self.density.len().max(layer + 1), 0.0);
        self.density[layer] = tokens.last().map_or(0, Vec::len) as f32 / product.width as f32;
        Ok(SparseActivation { tokens })
    }

    fn sparse_matmul_add(&mut self, residual: &mut Activation, down: &Matrix, active: &SparseActivation) -> Result<()> {
        let Matrix::Neurons(down) = down else { return Err(wrong_layout("neuron-major")) };
        check_width("sparse_matmul_add", residual.width, down.hidden)?;
        down.multiply_add(self.set, &self.pool, &active.tokens, &mut residual.values);
        Ok(())
    }

    fn last_row(&mut self, x: &Activation) -> Result<Activation> {
        Ok(Activation { width: x.width, values: x.values[x.values.len() - x.width..].to_vec() })
    }

    fn add_bias(&mut self, logits: &mut Activation, bias: &[(u32, f32)]) -> Result<()> {
        add_bias(&mut logits.values, bias);
        Ok(())
    }

    fn mask(&mut self, logits: &mut Activation, allowed: &[u32]) -> Result<()> {
        mask(&mut logits.values, allowed)
    }

    fn create_sampler(
        &mut self,
        sampling: &Sampling,
        seed: u64,
        vocab_size: usize,
        prompt: &[u32],
        drawn: &[u32],
    ) -> Result<Sampler> {
        Ok(Sampler::new(sampling, seed, vocab_size, prompt, drawn))
    }

    fn sample(&mut self, sampler: &mut Sampler, logits: &Activation, position: usize) -> Result<u32> {
        sampler.choose(&logits.values, position as u32)
    }

    async fn token(&mut self, token: &u32) -> Result<u32> {
        Ok(*token)
    }

    fn steps_in_flight(&self) -> usize {
        1
    }

    fn fence(&mut self) {}

    async fn reached(&mut self, (): &()) -> Result<()> {
        Ok(())
    }

    fn fetch(&mut self, x: &Activation) -> Vec<f32> {
        x.values.clone()
    }

    async fn fetched(&mut self, values: &Vec<f32>) -> Result<Vec<f32>> {
        Ok(values.clone())
    }

    fn fetch_density(&mut self) -> Vec<f32> {
        self.density.clone()
    }

    async fn fetched_density(&mut self, density: &Vec<f32>) -> Result<Vec<f32>> {
        Ok(density.clone())
    }
}

impl Rotations {
    /// Makes those of a pass, if it is another one than before. Angles are taken in f64, because an f32 angle of some thousand
    /// radians has lost four digits of its sine.
    fn prepare(&mut self, position: usize, tokens: usize, config: &Config) {
        let pairs = config.qk_rope_head_dim / 2;
        if self.position == position && self.pairs.len() == tokens * pairs {
            return;
        }
        let frequency = |pair: usize| f64::from(config.rope_theta).powf(-(pair as f64) / pairs as f64);
        let frequencies: Vec<f64> = (0..pairs).map(frequency).collect();
        self.position = position;
        self.pairs.clear();
        for token in position..position + tokens {
            let angles = frequencies.iter().map(|frequency| token as f64 * frequency);
            self.pairs.extend(angles.map(|angle| [angle.cos() as f32, angle.sin() as f32]));
        }
    }
}

/// Turns the pairs (2i, 2i + 1).
fn rotate(values: &mut [f32], turns: &[[f32; 2]]) {
    for (pair, [cos, sin]) in values.as_chunks_mut().0.iter_mut().zip(turns) {
        let [a, b] = *pair;
        *pair = [a * cos - b * sin, a * sin + b * cos];
    }
}

fn rms_norm(row: &[f32], weight: &[f32], eps: f32, to: &mut [f32]) {
    // Eight partial sums, so that the compiler can use vectors and rounding errors stay small.
    let mut sums = [0.0f32; 8];
    let (eights, rest) = row.as_chunks::<8>();
    for eight in eights {
        sums.iter_mut().zip(eight).for_each(|(sum, value)| *sum += value * value);
    }
    sums.iter_mut().zip(rest).for_each(|(sum, value)| *sum += value * value);
    let scale = (sums.iter().sum::<f32>() / row.len() as f32 + eps).sqrt().recip();
    to.iter_mut().zip(row.iter().zip(weight)).for_each(|(to, (value, weight))| *to = value * scale * weight);
}

fn wrong_layout(wanted: &str) -> Error {
    Error::UnsupportedModel(format!("a matrix was not laid out {wanted}"))
}
