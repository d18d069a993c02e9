//! The plain backend: the equations of PLM written as loops over f32. It is the oracle that every kernel of the others is
//! tested against. Sums are taken in f32, eight partial sums a row.

use super::{
    Backend, LatentAttention, Layout, MatrixDescriptor, Sampler, Sampling, Tokens, add_bias, check_entries,
    check_width, mask, to_f16,
};
use crate::{Error, Result, model::Config};
use async_trait::async_trait;

/// A weight matrix, decoded to f32.
pub struct Matrix {
    rows: usize,
    columns: usize,
    /// Row-major [rows, columns], or neuron-major [columns, rows].
    values: Vec<f32>,
    layout: Layout,
}

/// A matrix while its rows arrive.
pub struct MatrixUpload {
    descriptor: MatrixDescriptor,
    values: Vec<f32>,
    rows_done: usize,
}

/// f32 [tokens, width].
pub struct Activation {
    width: usize,
    values: Vec<f32>,
}

impl Activation {
    fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.width)
    }
}

/// For each token the non-zero neurons, in ascending order.
pub struct SparseActivation {
    tokens: Vec<Vec<(u32, f32)>>,
}

/// For each layer [capacity, kv_lora_rank + qk_rope_head_dim].
pub struct Cache {
    layers: Vec<Vec<f32>>,
    capacity: usize,
    /// Values of an entry.
    width: usize,
    /// Whether entries keep what f16 cannot hold.
    f32: bool,
}

/// Runs PLM on the calling thread.
#[derive(Default)]
pub struct ReferenceBackend {
    /// Of the last pass, as [`Backend::fetch_density`] gives it.
    density: Vec<f32>,
    f32_cache: bool,
    steps_ahead: usize,
}

impl ReferenceBackend {
    /// A backend without state; weights belong to whoever uploads them.
    pub fn new() -> Self {
        Self::default()
    }

    /// One whose cache keeps f32 values, as the float32 reference does. Otherwise entries are rounded to f16, as every
    /// device keeps them, so that both write the same text.
    pub fn with_f32_cache() -> Self {
        Self { f32_cache: true, ..Self::default() }
    }

    /// Has so many more sampled tokens under way than the one that is needed next, as a device would. For tests: the
    /// calling thread gains nothing by it.
    pub fn run_ahead(&mut self, steps: usize) {
        self.steps_ahead = steps;
    }
}

#[async_trait(?Send)]
impl Backend for ReferenceBackend {
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
        "reference".to_owned()
    }

    fn begin_matrix(&mut self, descriptor: &MatrixDescriptor) -> Result<MatrixUpload> {
        let values = zeroed(descriptor.rows, descriptor.columns, &descriptor.name)?;
        Ok(MatrixUpload { descriptor: descriptor.clone(), values, rows_done: 0 })
    }

    fn upload_rows(&mut self, upload: &mut MatrixUpload, bytes: &[u8]) -> Result<()> {
        let row_bytes = upload.descriptor.check_rows(bytes, upload.rows_done)?;
        let MatrixDescriptor { element_type, rows, columns, layout, .. } = &upload.descriptor;
        let mut row = vec![0.0; *columns];
        for encoded in bytes.chunks_exact(row_bytes) {
            element_type.decode(encoded, &mut row)?;
            match layout {
                Layout::RowMajor | Layout::Heads { .. } => {
                    upload.values[upload.rows_done * columns..][..*columns].copy_from_slice(&row)
                }
                Layout::NeuronMajor => {
                    for (neuron, value) in row.iter().enumerate() {
                        upload.values[neuron * rows + upload.rows_done] = *value;
                    }
                }
            }
            upload.rows_done += 1;
        }
        Ok(())
    }

    fn finish_matrix(&mut self, upload: MatrixUpload) -> Result<Matrix> {
        upload.descriptor.check_whole(upload.rows_done)?;
        let MatrixDescriptor { rows, columns, layout, .. } = upload.descriptor;
        Ok(Matrix { rows, columns, values: upload.values, layout })
    }

    fn vector(&mut self, values: &[f32]) -> Result<Vec<f32>> {
        Ok(values.to_vec())
    }

    fn cache_bytes_a_token(&self, config: &Config) -> usize {
        config.num_hidden_layers * config.cache_width() * size_of::<f32>()
    }

    fn create_cache(&mut self, config: &Config, capacity: usize) -> Result<Cache> {
        let layers = (0..config.num_hidden_layers).map(|_| zeroed(capacity, config.cache_width(), "the cache"));
        let layers = layers.collect::<Result<_>>()?;
        Ok(Cache { layers, capacity, width: config.cache_width(), f32: self.f32_cache })
    }

    fn cache_format(&self) -> [u8; 4] {
        *b"f32 "
    }

    fn copy_cache(&mut self, from: &Cache, to: &mut Cache, tokens: usize) {
        let width = from.width;
        for (from, to) in from.layers.iter().zip(&mut to.layers) {
            to[..tokens * width].copy_from_slice(&from[..tokens * width]);
        }
    }

    async fn read_cache(&mut self, cache: &Cache, layer: usize, tokens: usize) -> Result<Vec<u8>> {
        Ok(bytemuck::cast_slice(&cache.layers[layer][..tokens * cache.width]).to_vec())
    }

    fn write_cache(&mut self, cache: &mut Cache, layer: usize, tokens: usize, bytes: &[u8]) -> Result<()> {
        let entries = &mut cache.layers[layer][..tokens * cache.width];
        check_entries(bytes.len(), size_of_val(entries))?;
        bytemuck::cast_slice_mut(entries).copy_from_slice(bytes);
        Ok(())
    }

    fn embed(&mut self, table: &Matrix, tokens: Tokens<'_, Self>, _position: usize) -> Result<Activation> {
        let ids = match tokens {
            Tokens::Known(ids) => ids,
            Tokens::Sampled(id) => std::slice::from_ref(id),
        };
        let mut values = Vec::with_capacity(ids.len() * table.columns);
        for &id in ids {
            if id as usize >= table.rows {
                return Err(Error::InvalidRequest(format!("token id {id}; the vocabulary has {} tokens", table.rows)));
            }
            values.extend_from_slice(&table.values[id as usize * table.columns..][..table.columns]);
        }
        Ok(Activation { width: table.columns, values })
    }

    fn norm_matmul(&mut self, x: &Activation, norm: &Vec<f32>, matrix: &Matrix, config: &Config) -> Result<Activation> {
        check_width("norm_matmul", x.width, norm.len())?;
        let values = x.rows().flat_map(|row| rms_norm(row, norm, config.rms_norm_eps)).collect();
        matmul(matrix, &Activation { width: x.width, values })
    }

    fn matmul_add(&mut self, residual: &mut Activation, matrix: &Matrix, x: &Activation) -> Result<()> {
        let product = matmul(matrix, x)?;
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
        check_width("latent_attention: q", q.width, config.num_attention_heads * config.qk_head_dim())?;
        check_width("latent_attention: compressed", compressed.width, config.cache_width())?;
        cache.append(layer, position, compressed, kv_a_layernorm, config)?;
        let mut q = Activation { width: q.width, values: q.values.clone() };
        for (token, row) in q.values.chunks_exact_mut(q.width).enumerate() {
            for head in row.chunks_exact_mut(config.qk_head_dim()) {
                rope(&mut head[config.qk_nope_head_dim..], position + token, config.rope_theta);
            }
        }
        let cache = &cache.layers[layer];
        // One token is cheaper against the latents themselves, many tokens against keys and values expanded once.
        let values = if q.rows().len() == 1 {
            absorbed_attention(&q.values, kv_b_proj, cache, position + 1, config)
        } else {
            expanded_attention(&q, kv_b_proj, cache, position, config)
        };
        Ok(Activation { width: config.num_attention_heads * config.v_head_dim, values })
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
        let tokens: Vec<Vec<(u32, f32)>> = product
            .rows()
            .map(|row| {
                let active = row.iter().enumerate().filter(|(_, value)| **value > 0.0 || value.is_nan());
                active.map(|(neuron, value)| (neuron as u32, value * value)).collect()
            })
            .collect();
        self.density.resize(self.density.len().max(layer + 1), 0.0);
        self.density[layer] = tokens.last().map_or(0, Vec::len) as f32 / product.width as f32;
        Ok(SparseActivation { tokens })
    }

    fn sparse_matmul_add(&mut self, residual: &mut Activation, down: &Matrix, active: &SparseActivation) -> Result<()> {
        check_width("sparse_matmul_add", residual.width, down.rows)?;
        if down.layout != Layout::NeuronMajor {
            return Err(Error::UnsupportedModel("the down projection was not laid out neuron-major".to_owned()));
        }
        for (row, active) in residual.values.chunks_exact_mut(down.rows).zip(&active.tokens) {
            for &(neuron, value) in active {
                let weights = &down.values[neuron as usize * down.rows..][..down.rows];
                row.iter_mut().zip(weights).for_each(|(r, w)| *r += value * w);
            }
        }
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
        1 + self.steps_ahead
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

impl Cache {
    /// Writes (RMSNorm(latent), RoPE(key)) of each new token.
    fn append(
        &mut self,
        layer: usize,
        position: usize,
        compressed: &Activation,
        norm: &[f32],
        config: &Config,
    ) -> Result<()> {
        let end = position + compressed.rows().len();
        if end > self.capacity {
            return Err(Error::ContextFull(format!("{end} tokens do not fit in a context of {}", self.capacity)));
        }
        for (token, row) in compressed.rows().enumerate() {
            let (latent, k_pe) = row.split_at(config.kv_lora_rank);
            let entry = &mut self.layers[layer][(position + token) * compressed.width..][..compressed.width];
            let normed = rms_norm(latent, norm, config.rms_norm_eps);
            entry.iter_mut().zip(normed).for_each(|(to, value)| *to = value);
            entry[config.kv_lora_rank..].copy_from_slice(k_pe);
            rope(&mut entry[config.kv_lora_rank..], position + token, config.rope_theta);
            if !self.f32 {
                entry.iter_mut().for_each(|value| *value = to_f16(*value).to_f32());
            }
        }
        Ok(())
    }
}

/// x W^T.
fn matmul(matrix: &Matrix, x: &Activation) -> Result<Activation> {
    check_width("matmul", x.width, matrix.columns)?;
    let mut values = Vec::with_capacity(x.values.len() / x.width * matrix.rows);
    for row in x.rows() {
        values.extend(matrix.values.chunks_exact(matrix.columns).map(|weights| dot(weights, row)));
    }
    Ok(Activation { width: matrix.rows, values })
}

/// Scores and values taken from the latents: qa = Wk^T q_nope, z = sum of p c, o = Wv z. One query row.
fn absorbed_attention(q: &[f32], kv_b: &Matrix, cache: &[f32], length: usize, config: &Config) -> Vec<f32> {
    let (rank, nope, v) = (config.kv_lora_rank, config.qk_nope_head_dim, config.v_head_dim);
    let mut o = Vec::with_capacity(config.num_attention_heads * v);
    for (head, query) in q.chunks_exact(config.qk_head_dim()).enumerate() {
        let weights = &kv_b.values[head * (nope + v) * rank..][..(nope + v) * rank];
        let (wk, wv) = weights.split_at(nope * rank);
        let (q_nope, q_pe) = query.split_at(nope);
        let mut absorbed = vec![0.0; rank];
        for (value, row) in q_nope.iter().zip(wk.chunks_exact(rank)) {
            absorbed.iter_mut().zip(row).for_each(|(a, w)| *a += value * w);
        }
        let entries = || cache.chunks_exact(config.cache_width()).take(length).map(|entry| entry.split_at(rank));
        let mut scores: Vec<f32> =
            entries().map(|(c, k_pe)| (dot(&absorbed, c) + dot(q_pe, k_pe)) * config.attention_scale()).collect();
        softmax(&mut scores);
        let mut z = vec![0.0; rank];
        for (p, (c, _)) in scores.iter().zip(entries()) {
            z.iter_mut().zip(c).for_each(|(z, c)| *z += p * c);
        }
        o.extend(wv.chunks_exact(rank).map(|row| dot(row, &z)));
    }
    o
}

/// Keys and values of the whole context expanded from the latents, then ordinary causal attention.
fn expanded_attention(q: &Activation, kv_b: &Matrix, cache: &[f32], position: usize, config: &Config) -> Vec<f32> {
    let (rank, nope, v) = (config.kv_lora_rank, config.qk_nope_head_dim, config.v_head_dim);
    let (heads, tokens) = (config.num_attention_heads, q.rows().len());
    let entries: Vec<_> =
        cache.chunks_exact(config.cache_width()).take(position + tokens).map(|entry| entry.split_at(rank)).collect();
    let mut o = vec![0.0; tokens * heads * v];
    for head in 0..heads {
        let weights = &kv_b.values[head * (nope + v) * rank..][..(nope + v) * rank];
        let expanded: Vec<f32> =
            entries.iter().flat_map(|(c, _)| weights.chunks_exact(rank).map(|row| dot(row, c))).collect();
        for (token, query) in q.rows().enumerate() {
            let (q_nope, q_pe) = query[head * config.qk_head_dim()..][..config.qk_head_dim()].split_at(nope);
            let visible = || expanded.chunks_exact(nope + v).take(position + token + 1);
            let mut scores: Vec<f32> = visible()
                .zip(&entries)
                .map(|(kv, (_, k_pe))| (dot(q_nope, &kv[..nope]) + dot(q_pe, k_pe)) * config.attention_scale())
                .collect();
            softmax(&mut scores);
            let out = &mut o[(token * heads + head) * v..][..v];
            for (p, kv) in scores.iter().zip(visible()) {
                out.iter_mut().zip(&kv[nope..]).for_each(|(o, value)| *o += p * value);
            }
        }
    }
    o
}

fn rms_norm<'a>(row: &'a [f32], weight: &'a [f32], eps: f32) -> impl Iterator<Item = f32> + 'a {
    let scale = (dot(row, row) / row.len() as f32 + eps).sqrt().recip();
    row.iter().zip(weight).map(move |(x, w)| x * scale * w)
}

/// Rotates the pairs (2i, 2i + 1) of `values` by position * theta^(-2i / width). Angles are taken in f64, because an
/// f32 angle of some thousand radians has lost four digits of its sine.
fn rope(values: &mut [f32], position: usize, theta: f32) {
    let width = values.len() as f64;
    for (i, pair) in values.chunks_exact_mut(2).enumerate() {
        let angle = position as f64 * f64::from(theta).powf(-2.0 * i as f64 / width);
        let (sin, cos) = (angle.sin() as f32, angle.cos() as f32);
        let (a, b) = (pair[0], pair[1]);
        pair[0] = a * cos - b * sin;
        pair[1] = a * sin + b * cos;
    }
}

fn softmax(scores: &mut [f32]) {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - most).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// Eight partial sums, so that the compiler can use SIMD and rounding errors stay small.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    let mut sums = [0.0f32; 8];
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + rest
}

fn zeroed(rows: usize, columns: usize, name: &str) -> Result<Vec<f32>> {
    let mut values = Vec::new();
    let reserved = rows.checked_mul(columns).and_then(|length| values.try_reserve_exact(length).ok().map(|()| length));
    let Some(length) = reserved else {
        return Err(Error::OutOfDeviceMemory(format!("{name}: {rows} x {columns} f32 values do not fit in memory")));
    };
    values.resize(length, 0.0);
    Ok(values)
}
