//! What a token took: the neurons that were active, the weights that nobody read, the cache.

use super::{Engine, Generation, TokenLogprob};
use crate::{
    backend::Backend,
    format::{Checkpoint, LayerTensor, TensorName},
    model::Config,
};

/// What the pass took that gave a token, the one that ran the token before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    /// The token's text; bytes that are no UTF-8 alone are U+FFFD.
    pub token: String,
    /// How likely it was, and its rivals, where that was asked for.
    pub logprobs: Option<TokenLogprob>,
    /// Tokens of the reply until this one.
    pub completion_tokens: usize,
    /// The fraction of neurons of each layer that were not zero.
    pub density: Vec<f32>,
    /// Bytes of the other neurons' rows of the down projections, of which the token had no use.
    pub skipped_bytes: u64,
    /// Bytes of cache that the conversation takes.
    pub cache_bytes: u64,
    /// Bytes that the same tokens would take as keys and values of every head, of 16 bits each.
    pub expanded_cache_bytes: u64,
}

/// Bytes of a model's weights, as its files have them.
pub(super) struct WeightBytes {
    pub all: u64,
    /// Of each layer.
    pub down_proj: Vec<u64>,
}

impl WeightBytes {
    pub fn of(checkpoint: &Checkpoint) -> Self {
        let bytes = |name: TensorName| checkpoint.tensors.get(&name).map_or(0, |tensor| tensor.byte_length);
        let layers = 0..checkpoint.config.num_hidden_layers;
        Self {
            all: checkpoint.tensors.values().map(|tensor| tensor.byte_length).sum(),
            down_proj: layers.map(|layer| bytes(TensorName::Layer(layer, LayerTensor::DownProj))).collect(),
        }
    }

    /// Those of neurons that are zero.
    fn skipped(&self, density: &[f32]) -> u64 {
        let skipped = |(bytes, density): (&u64, &f32)| (*bytes as f64 * f64::from(1.0 - density)) as u64;
        self.down_proj.iter().zip(density).map(skipped).sum()
    }
}

/// Bytes that a token would take in a cache of keys and values of every head, of 16 bits each.
fn expanded_bytes_a_token(config: &Config) -> u64 {
    (config.num_hidden_layers * config.expanded_cache_width() * 2) as u64
}

impl<B: Backend> Engine<B> {
    /// Bytes of all weights, as the model's files have them.
    pub fn weight_bytes(&self) -> u64 {
        self.weight_bytes.all
    }

    /// Bytes of cache that all conversations take now.
    pub fn cache_bytes(&self) -> u64 {
        (self.slots.tokens() * self.backend.cache_bytes_a_token(&self.config)) as u64
    }

    /// Bytes that the same tokens would take as keys and values of every head, of 16 bits each.
    pub fn expanded_cache_bytes(&self) -> u64 {
        self.slots.tokens() as u64 * expanded_bytes_a_token(&self.config)
    }

    /// What a reply's next token took, which is not counted yet.
    pub(super) fn activity(
        &self,
        generation: &Generation<B>,
        id: u32,
        logprobs: Option<TokenLogprob>,
        density: Vec<f32>,
    ) -> Activity {
        let usage = generation.usage();
        let tokens = usage.total_tokens as u64;
        Activity {
            token: String::from_utf8_lossy(self.prompts.tokenizer.token_bytes(id)).into_owned(),
            logprobs,
            completion_tokens: usage.completion_tokens + 1,
            skipped_bytes: self.weight_bytes.skipped(&density),
            cache_bytes: tokens * self.backend.cache_bytes_a_token(&self.config) as u64,
            expanded_cache_bytes: tokens * expanded_bytes_a_token(&self.config),
            density,
        }
    }
}
