//! The operations that PLM's forward pass needs, as one trait. They are PLM-sized, not a general tensor library.

pub(crate) mod arithmetic;
#[cfg(feature = "cpu")]
pub mod cpu;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod reference;
mod sampler;
mod sampling;

use crate::{Error, Result, model::Config, weights::ElementType};
use async_trait::async_trait;
use half::f16;
pub use sampler::Sampler;
pub use sampling::{Sampling, noise};

/// How a backend is to lay a matrix out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// For products of whole rows with a vector.
    RowMajor,
    /// For the down projection: the weights of one neuron (one *column* of the file's matrix) lie together, so that
    /// a zero neuron's weights are never read.
    NeuronMajor,
    /// For latent attention: `kv_b_proj`, which has for each head `nope` rows of Wk, then `v` rows of Wv.
    Heads { nope: usize, v: usize },
}

/// A matrix about to be uploaded, as the file has it.
#[derive(Clone, Debug)]
pub struct MatrixDescriptor {
    /// The tensor's name, for messages.
    pub name: String,
    pub element_type: ElementType,
    /// Output features.
    pub rows: usize,
    /// Input features; a whole number of the element type's blocks.
    pub columns: usize,
    pub layout: Layout,
}

/// What attention in one layer works on.
pub struct LatentAttention<'a, B: Backend + ?Sized> {
    pub layer: usize,
    /// Of the first new token; the cache holds this many before it.
    pub position: usize,
    /// [tokens, heads x (nope + rope)]; RoPE turns, in each head, the pairs (2i, 2i + 1) of the last `rope` values by
    /// (position + token) * theta^(-2i / rope).
    pub q: &'a B::Activation,
    /// [tokens, rank + rope]: the latent, which RMSNorm with `kv_a_layernorm` makes `c`, and the key that RoPE turns.
    pub compressed: &'a B::Activation,
    pub kv_a_layernorm: &'a B::Vector,
    /// [heads x (nope + v), rank], per head the rows of Wk, then those of Wv.
    pub kv_b_proj: &'a B::Matrix,
}

/// What a forward pass runs.
pub enum Tokens<'a, B: Backend + ?Sized> {
    /// At least one id.
    Known(&'a [u32]),
    /// The token that was sampled last, whether or not the host knows it yet.
    Sampled(&'a B::Token),
}

impl MatrixDescriptor {
    /// Checks that `bytes` are whole rows, no more than are missing after `rows_done`, and gives the bytes of one.
    fn check_rows(&self, bytes: &[u8], rows_done: usize) -> Result<usize> {
        let row_bytes = self.element_type.byte_length(self.columns as u64).unwrap_or(0) as usize;
        let missing = self.rows - rows_done;
        if row_bytes == 0 || !bytes.len().is_multiple_of(row_bytes) || bytes.len() / row_bytes > missing {
            return Err(Error::Malformed(format!(
                "{}: {} bytes were given; expected at most {missing} rows of {row_bytes} bytes",
                self.name,
                bytes.len()
            )));
        }
        Ok(row_bytes)
    }

    /// Checks that every row has been given.
    fn check_whole(&self, rows_done: usize) -> Result<()> {
        if rows_done == self.rows {
            return Ok(());
        }
        Err(Error::Truncated(format!("{}: {rows_done} of {} rows were given", self.name, self.rows)))
    }
}

/// What runs the forward pass. Activations are f32 [tokens, width]. Operations are recorded or computed in call order;
/// only the asynchronous ones wait for results.
#[async_trait(?Send)]
pub trait Backend {
    /// A weight matrix on the device.
    type Matrix;
    /// A matrix while its rows arrive.
    type MatrixUpload;
    /// A weight vector (f32) on the device.
    type Vector;
    /// f32 [tokens, width].
    type Activation;
    /// The non-zero neurons of a feed-forward layer: for every token a list of (index, value).
    type SparseActivation;
    /// For each layer [capacity, kv_lora_rank + qk_rope_head_dim]: the normed latent `c`, then the rotated key, as f16.
    type Cache;
    /// What one reply's draws depend on: its [`Sampling`], its seed, and how often each token has occurred.
    type Sampler;
    /// A sampled token, which the host may not know yet.
    type Token;
    /// A point in the work of the device.
    type Fence;
    /// An activation's values on their way to the host.
    type Values;
    /// The density of a forward pass on its way to the host.
    type Density;

    /// A name for people: the adapter's, or the processor's.
    fn name(&self) -> String;

    /// Begins a rehearsal, until [`Backend::end_rehearsal`]: operations compute and change nothing, but make what
    /// they would otherwise make at their first real run, such as compiled kernels. Matrices are finished without rows, and
    /// they and vectors take no memory. The cache must be a real one, made before; it stays as it is. Nothing may be waited
    /// for. False where there is nothing to make; then no rehearsal has begun.
    ///
    /// # Errors
    /// As [`Backend::read`].
    fn begin_rehearsal(&mut self) -> Result<bool> {
        Ok(false)
    }
    /// Ends a rehearsal. What was made of weights and activations in it is of no further use.
    fn end_rehearsal(&mut self) {}

    /// Reserves device memory for a matrix.
    ///
    /// # Errors
    /// [`crate::Error::OutOfDeviceMemory`] where it does not fit in memory or limits.
    fn begin_matrix(&mut self, descriptor: &MatrixDescriptor) -> Result<Self::MatrixUpload>;
    /// Takes the next rows, in the file's encoding: any whole number of rows, in order.
    fn upload_rows(&mut self, upload: &mut Self::MatrixUpload, bytes: &[u8]) -> Result<()>;
    /// Ends an upload; every row must have been given.
    fn finish_matrix(&mut self, upload: Self::MatrixUpload) -> Result<Self::Matrix>;
    /// Puts a vector on the device.
    fn vector(&mut self, values: &[f32]) -> Result<Self::Vector>;
    /// Bytes that the cache takes for one token in all layers.
    fn cache_bytes_a_token(&self, config: &Config) -> usize;
    /// Reserves a cache for `capacity` tokens.
    fn create_cache(&mut self, config: &Config, capacity: usize) -> Result<Self::Cache>;
    /// As [`Backend::create_cache`], and waits until it is certain that the device could. Where it could not nothing else is lost.
    ///
    /// # Errors
    /// [`crate::Error::OutOfDeviceMemory`]; else as [`Backend::read`].
    async fn try_create_cache(&mut self, config: &Config, capacity: usize) -> Result<Self::Cache> {
        self.create_cache(config, capacity)
    }
    /// Frees a cache. Work that was asked for is done with it first.
    fn release_cache(&mut self, _cache: Self::Cache) {}
    /// How caches are laid out in [`Backend::read_cache`]: backends that say the same understand each other.
    fn cache_format(&self) -> [u8; 4];
    /// Copies the first `tokens` entries of all layers to the same places of another cache. What it had after them is lost.
    fn copy_cache(&mut self, from: &Self::Cache, to: &mut Self::Cache, tokens: usize);
    /// The first `tokens` entries of a layer, as bytes.
    ///
    /// # Errors
    /// As [`Backend::fetched`].
    async fn read_cache(&mut self, cache: &Self::Cache, layer: usize, tokens: usize) -> Result<Vec<u8>>;
    /// Writes what [`Backend::read_cache`] has given.
    ///
    /// # Errors
    /// [`crate::Error::InvalidRequest`] where the bytes are not those of `tokens` entries.
    fn write_cache(&mut self, cache: &mut Self::Cache, layer: usize, tokens: usize, bytes: &[u8]) -> Result<()>;

    /// The tokens' rows of the embedding [tokens, hidden]: the start of a forward pass at positions `position..`.
    ///
    /// # Errors
    /// [`crate::Error::InvalidRequest`] where an id is not below the table's rows, or where a sampled token is not the last
    /// one sampled or is not to be run at the position that it was sampled for.
    fn embed(&mut self, table: &Self::Matrix, tokens: Tokens<'_, Self>, position: usize) -> Result<Self::Activation>;
    /// Makes the operations that follow those of a pass of `tokens` tokens at `position..`, which [`Backend::embed`] began
    /// before it began others: passes may take turns, layer by layer.
    fn resume(&mut self, _position: usize, _tokens: usize) {}
    /// RMSNorm(x) W^T with RMSNorm(x) = x / sqrt(mean(x^2) + eps) * norm: [tokens, columns] -> [tokens, rows].
    fn norm_matmul(
        &mut self,
        x: &Self::Activation,
        norm: &Self::Vector,
        matrix: &Self::Matrix,
        config: &Config,
    ) -> Result<Self::Activation>;
    /// residual += x W^T.
    fn matmul_add(
        &mut self,
        residual: &mut Self::Activation,
        matrix: &Self::Matrix,
        x: &Self::Activation,
    ) -> Result<()>;
    /// Appends the new tokens to the cache, then attends to everything in it, causally -> [tokens, heads x v].
    fn latent_attention(
        &mut self,
        cache: &mut Self::Cache,
        attention: LatentAttention<'_, Self>,
        config: &Config,
    ) -> Result<Self::Activation>;
    /// relu(RMSNorm(x) Wup^T)^2, as the list of its non-zeros. `layer` says whose density this is.
    fn norm_relu_squared(
        &mut self,
        layer: usize,
        x: &Self::Activation,
        norm: &Self::Vector,
        up: &Self::Matrix,
        config: &Config,
    ) -> Result<Self::SparseActivation>;
    /// residual += active Wdown^T, reading only the weights of active neurons. `down` is neuron-major.
    fn sparse_matmul_add(
        &mut self,
        residual: &mut Self::Activation,
        down: &Self::Matrix,
        active: &Self::SparseActivation,
    ) -> Result<()>;
    /// The last token's row [1, width].
    fn last_row(&mut self, x: &Self::Activation) -> Result<Self::Activation>;

    /// logits[token] += bias for each (token, bias); logits [1, vocab_size], and tokens below that, none of them twice.
    fn add_bias(&mut self, logits: &mut Self::Activation, bias: &[(u32, f32)]) -> Result<()>;
    /// Makes the logits [1, vocab_size] of all tokens -1e30 but of those whose bit is set: 32 tokens a word, the first in the
    /// lowest bit.
    fn mask(&mut self, logits: &mut Self::Activation, allowed: &[u32]) -> Result<()>;
    /// Begins a reply's draws, after this prompt and what has been drawn of the reply: the penalties ask for them.
    fn create_sampler(
        &mut self,
        sampling: &Sampling,
        seed: u64,
        vocab_size: usize,
        prompt: &[u32],
        drawn: &[u32],
    ) -> Result<Self::Sampler>;
    /// Draws the token at `position` from its logits [1, vocab_size], and counts it.
    fn sample(
        &mut self,
        sampler: &mut Self::Sampler,
        logits: &Self::Activation,
        position: usize,
    ) -> Result<Self::Token>;
    /// Waits for a sampled token's id. It may be asked again.
    ///
    /// # Errors
    /// [`crate::Error::Malformed`] where a logit was not finite, unless [`Backend::sample`] has said so; else as
    /// [`Backend::read`].
    async fn token(&mut self, token: &Self::Token) -> Result<u32>;
    /// How many sampled tokens it is worth to have under way before the first of them is waited for.
    fn steps_in_flight(&self) -> usize;
    /// The point at which everything asked for so far is done. The device is given all of it.
    fn fence(&mut self) -> Self::Fence;
    /// Waits until the device has come to a fence, and not for what was asked for after it.
    ///
    /// # Errors
    /// As [`Backend::read`].
    async fn reached(&mut self, fence: &Self::Fence) -> Result<()>;
    /// Waits until everything asked for so far is done.
    ///
    /// # Errors
    /// As [`Backend::read`].
    async fn wait(&mut self) -> Result<()> {
        let fence = self.fence();
        self.reached(&fence).await
    }

    /// Has an activation's values, as they are at this point, brought to the host.
    fn fetch(&mut self, x: &Self::Activation) -> Self::Values;
    /// Waits for values. They may be asked for again.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] or [`crate::Error::OutOfDeviceMemory`] where the device failed since the last read.
    async fn fetched(&mut self, values: &Self::Values) -> Result<Vec<f32>>;
    /// Waits for an activation's values.
    ///
    /// # Errors
    /// As [`Backend::fetched`].
    async fn read(&mut self, x: &Self::Activation) -> Result<Vec<f32>> {
        let values = self.fetch(x);
        self.fetched(&values).await
    }
    /// Has the density of the last forward pass, as it is at this point, brought to the host: the fraction of neurons that were
    /// not zero, one value a layer, of the pass's last token.
    fn fetch_density(&mut self) -> Self::Density;
    /// Waits for a density. It may be asked for again.
    ///
    /// # Errors
    /// As [`Backend::fetched`].
    async fn fetched_density(&mut self, density: &Self::Density) -> Result<Vec<f32>>;
    /// Waits for the density of the last forward pass, which may be one whose token nobody has waited for yet.
    ///
    /// # Errors
    /// As [`Backend::fetched`].
    async fn density(&mut self) -> Result<Vec<f32>> {
        let density = self.fetch_density();
        self.fetched_density(&density).await
    }
}

/// The nearest f16, for the cache; what f16 cannot hold becomes its largest value, since infinity would make every later sum NaN.
fn to_f16(value: f32) -> f16 {
    let most = f32::from(f16::MAX);
    f16::from_f32(value.clamp(-most, most))
}

/// Checks that a layer's entries have as many bytes as they should.
fn check_entries(found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::InvalidRequest(format!(
        "these are not the bytes of a session: a layer has {found} bytes; expected {expected}"
    )))
}

/// What [`Backend::mask`] makes of a forbidden token's logit: finite, and less than any other.
const FORBIDDEN: f32 = -1e30;

/// Masks logits on the host.
fn mask(logits: &mut [f32], allowed: &[u32]) -> Result<()> {
    check_mask(logits.len(), allowed)?;
    for (token, logit) in logits.iter_mut().enumerate() {
        if allowed[token / 32] >> (token % 32) & 1 == 0 {
            *logit = FORBIDDEN;
        }
    }
    Ok(())
}

fn check_mask(vocab_size: usize, allowed: &[u32]) -> Result<()> {
    if allowed.len() == vocab_size.div_ceil(32) {
        return Ok(());
    }
    Err(Error::InvalidRequest(format!("a mask of {} words was given for {vocab_size} tokens", allowed.len())))
}

/// Adds a bias to logits on the host.
fn add_bias(logits: &mut [f32], bias: &[(u32, f32)]) {
    for &(token, bias) in bias {
        logits.get_mut(token as usize).into_iter().for_each(|logit| *logit += bias);
    }
}

fn check_width(operation: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::UnsupportedModel(format!("{operation}: a width of {found} was given, {expected} was expected")))
}
