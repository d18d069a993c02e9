//! The WebGPU backend: one code path for browsers, Node and native Vulkan, within WebGPU's default limits.

mod device;
mod kernels;
mod matrix;

use super::{Backend, MatrixDescriptor};
use crate::{Error, Result, model::Config};
use async_trait::async_trait;
use device::{Device, Scratch};
use kernels::{Kernel, Variant};
pub use matrix::{Matrix, MatrixUpload};
use std::rc::Rc;

/// f32 [tokens, width] on the device.
pub struct Activation {
    tokens: usize,
    width: usize,
    values: Scratch,
}

/// For each token a list of non-zero neurons, as compact.wgsl writes it.
pub struct SparseActivation {
    tokens: usize,
    neurons: usize,
    indices: Scratch,
    values: Scratch,
    counts: Rc<Scratch>,
}

/// For each layer [capacity, kv_lora_rank + qk_rope_head_dim], f32.
pub struct Cache {
    layers: Vec<wgpu::Buffer>,
    capacity: usize,
}

/// (cos, sin) of every position and pair, for one configuration.
struct Angles {
    buffer: wgpu::Buffer,
    rope: usize,
    theta: f32,
    positions: usize,
}

struct LayerCounts {
    counts: Rc<Scratch>,
    tokens: usize,
    neurons: usize,
}

/// Runs PLM on a WebGPU device.
pub struct GpuBackend {
    device: Device,
    angles: Option<Angles>,
    counts: Vec<LayerCounts>,
}

impl GpuBackend {
    /// Opens the system's preferred adapter.
    ///
    /// # Errors
    /// [`Error::NoWebGpu`] where there is none or it gives no device.
    pub async fn new() -> Result<Self> {
        Ok(Self { device: Device::open().await?, angles: None, counts: Vec::new() })
    }

    /// Lowers the size of one binding, in bytes, as if the device had this limit. For tests of split matrices.
    pub fn limit_bindings(&mut self, bytes: u64) {
        self.device.binding_limit = self.device.binding_limit.min(bytes);
    }

    fn activation(&self, tokens: usize, width: usize) -> Result<Activation> {
        Ok(Activation { tokens, width, values: self.device.scratch(tokens * width)? })
    }

    /// Angles in f64: the sine of some thousand radians in f32 has lost four digits.
    fn prepare_angles(&mut self, config: &Config, positions: usize) -> Result<()> {
        let fits = |angles: &Angles| {
            angles.rope == config.qk_rope_head_dim && angles.theta == config.rope_theta && angles.positions >= positions
        };
        if self.angles.as_ref().is_some_and(fits) {
            return Ok(());
        }
        let buffer = self.device.storage((positions * config.qk_rope_head_dim) as u64 * 4, "the rotary angles")?;
        let mut words = Vec::with_capacity(positions * config.qk_rope_head_dim);
        for position in 0..positions {
            for pair in 0..config.qk_rope_head_dim / 2 {
                let exponent = -2.0 * pair as f64 / config.qk_rope_head_dim as f64;
                let angle = position as f64 * f64::from(config.rope_theta).powf(exponent);
                words.extend([(angle.cos() as f32).to_bits(), (angle.sin() as f32).to_bits()]);
            }
        }
        self.device.write(&buffer, 0, &words);
        self.angles = Some(Angles { buffer, rope: config.qk_rope_head_dim, theta: config.rope_theta, positions });
        Ok(())
    }

    fn angles(&self) -> Result<wgpu::Buffer> {
        let angles = self.angles.as_ref().map(|angles| angles.buffer.clone());
        angles.ok_or_else(|| Error::UnsupportedModel("a cache must be created before it is used".to_owned()))
    }

    fn product(&mut self, matrix: &Matrix, x: &Activation, y: &Activation, add: bool) -> Result<()> {
        check("matmul: input width", x.width, matrix.columns)?;
        check("matmul: output width", y.width, matrix.rows)?;
        check("matmul: tokens", y.tokens, x.tokens)?;
        for part in &matrix.parts {
            let mut buffers = part.bindings();
            buffers.extend([(2, x.values.buffer()), (3, y.values.buffer())]);
            let params = [part.rows, matrix.columns, part.first_row, matrix.rows, x.tokens, usize::from(add)];
            let workgroups = [part.rows.div_ceil(64), 1, x.tokens.div_ceil(4)];
            self.device.dispatch(Kernel::Matmul, matrix.variant, &buffers, &words(params), workgroups)?;
        }
        Ok(())
    }
}

#[async_trait(?Send)]
impl Backend for GpuBackend {
    type Matrix = Matrix;
    type MatrixUpload = MatrixUpload;
    type Vector = wgpu::Buffer;
    type Activation = Activation;
    type SparseActivation = SparseActivation;
    type Cache = Cache;

    fn name(&self) -> String {
        self.device.name.clone()
    }

    fn begin_matrix(&mut self, descriptor: &MatrixDescriptor) -> Result<MatrixUpload> {
        MatrixUpload::new(&self.device, descriptor)
    }

    fn upload_rows(&mut self, upload: &mut MatrixUpload, bytes: &[u8]) -> Result<()> {
        upload.upload_rows(&self.device, bytes)
    }

    fn finish_matrix(&mut self, upload: MatrixUpload) -> Result<Matrix> {
        upload.finish(&self.device)
    }

    fn vector(&mut self, values: &[f32]) -> Result<wgpu::Buffer> {
        self.device.check()?;
        Ok(self.device.words(bytemuck::cast_slice(values)))
    }

    fn create_cache(&mut self, config: &Config, capacity: usize) -> Result<Cache> {
        let bytes = capacity as u64 * config.cache_width() as u64 * 4;
        let layers = (0..config.num_hidden_layers).map(|_| self.device.storage(bytes, "the cache"));
        let layers = layers.collect::<Result<_>>()?;
        // The cache is wider than the angles: what it was granted, they can be too.
        self.prepare_angles(config, capacity)?;
        Ok(Cache { layers, capacity })
    }

    fn embed(&mut self, table: &Matrix, ids: &[u32]) -> Result<Activation> {
        if let Some(id) = ids.iter().find(|id| **id as usize >= table.rows) {
            return Err(Error::InvalidRequest(format!("token id {id}; the vocabulary has {} tokens", table.rows)));
        }
        let y = self.activation(ids.len(), table.columns)?;
        let id_buffer = self.device.words(ids);
        for part in &table.parts {
            let mut buffers = part.bindings();
            buffers.extend([(2, &id_buffer), (3, y.values.buffer())]);
            let params = words([part.rows, table.columns, part.first_row]);
            let workgroups = [table.columns.div_ceil(256), 1, ids.len()];
            self.device.dispatch(Kernel::Embed, table.variant, &buffers, &params, workgroups)?;
        }
        Ok(y)
    }

    fn rms_norm(&mut self, x: &Activation, weight: &wgpu::Buffer, config: &Config) -> Result<Activation> {
        check("rms_norm: bytes of weight", weight.size() as usize, x.width * 4)?;
        let y = self.activation(x.tokens, x.width)?;
        let buffers = [(0, x.values.buffer()), (1, weight), (2, y.values.buffer())];
        let params = [x.width as u32, config.rms_norm_eps.to_bits()];
        self.device.dispatch(Kernel::RmsNorm, Variant::Plain, &buffers, &params, [1, 1, x.tokens])?;
        Ok(y)
    }

    fn matmul(&mut self, matrix: &Matrix, x: &Activation) -> Result<Activation> {
        let y = self.activation(x.tokens, matrix.rows)?;
        self.product(matrix, x, &y, false)?;
        Ok(y)
    }

    fn matmul_add(&mut self, residual: &mut Activation, matrix: &Matrix, x: &Activation) -> Result<()> {
        self.product(matrix, x, residual, true)
    }

    fn rope_query(&mut self, q: &mut Activation, position: usize, config: &Config) -> Result<()> {
        let heads = config.num_attention_heads;
        check("rope_query: width", q.width, heads * config.qk_head_dim())?;
        let angles = self.angles()?;
        let buffers = [(0, q.values.buffer()), (1, &angles)];
        let params = words([heads, config.qk_nope_head_dim, config.qk_rope_head_dim, position]);
        let workgroups = [(heads * config.qk_rope_head_dim / 2).div_ceil(64), 1, q.tokens];
        self.device.dispatch(Kernel::RopeQuery, Variant::Plain, &buffers, &params, workgroups)
    }

    fn append_to_cache(
        &mut self,
        cache: &mut Cache,
        layer: usize,
        compressed: &Activation,
        weight: &wgpu::Buffer,
        position: usize,
        config: &Config,
    ) -> Result<()> {
        check("append_to_cache: width", compressed.width, config.cache_width())?;
        if position + compressed.tokens > cache.capacity {
            return Err(Error::ContextFull(format!(
                "{} tokens do not fit in a context of {}",
                position + compressed.tokens,
                cache.capacity
            )));
        }
        let angles = self.angles()?;
        let buffers = [(0, compressed.values.buffer()), (1, weight), (2, &angles), (3, &cache.layers[layer])];
        let [rank, rope, position] = words([config.kv_lora_rank, config.qk_rope_head_dim, position]);
        let params = [rank, rope, position, config.rms_norm_eps.to_bits()];
        self.device.dispatch(Kernel::AppendToCache, Variant::Plain, &buffers, &params, [1, 1, compressed.tokens])
    }

    fn latent_attention(
        &mut self,
        q: &Activation,
        kv_b: &Matrix,
        cache: &Cache,
        layer: usize,
        position: usize,
        config: &Config,
    ) -> Result<Activation> {
        let heads = config.num_attention_heads;
        let (rank, nope, rope, v) =
            (config.kv_lora_rank, config.qk_nope_head_dim, config.qk_rope_head_dim, config.v_head_dim);
        check("latent_attention: width", q.width, heads * config.qk_head_dim())?;
        check("latent_attention: parts of kv_b", kv_b.parts.len(), 1)?;
        let weights = &kv_b.parts[0];

        let absorbed = self.activation(q.tokens, heads * rank)?;
        let mut buffers = weights.bindings();
        buffers.extend([(2, q.values.buffer()), (3, absorbed.values.buffer())]);
        let params = words([heads, nope, rope, v, rank]);
        let workgroups = [rank.div_ceil(256), heads, q.tokens];
        self.device.dispatch(Kernel::AbsorbQuery, kv_b.variant, &buffers, &params, workgroups)?;

        let z = self.activation(q.tokens, heads * rank)?;
        let buffers =
            [(0, absorbed.values.buffer()), (1, q.values.buffer()), (2, &cache.layers[layer]), (3, z.values.buffer())];
        let mut params = words([heads, nope, rope, rank, position]).to_vec();
        params.push(config.attention_scale().to_bits());
        self.device.dispatch(Kernel::LatentAttention, Variant::Plain, &buffers, &params, [heads, 1, q.tokens])?;

        let o = self.activation(q.tokens, heads * v)?;
        let mut buffers = weights.bindings();
        buffers.extend([(2, z.values.buffer()), (3, o.values.buffer())]);
        let workgroups = [(heads * v).div_ceil(64), 1, q.tokens];
        self.device.dispatch(
            Kernel::ExpandValue,
            kv_b.variant,
            &buffers,
            &words([heads, nope, v, rank]),
            workgroups,
        )?;
        Ok(o)
    }

    fn relu_squared(&mut self, layer: usize, up: &Matrix, x: &Activation) -> Result<SparseActivation> {
        let product = self.matmul(up, x)?;
        let (tokens, neurons) = (x.tokens, up.rows);
        let indices = self.device.scratch(tokens * neurons)?;
        let values = self.device.scratch(tokens * neurons)?;
        let counts = Rc::new(self.device.scratch(tokens)?);
        let buffers = [(0, product.values.buffer()), (1, indices.buffer()), (2, values.buffer()), (3, counts.buffer())];
        self.device.dispatch(Kernel::Compact, Variant::Plain, &buffers, &words([neurons]), [1, 1, tokens])?;
        self.counts.truncate(layer);
        self.counts.push(LayerCounts { counts: counts.clone(), tokens, neurons });
        Ok(SparseActivation { tokens, neurons, indices, values, counts })
    }

    fn sparse_matmul_add(&mut self, residual: &mut Activation, down: &Matrix, active: &SparseActivation) -> Result<()> {
        check("sparse_matmul_add: width", residual.width, down.rows)?;
        check("sparse_matmul_add: neurons", active.neurons, down.columns)?;
        check("sparse_matmul_add: tokens", active.tokens, residual.tokens)?;
        let mut buffers = down.parts[0].bindings();
        buffers.extend([
            (2, active.indices.buffer()),
            (3, active.values.buffer()),
            (4, active.counts.buffer()),
            (5, residual.values.buffer()),
        ]);
        let workgroups = [down.rows.div_ceil(256), 1, active.tokens];
        let params = words([active.neurons, down.rows]);
        self.device.dispatch(Kernel::SparseMatmul, down.variant, &buffers, &params, workgroups)
    }

    fn last_row(&mut self, x: &Activation) -> Result<Activation> {
        let y = self.activation(1, x.width)?;
        self.device.copy(x.values.buffer(), (x.tokens - 1) * x.width, y.values.buffer(), x.width);
        Ok(y)
    }

    async fn read(&mut self, x: &Activation) -> Result<Vec<f32>> {
        let words = self.device.read(x.values.buffer(), x.tokens * x.width).await?;
        Ok(words.into_iter().map(f32::from_bits).collect())
    }

    async fn density(&mut self) -> Result<Vec<f32>> {
        let mut density = Vec::with_capacity(self.counts.len());
        for layer in &self.counts {
            let counts = self.device.read(layer.counts.buffer(), layer.tokens).await?;
            let active: u64 = counts.iter().map(|count| u64::from(*count)).sum();
            density.push(active as f32 / (layer.tokens * layer.neurons) as f32);
        }
        Ok(density)
    }
}

/// Dimensions as shader parameters. Configurations are checked to fit long before.
fn words<const N: usize>(values: [usize; N]) -> [u32; N] {
    values.map(|value| value as u32)
}

fn check(what: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::UnsupportedModel(format!("{what} is {found}; {expected} was expected")))
}
