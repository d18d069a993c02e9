//! The forward pass of PLM, once, for every backend.
//! The order is the paper's (arXiv 2503.12167).

use super::Config;
use crate::{
    Result,
    backend::{Backend, LatentAttention, Tokens},
};

/// The weights of one layer.
pub struct LayerWeights<B: Backend + ?Sized> {
    pub input_layernorm: B::Vector,
    /// heads x (nope + rope), hidden
    pub q_proj: B::Matrix,
    /// rank + rope, hidden
    pub kv_a_proj_with_mqa: B::Matrix,
    pub kv_a_layernorm: B::Vector,
    /// heads x (nope + v), rank
    pub kv_b_proj: B::Matrix,
    /// hidden, heads x v
    pub o_proj: B::Matrix,
    pub post_attention_layernorm: B::Vector,
    /// intermediate, hidden
    pub up_proj: B::Matrix,
    /// hidden, intermediate; kept neuron-major
    pub down_proj: B::Matrix,
}

/// All weights of a model. The embedding is also the head.
pub struct Weights<B: Backend + ?Sized> {
    /// vocabulary, hidden
    pub embed_tokens: B::Matrix,
    pub layers: Vec<LayerWeights<B>>,
    pub norm: B::Vector,
    /// A hash of the first bytes of each tensor: other weights have another.
    pub fingerprint: u64,
}

/// Runs `tokens` at positions `position..` and returns the logits that follow the last of them
/// [1, vocab_size]. The cache must hold exactly the `position` tokens before them, and gains theirs.
///
/// # Errors
/// What the backend's operations give.
pub fn forward<B: Backend + ?Sized>(
    backend: &mut B,
    config: &Config,
    weights: &Weights<B>,
    cache: &mut B::Cache,
    tokens: Tokens<'_, B>,
    position: usize,
) -> Result<B::Activation> {
    let x = hidden_states(backend, config, weights, cache, tokens, position)?;
    let last = backend.last_row(&x)?;
    backend.norm_matmul(&last, &weights.norm, &weights.embed_tokens, config)
}

/// As [`forward`], but gives the logits that follow each of the tokens [tokens, vocab_size]: to measure a model on a text,
/// not to write one.
///
/// # Errors
/// What the backend's operations give.
pub fn forward_all<B: Backend + ?Sized>(
    backend: &mut B,
    config: &Config,
    weights: &Weights<B>,
    cache: &mut B::Cache,
    tokens: Tokens<'_, B>,
    position: usize,
) -> Result<B::Activation> {
    let x = hidden_states(backend, config, weights, cache, tokens, position)?;
    backend.norm_matmul(&x, &weights.norm, &weights.embed_tokens, config)
}

/// What the last layer leaves of each token [tokens, hidden], before the last norm.
fn hidden_states<B: Backend + ?Sized>(
    backend: &mut B,
    config: &Config,
    weights: &Weights<B>,
    cache: &mut B::Cache,
    tokens: Tokens<'_, B>,
    position: usize,
) -> Result<B::Activation> {
    let mut x = backend.embed(&weights.embed_tokens, tokens, position)?;
    for (index, layer) in weights.layers.iter().enumerate() {
        run_layer(backend, config, (index, layer), cache, &mut x, position)?;
    }
    Ok(x)
}

/// Takes the tokens `x` [tokens, hidden], at positions `position..`, through the layer of this index.
pub(crate) fn run_layer<B: Backend + ?Sized>(
    backend: &mut B,
    config: &Config,
    (index, layer): (usize, &LayerWeights<B>),
    cache: &mut B::Cache,
    x: &mut B::Activation,
    position: usize,
) -> Result<()> {
    let q = backend.norm_matmul(x, &layer.input_layernorm, &layer.q_proj, config)?;
    let compressed = backend.norm_matmul(x, &layer.input_layernorm, &layer.kv_a_proj_with_mqa, config)?;
    let attention = LatentAttention {
        layer: index,
        position,
        q: &q,
        compressed: &compressed,
        kv_a_layernorm: &layer.kv_a_layernorm,
        kv_b_proj: &layer.kv_b_proj,
    };
    let o = backend.latent_attention(cache, attention, config)?;
    backend.matmul_add(x, &layer.o_proj, &o)?;

    let active = backend.norm_relu_squared(index, x, &layer.post_attention_layernorm, &layer.up_proj, config)?;
    backend.sparse_matmul_add(x, &layer.down_proj, &active)
}
