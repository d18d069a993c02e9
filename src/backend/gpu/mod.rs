//! The WebGPU backend: one code path for browsers, Node and native Vulkan, within WebGPU's default limits.
//! This file has what the forward pass calls; `products.rs`, `attention.rs`,
//! `expanded_attention.rs`, `feed_forward.rs` and `sampling.rs` choose the kernels.

mod attention;
mod device;
mod expanded_attention;
mod feed_forward;
mod kernels;
mod matrix;
mod measure;
mod neurons;
mod planes;
mod products;
mod read_back;
mod rehearsal;
mod sampling;

use super::{Backend, LatentAttention, MatrixDescriptor, Sampling, Tokens};
use crate::{Error, Result, model::Config};
use async_trait::async_trait;
use attention::Angles;
pub use attention::Cache;
pub use device::Buffer;
use device::{Device, Dispatch, Scratch};
use feed_forward::LayerCounts;
pub use feed_forward::{Density, SparseActivation};
use kernels::Kernel;
pub use matrix::{Matrix, MatrixUpload};
pub use measure::Counters;
use read_back::Ring;
use rehearsal::SetAside;
use sampling::Draws;
pub use sampling::{Fence, Sampler, Token, Values};

/// f32 [tokens, width] on the device.
pub struct Activation {
    tokens: usize,
    width: usize,
    values: Scratch,
}

/// Runs PLM on a WebGPU device.
pub struct GpuBackend {
    device: Device,
    /// Whether kernels take few invocations a workgroup and wait for each other as little as they can. That is dear where
    /// a processor plays the GPU, and cheap on a GPU, which needs many invocations to be busy.
    narrow: bool,
    /// The least invocations that a subgroup has, where subgroup operations may be used.
    subgroup_size: Option<u32>,
    /// Whether shaders may have f16 values.
    shader_f16: bool,
    /// Whether many tokens take the expanded form of attention; without a value, where that is cheaper.
    expanded: Option<bool>,
    /// What changes from one decoded token to the next, so that the commands need not: the token and the position of the
    /// forward pass (the first ones, of several tokens), the position after it, and the bits of a logit that was not finite.
    /// The host writes it for tokens that it knows, shaders/sample_merge.wgsl for one that it has sampled.
    state: Buffer,
    draws: Draws,
    /// Where [`Backend::fetch`] brings values.
    fetches: Ring,
    /// Where densities come.
    densities: Ring,
    angles: Option<Angles>,
    counts: Vec<LayerCounts>,
    /// There while a rehearsal is under way.
    set_aside: Option<SetAside>,
}

impl GpuBackend {
    /// Opens the system's preferred adapter.
    ///
    /// # Errors
    /// [`Error::NoWebGpu`] where there is none or it gives no device.
    pub async fn new() -> Result<Self> {
        let device = Device::open().await?;
        let state = device.storage(16, "the state")?;
        Ok(Self {
            narrow: device.software,
            subgroup_size: device.subgroup_size,
            shader_f16: device.shader_f16,
            expanded: None,
            device,
            state,
            draws: Draws::default(),
            fetches: Ring::default(),
            densities: Ring::default(),
            angles: None,
            counts: Vec::new(),
            set_aside: None,
        })
    }

    /// Lowers the size of one binding, in bytes, as if the device had this limit. For tests of split matrices.
    pub fn limit_bindings(&mut self, bytes: u64) {
        self.device.binding_limit = self.device.binding_limit.min(bytes);
    }

    /// Takes the kernels for a processor that plays the GPU, or those for a GPU, whatever the adapter is. For tests.
    pub fn set_narrow(&mut self, narrow: bool) {
        self.narrow = narrow;
    }

    /// Takes the expanded form of attention for many tokens, or the absorbed one, whichever is cheaper. For tests.
    pub fn set_expanded(&mut self, expanded: bool) {
        self.expanded = Some(expanded);
    }

    /// Forbids subgroup operations, or allows them where the device has them. Gives whether they are used now. For tests,
    /// and for browsers, where only the page knows whether the device was asked for them.
    pub fn set_subgroups(&mut self, allowed: bool) -> bool {
        self.subgroup_size = self.device.subgroup_size.filter(|_| allowed);
        self.subgroup_size.is_some()
    }

    /// Forbids f16 values in shaders, or allows them where the device has them. Gives whether they are used now. For tests.
    pub fn set_shader_f16(&mut self, allowed: bool) -> bool {
        self.shader_f16 = self.device.shader_f16 && allowed;
        self.shader_f16
    }

    fn activation(&self, tokens: usize, width: usize) -> Result<Activation> {
        Ok(Activation { tokens, width, values: self.device.scratch(tokens * width)? })
    }
}

#[async_trait(?Send)]
impl Backend for GpuBackend {
    type Matrix = Matrix;
    type MatrixUpload = MatrixUpload;
    type Vector = Buffer;
    type Activation = Activation;
    type SparseActivation = SparseActivation;
    type Cache = Cache;
    type Sampler = Sampler;
    type Token = Token;
    type Fence = Fence;
    type Values = Values;
    type Density = Density;

    fn name(&self) -> String {
        self.device.name.clone()
    }

    fn begin_rehearsal(&mut self) -> Result<bool> {
        self.start_rehearsal()?;
        Ok(true)
    }

    fn end_rehearsal(&mut self) {
        self.stop_rehearsal();
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

    fn cache_bytes_a_token(&self, config: &Config) -> usize {
        config.num_hidden_layers * attention::entry_bytes(config)
    }

    fn create_cache(&mut self, config: &Config, capacity: usize) -> Result<Cache> {
        self.reserve_cache(config, capacity)
    }

    async fn try_create_cache(&mut self, config: &Config, capacity: usize) -> Result<Cache> {
        self.device.check()?;
        let cache = self.reserve_cache(config, capacity)?;
        // Devices say late that they could not allocate.
        if let Err(error) = self.wait().await {
            if matches!(error, Error::OutOfDeviceMemory(_)) {
                cache.layers.iter().for_each(Buffer::destroy);
                self.device.forget_failure();
            }
            return Err(error);
        }
        Ok(cache)
    }

    fn release_cache(&mut self, cache: Cache) {
        self.free_entries(&cache);
    }

    fn cache_format(&self) -> [u8; 4] {
        *b"f16 "
    }

    fn copy_cache(&mut self, from: &Cache, to: &mut Cache, tokens: usize) {
        self.copy_entries(from, to, tokens);
    }

    async fn read_cache(&mut self, cache: &Cache, layer: usize, tokens: usize) -> Result<Vec<u8>> {
        self.read_entries(cache, layer, tokens).await
    }

    fn write_cache(&mut self, cache: &mut Cache, layer: usize, tokens: usize, bytes: &[u8]) -> Result<()> {
        self.write_entries(cache, layer, tokens, bytes)
    }

    fn embed(&mut self, table: &Matrix, tokens: Tokens<'_, Self>, position: usize) -> Result<Activation> {
        let count = match tokens {
            Tokens::Known(ids) => {
                if let Some(id) = ids.iter().find(|id| **id as usize >= table.rows) {
                    let message = format!("token id {id}; the vocabulary has {} tokens", table.rows);
                    return Err(Error::InvalidRequest(message));
                }
                self.set_state(ids[0], position, ids.len());
                ids.len()
            }
            Tokens::Sampled(token) => {
                self.check_state_has(token, position)?;
                1
            }
        };
        let y = self.activation(count, table.columns)?;
        self.device.counters.bytes_read += table.bytes() / table.rows as u64;
        // One token's id is the state's first word.
        let ids_buffer = match tokens {
            Tokens::Known(ids) if count > 1 => self.device.words(ids),
            _ => self.state.clone(),
        };
        for part in &table.parts {
            let mut buffers = part.bindings();
            buffers.extend([(2, &ids_buffer), (3, y.values.buffer())]);
            self.device.dispatch(Dispatch {
                kernel: Kernel::Embed,
                variant: table.variant,
                buffers: &buffers,
                params: &words([part.rows, table.columns, part.first_row]),
                workgroups: [table.columns.div_ceil(256), 1, count],
                repeated: count == 1,
            })?;
        }
        Ok(y)
    }

    fn resume(&mut self, position: usize, tokens: usize) {
        // Only embedding asks for the token.
        self.set_state(0, position, tokens);
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
        self.attend(cache, &attention, config)
    }

    fn norm_relu_squared(
        &mut self,
        layer: usize,
        x: &Activation,
        norm: &Buffer,
        up: &Matrix,
        config: &Config,
    ) -> Result<SparseActivation> {
        self.active_neurons(layer, x, norm, up, config)
    }

    fn sparse_matmul_add(&mut self, residual: &mut Activation, down: &Matrix, active: &SparseActivation) -> Result<()> {
        self.add_active(residual, down, active)
    }

    fn last_row(&mut self, x: &Activation) -> Result<Activation> {
        let y = self.activation(1, x.width)?;
        self.device.copy((x.values.buffer(), (x.tokens - 1) * x.width), (y.values.buffer(), 0), x.width);
        Ok(y)
    }

    fn add_bias(&mut self, logits: &mut Activation, bias: &[(u32, f32)]) -> Result<()> {
        self.bias(logits, bias)
    }

    fn mask(&mut self, logits: &mut Activation, allowed: &[u32]) -> Result<()> {
        self.forbid(logits, allowed)
    }

    fn create_sampler(
        &mut self,
        sampling: &Sampling,
        seed: u64,
        vocab_size: usize,
        prompt: &[u32],
        drawn: &[u32],
    ) -> Result<Sampler> {
        Sampler::new(&mut self.device, sampling, seed, vocab_size, prompt, drawn)
    }

    fn sample(&mut self, sampler: &mut Sampler, logits: &Activation, position: usize) -> Result<Token> {
        self.draw(sampler, logits, position)
    }

    async fn token(&mut self, token: &Token) -> Result<u32> {
        self.drawn(token).await
    }

    fn steps_in_flight(&self) -> usize {
        sampling::STEPS_IN_FLIGHT
    }

    fn fence(&mut self) -> Fence {
        self.end_of_work()
    }

    async fn reached(&mut self, fence: &Fence) -> Result<()> {
        self.device.fetched(&fence.0).await.map(|_| ())
    }

    fn fetch(&mut self, x: &Activation) -> Values {
        let words = x.tokens * x.width;
        let values = self.fetches.slot(&self.device, words);
        self.device.fetch([(x.values.buffer(), 0..words)], &values);
        Values(values)
    }

    async fn fetched(&mut self, values: &Values) -> Result<Vec<f32>> {
        let words = self.device.fetched(&values.0).await?;
        Ok(words.into_iter().map(f32::from_bits).collect())
    }

    fn fetch_density(&mut self) -> Density {
        self.count_active()
    }

    async fn fetched_density(&mut self, density: &Density) -> Result<Vec<f32>> {
        self.counted(density).await
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
