//! The shape of a PLM, by the names of its Hugging Face `config.json`.

use crate::{Error, Result};

/// The dimensions and constants of one PLM.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    /// Width of the cached latent `c`.
    pub kv_lora_rank: usize,
    /// Width of the part of a head's query and key that carries no position.
    pub qk_nope_head_dim: usize,
    /// Width of the rotated part; the rotated key is shared by all heads.
    pub qk_rope_head_dim: usize,
    pub v_head_dim: usize,
    /// Neurons of one feed-forward layer.
    pub intermediate_size: usize,
    pub rms_norm_eps: f32,
    pub rope_theta: f32,
    pub max_position_embeddings: usize,
}

impl Config {
    /// Width of one head's query: the position-free part, then the rotated part.
    pub fn qk_head_dim(&self) -> usize {
        self.qk_nope_head_dim + self.qk_rope_head_dim
    }

    /// Values that the cache holds for one token in one layer: the latent, then the rotated key.
    pub fn cache_width(&self) -> usize {
        self.kv_lora_rank + self.qk_rope_head_dim
    }

    /// Values that keys and values of every head take for one token in one layer, which the cache does without.
    pub fn expanded_cache_width(&self) -> usize {
        self.num_attention_heads * (self.qk_head_dim() + self.v_head_dim)
    }

    /// What attention scores are multiplied with.
    pub fn attention_scale(&self) -> f32 {
        (self.qk_head_dim() as f32).powf(-0.5)
    }

    /// Checks that every dimension is usable, so that later arithmetic on them cannot overflow.
    ///
    /// # Errors
    /// [`Error::UnsupportedModel`] naming the field, its value and its bounds.
    pub fn validate(&self) -> Result<()> {
        let fields = [
            ("vocab_size", self.vocab_size, 1 << 22),
            ("hidden_size", self.hidden_size, 1 << 16),
            ("num_hidden_layers", self.num_hidden_layers, 1 << 10),
            ("num_attention_heads", self.num_attention_heads, 1 << 10),
            ("kv_lora_rank", self.kv_lora_rank, 1 << 16),
            ("qk_nope_head_dim", self.qk_nope_head_dim, 1 << 12),
            ("qk_rope_head_dim", self.qk_rope_head_dim, 1 << 12),
            ("v_head_dim", self.v_head_dim, 1 << 12),
            ("intermediate_size", self.intermediate_size, 1 << 20),
            ("max_position_embeddings", self.max_position_embeddings, 1 << 24),
        ];
        for (name, value, most) in fields {
            if value == 0 || value > most {
                return Err(Error::UnsupportedModel(format!("{name} is {value}; expected 1 to {most}")));
            }
        }
        // What all heads have together, and what a context takes, must be sizes that a 32-bit build can count.
        let together = self.num_attention_heads * self.qk_head_dim().max(self.qk_nope_head_dim + self.v_head_dim);
        if together > 1 << 20 {
            return Err(Error::UnsupportedModel(format!(
                "all heads together are {together} wide; expected up to {}",
                1 << 20
            )));
        }
        if !self.qk_rope_head_dim.is_multiple_of(2) {
            return Err(Error::UnsupportedModel(format!(
                "qk_rope_head_dim is {}; rotary pairs need an even number",
                self.qk_rope_head_dim
            )));
        }
        for (name, value) in [("rms_norm_eps", self.rms_norm_eps), ("rope_theta", self.rope_theta)] {
            if !value.is_finite() || value <= 0.0 {
                return Err(Error::UnsupportedModel(format!("{name} is {value}; expected a positive number")));
            }
        }
        Ok(())
    }
}
