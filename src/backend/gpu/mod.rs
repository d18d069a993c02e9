//! The WebGPU backend: one code path for browsers, Node and native Vulkan, within WebGPU's default limits.

mod device;
mod kernels;
mod matrix;

use super::{Backend, LatentAttention, MatrixDescriptor};
use crate::{Error, Result, model::Config};
use async_trait::async_trait;
pub use device::Buffer;
use device::{Device, Dispatch, Scratch};
use kernels::{Kernel, Variant};
pub use matrix::{Matrix, MatrixUpload};
use std::rc::Rc;

/// Rows of neurons that compact.wgsl puts into one list.
const COMPACT_TILE: usize = 64;
/// Cache entries that one workgroup of latent_attention.wgsl takes when there is but one token: more, and a long context has
/// too few workgroups; fewer, and putting the parts together costs more than it gains.
const PART_LENGTH: usize = 128;
/// The widest latent that fits in the workgroup memory of expand_value.wgsl.
const MOST_RANK: usize = 2048;

/// f32 [tokens, width] on the device.
pub struct Activation {
    tokens: usize,
    width: usize,
    values: Scratch,
}

/// For each token lists of non-zero neurons, one for each tile of `tile_rows` neurons, as matvec.wgsl writes them.
pub struct SparseActivation {
    tokens: usize,
    neurons: usize,
    tile_rows: usize,
    indices: Scratch,
    values: Scratch,
    counts: Rc<Scratch>,
}

/// For each layer [capacity, entry], f32; an entry is the latent, then the rotated key, each padded to a multiple of 4.
pub struct Cache {
    layers: Vec<Buffer>,
    capacity: usize,
}

/// (cos, sin) of every position and pair, for one configuration.
struct Angles {
    buffer: Buffer,
    rope: usize,
    theta: f32,
    positions: usize,
}

/// The counts of one layer's lists in the last forward pass.
struct LayerCounts {
    counts: Rc<Scratch>,
    lists: usize,
    /// Of all tokens.
    neurons: usize,
}

/// Runs PLM on a WebGPU device.
pub struct GpuBackend {
    device: Device,
    /// The token and the position of the forward pass: what changes from one decoded token to the next, so that the
    /// commands need not.
    state: Buffer,
    angles: Option<Angles>,
    counts: Vec<LayerCounts>,
}

impl GpuBackend {
    /// Opens the system's preferred adapter.
    ///
    /// # Errors
    /// [`Error::NoWebGpu`] where there is none or it gives no device.
    pub async fn new() -> Result<Self> {
        let device = Device::open().await?;
        let state = device.storage(16, "the state")?;
        Ok(Self { device, state, angles: None, counts: Vec::new() })
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

    fn angles(&self) -> Result<Buffer> {
        let angles = self.angles.as_ref().map(|angles| angles.buffer.clone());
        angles.ok_or_else(|| Error::UnsupportedModel("a cache must be created before it is used".to_owned()))
    }

    /// y = RMSNorm(x) W^T with a norm, x W^T without; added to y with `add`.
    fn product(
        &mut self,
        matrix: &Matrix,
        x: &Activation,
        norm: Option<(&Buffer, &Config)>,
        y: &Activation,
        add: bool,
    ) -> Result<()> {
        check("matmul: input width", x.width, matrix.columns)?;
        check("matmul: output width", y.width, matrix.rows)?;
        check("matmul: tokens", y.tokens, x.tokens)?;
        if x.tokens == 1 {
            return self.matvec(matrix, x, norm, y, add);
        }
        let normed = norm.map(|(norm, config)| self.rms_norm(x, norm, config)).transpose()?;
        let x = normed.as_ref().unwrap_or(x);
        for part in &matrix.parts {
            let mut buffers = part.bindings();
            buffers.extend([(2, x.values.buffer()), (3, y.values.buffer())]);
            self.device.dispatch(Dispatch {
                kernel: Kernel::Matmul,
                variant: matrix.variant,
                buffers: &buffers,
                params: &words([part.rows, matrix.columns, part.first_row, matrix.rows, x.tokens, usize::from(add)]),
                workgroups: [part.rows.div_ceil(64), 1, x.tokens.div_ceil(4)],
                repeated: false,
            })?;
        }
        Ok(())
    }

    fn matvec(
        &mut self,
        matrix: &Matrix,
        x: &Activation,
        norm: Option<(&Buffer, &Config)>,
        y: &Activation,
        add: bool,
    ) -> Result<()> {
        let (lanes, rows_together) = matvec_shape(matrix.columns);
        for part in &matrix.parts {
            let mut buffers = part.bindings();
            buffers.extend([(2, x.values.buffer()), (3, y.values.buffer())]);
            let mut params = words([part.rows, matrix.columns, part.first_row, lanes]).to_vec();
            if let Some((norm, config)) = norm {
                check("matvec: values of norm", norm.size() as usize, norm_bytes(x.width))?;
                buffers.push((6, norm));
                params.push(config.rms_norm_eps.to_bits());
            } else {
                params.push(0);
            }
            self.device.dispatch(Dispatch {
                kernel: Kernel::Matvec { norm: norm.is_some(), add },
                variant: matrix.variant,
                buffers: &buffers,
                params: &params,
                workgroups: [part.rows.div_ceil(rows_together), 1, 1],
                repeated: true,
            })?;
        }
        Ok(())
    }

    fn rms_norm(&mut self, x: &Activation, norm: &Buffer, config: &Config) -> Result<Activation> {
        check("rms_norm: bytes of norm", norm.size() as usize, norm_bytes(x.width))?;
        let y = self.activation(x.tokens, x.width)?;
        self.device.dispatch(Dispatch {
            kernel: Kernel::RmsNorm,
            variant: Variant::Plain,
            buffers: &[(0, x.values.buffer()), (1, norm), (2, y.values.buffer())],
            params: &[x.width as u32, config.rms_norm_eps.to_bits()],
            workgroups: [1, 1, x.tokens],
            repeated: false,
        })?;
        Ok(y)
    }
}

/// Of a matvec over so many columns: the invocations that share a row, and the rows that one workgroup has. A block of 32
/// columns each, if there are enough of them.
fn matvec_shape(columns: usize) -> (usize, usize) {
    let lanes = columns.div_ceil(32).next_power_of_two().clamp(4, 64);
    (lanes, 4 * 256 / lanes)
}

/// Norms are padded to whole blocks of 32 columns.
fn norm_bytes(width: usize) -> usize {
    width.next_multiple_of(32) * 4
}

/// Words of the latent and of a whole cache entry, each part padded to a multiple of 4.
fn entry_shape(config: &Config) -> (usize, usize) {
    let latent = config.kv_lora_rank.next_multiple_of(4);
    (latent, latent + config.qk_rope_head_dim.next_multiple_of(4))
}

#[async_trait(?Send)]
impl Backend for GpuBackend {
    type Matrix = Matrix;
    type MatrixUpload = MatrixUpload;
    type Vector = Buffer;
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
        upload.upload_rows(&mut self.device, bytes)
    }

    fn finish_matrix(&mut self, upload: MatrixUpload) -> Result<Matrix> {
        upload.finish(&mut self.device)
    }

    fn vector(&mut self, values: &[f32]) -> Result<Buffer> {
        self.device.check()?;
        let mut padded = values.to_vec();
        padded.resize(values.len().next_multiple_of(32), 0.0);
        Ok(self.device.words(bytemuck::cast_slice(&padded)))
    }

    fn create_cache(&mut self, config: &Config, capacity: usize) -> Result<Cache> {
        if config.kv_lora_rank > MOST_RANK {
            return Err(Error::UnsupportedModel(format!(
                "kv_lora_rank is {}; the GPU backend runs up to {MOST_RANK}",
                config.kv_lora_rank
            )));
        }
        self.prepare_angles(config, capacity)?;
        let bytes = (capacity * entry_shape(config).1) as u64 * 4;
        let layers = (0..config.num_hidden_layers).map(|_| self.device.storage(bytes, "the cache"));
        let layers = layers.collect::<Result<_>>()?;
        // The cache is wider than the angles: what it was granted, they can be too.
        self.prepare_angles(config, capacity)?;
        Ok(Cache { layers, capacity })
    }

    fn embed(&mut self, table: &Matrix, ids: &[u32], position: usize) -> Result<Activation> {
        if let Some(id) = ids.iter().find(|id| **id as usize >= table.rows) {
            return Err(Error::InvalidRequest(format!("token id {id}; the vocabulary has {} tokens", table.rows)));
        }
        self.device.write(&self.state, 0, &[ids[0], position as u32]);
        let y = self.activation(ids.len(), table.columns)?;
        // One token's id is the state's first word.
        let ids_buffer = if ids.len() == 1 { self.state.clone() } else { self.device.words(ids) };
        for part in &table.parts {
            let mut buffers = part.bindings();
            buffers.extend([(2, &ids_buffer), (3, y.values.buffer())]);
            self.device.dispatch(Dispatch {
                kernel: Kernel::Embed,
                variant: table.variant,
                buffers: &buffers,
                params: &words([part.rows, table.columns, part.first_row]),
                workgroups: [table.columns.div_ceil(256), 1, ids.len()],
                repeated: ids.len() == 1,
            })?;
        }
        Ok(y)
    }

    fn norm_matmul(&mut self, x: &Activation, norm: &Buffer, matrix: &Matrix, config: &Config) -> Result<Activation> {
        let y = self.activation(x.tokens, matrix.rows)?;
        self.product(matrix, x, Some((norm, config)), &y, false)?;
        Ok(y)
    }

    fn matmul_add(&mut self, residual: &mut Activation, matrix: &Matrix, x: &Activation) -> Result<()> {
        self.product(matrix, x, None, residual, true)
    }

    fn latent_attention(
        &mut self,
        cache: &mut Cache,
        attention: LatentAttention<'_, Self>,
        config: &Config,
    ) -> Result<Activation> {
        let LatentAttention { layer, position, q, compressed, kv_a_layernorm, kv_b_proj } = attention;
        let (heads, tokens) = (config.num_attention_heads, q.tokens);
        let (rank, nope, rope, v) =
            (config.kv_lora_rank, config.qk_nope_head_dim, config.qk_rope_head_dim, config.v_head_dim);
        check("latent_attention: width of q", q.width, heads * config.qk_head_dim())?;
        check("latent_attention: width of compressed", compressed.width, config.cache_width())?;
        check("latent_attention: tokens of compressed", compressed.tokens, tokens)?;
        check("latent_attention: parts of kv_b_proj", kv_b_proj.parts.len(), 1)?;
        let length = position + tokens;
        if length > cache.capacity {
            return Err(Error::ContextFull(format!("{length} tokens do not fit in a context of {}", cache.capacity)));
        }
        let weights = &kv_b_proj.parts[0];
        let (latent, entry) = entry_shape(config);
        let angles = self.angles()?;

        let latent_query = self.device.scratch(tokens * heads * entry)?;
        let mut buffers = weights.bindings();
        buffers.extend([
            (2, &self.state),
            (3, q.values.buffer()),
            (4, compressed.values.buffer()),
            (5, kv_a_layernorm),
            (6, &angles),
            (7, latent_query.buffer()),
            (8, &cache.layers[layer]),
        ]);
        let mut params = words([heads, nope, rope, v, rank]).to_vec();
        params.extend([config.attention_scale().to_bits(), config.rms_norm_eps.to_bits()]);
        self.device.dispatch(Dispatch {
            kernel: Kernel::AppendAndAbsorb,
            variant: kv_b_proj.variant,
            buffers: &buffers,
            params: &params,
            workgroups: [rank.div_ceil(64), heads + 1, tokens],
            repeated: tokens == 1,
        })?;

        // Many tokens fill the device without splitting their contexts.
        let part_length = if tokens == 1 { PART_LENGTH } else { cache.capacity };
        let parts = length.div_ceil(part_length);
        let together = (1024 / (latent / 4)).clamp(1, 8).min(heads);
        let z = self.device.scratch(tokens * heads * parts * latent)?;
        let sums = self.device.scratch(tokens * heads * parts * 2)?;
        self.device.dispatch(Dispatch {
            kernel: Kernel::LatentAttention,
            variant: Variant::Plain,
            buffers: &[
                (0, &self.state),
                (1, latent_query.buffer()),
                (2, &cache.layers[layer]),
                (3, z.buffer()),
                (4, sums.buffer()),
            ],
            params: &words([heads, together, latent / 4, entry / 4, parts, part_length]),
            workgroups: [parts, heads.div_ceil(together), tokens],
            repeated: tokens == 1,
        })?;

        let o = self.activation(tokens, heads * v)?;
        let mut buffers = weights.bindings();
        buffers.extend([(2, z.buffer()), (3, sums.buffer()), (4, o.values.buffer())]);
        self.device.dispatch(Dispatch {
            kernel: Kernel::ExpandValue,
            variant: kv_b_proj.variant,
            buffers: &buffers,
            params: &words([heads, nope, v, rank, parts]),
            workgroups: [v.div_ceil(32), heads, tokens],
            repeated: tokens == 1,
        })?;
        Ok(o)
    }

    fn norm_relu_squared(
        &mut self,
        layer: usize,
        x: &Activation,
        norm: &Buffer,
        up: &Matrix,
        config: &Config,
    ) -> Result<SparseActivation> {
        check("norm_relu_squared: input width", x.width, up.columns)?;
        check("norm_relu_squared: bytes of norm", norm.size() as usize, norm_bytes(x.width))?;
        let (tokens, neurons) = (x.tokens, up.rows);
        // The lists of one token are made where the products are, if the matrix is whole.
        let fused = tokens == 1 && up.parts.len() == 1;
        let (lanes, rows_together) = matvec_shape(up.columns);
        let tile_rows = if fused { rows_together } else { COMPACT_TILE };
        let tiles = neurons.div_ceil(tile_rows);
        let indices = self.device.scratch(tokens * tiles * tile_rows)?;
        let values = self.device.scratch(tokens * tiles * tile_rows)?;
        let counts = Rc::new(self.device.scratch(tokens * tiles)?);
        if fused {
            let mut buffers = up.parts[0].bindings();
            buffers.extend([
                (2, x.values.buffer()),
                (3, indices.buffer()),
                (4, values.buffer()),
                (5, counts.buffer()),
                (6, norm),
            ]);
            let [neurons, columns, first_row, lanes] = words([neurons, up.columns, 0, lanes]);
            self.device.dispatch(Dispatch {
                kernel: Kernel::MatvecReluSquared,
                variant: up.variant,
                buffers: &buffers,
                params: &[neurons, columns, first_row, lanes, config.rms_norm_eps.to_bits()],
                workgroups: [tiles, 1, 1],
                repeated: true,
            })?;
        } else {
            let product = self.norm_matmul(x, norm, up, config)?;
            self.device.dispatch(Dispatch {
                kernel: Kernel::Compact,
                variant: Variant::Plain,
                buffers: &[
                    (0, product.values.buffer()),
                    (1, indices.buffer()),
                    (2, values.buffer()),
                    (3, counts.buffer()),
                ],
                params: &words([neurons]),
                workgroups: [tiles.div_ceil(64), 1, tokens],
                repeated: false,
            })?;
        }
        self.counts.truncate(layer);
        self.counts.push(LayerCounts { counts: counts.clone(), lists: tokens * tiles, neurons: tokens * neurons });
        Ok(SparseActivation { tokens, neurons, tile_rows, indices, values, counts })
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
        self.device.dispatch(Dispatch {
            kernel: Kernel::SparseMatmul,
            variant: down.variant,
            buffers: &buffers,
            params: &words([down.rows, active.neurons.div_ceil(active.tile_rows), active.tile_rows]),
            workgroups: [down.rows.div_ceil(32), 1, active.tokens],
            repeated: active.tokens == 1,
        })
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
            let counts = self.device.read(layer.counts.buffer(), layer.lists).await?;
            let active: u64 = counts.iter().map(|count| u64::from(*count)).sum();
            density.push(active as f32 / layer.neurons as f32);
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
