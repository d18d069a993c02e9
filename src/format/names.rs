//! What each file format calls PLM's tensors, and the shape that each must have.

use super::{LayerTensor, TensorName};
use crate::model::Config;

/// Each tensor of a layer with its names in safetensors and in GGUF, without the layer's prefix and `.weight`.
const LAYER_TENSORS: [(LayerTensor, &str, &str); 9] = [
    (LayerTensor::InputLayernorm, "input_layernorm", "attn_norm"),
    (LayerTensor::QProj, "self_attn.q_proj", "attn_q"),
    (LayerTensor::KvAProjWithMqa, "self_attn.kv_a_proj_with_mqa", "attn_kv_a_mqa"),
    (LayerTensor::KvALayernorm, "self_attn.kv_a_layernorm", "attn_kv_a_norm"),
    (LayerTensor::KvBProj, "self_attn.kv_b_proj", "attn_kv_b"),
    (LayerTensor::OProj, "self_attn.o_proj", "attn_output"),
    (LayerTensor::PostAttentionLayernorm, "post_attention_layernorm", "ffn_norm"),
    (LayerTensor::UpProj, "mlp.up_proj", "ffn_up"),
    (LayerTensor::DownProj, "mlp.down_proj", "ffn_down"),
];

impl TensorName {
    /// The tensor that GGUF calls `name`, or `None` where it is none of PLM's.
    pub(super) fn from_gguf(name: &str) -> Option<Self> {
        match name {
            "token_embd.weight" => Some(Self::EmbedTokens),
            "output_norm.weight" => Some(Self::Norm),
            _ => Self::in_layer(name.strip_prefix("blk.")?, |(_, _, gguf)| gguf),
        }
    }

    /// The tensor that a Hugging Face checkpoint calls `name`, or `None` where it is none of PLM's.
    pub(super) fn from_hugging_face(name: &str) -> Option<Self> {
        match name {
            "model.embed_tokens.weight" => Some(Self::EmbedTokens),
            "model.norm.weight" => Some(Self::Norm),
            _ => Self::in_layer(name.strip_prefix("model.layers.")?, |(_, hugging_face, _)| hugging_face),
        }
    }

    /// `name` is "3.attn_q.weight", say.
    fn in_layer(
        name: &str,
        column: impl Fn((LayerTensor, &'static str, &'static str)) -> &'static str,
    ) -> Option<Self> {
        let (digits, rest) = name.strip_suffix(".weight")?.split_once('.')?;
        let layer: usize = digits.parse().ok()?;
        // "+3" and "03" are not how anyone writes layer 3.
        if layer.to_string() != digits {
            return None;
        }
        let row = LAYER_TENSORS.into_iter().find(|&row| column(row) == rest)?;
        Some(Self::Layer(layer, row.0))
    }

    /// Every tensor that a model of this configuration has. The configuration must be valid.
    pub(super) fn all(config: &Config) -> impl Iterator<Item = Self> {
        [Self::EmbedTokens, Self::Norm].into_iter().chain((0..config.num_hidden_layers).flat_map(Self::of_layer))
    }

    /// Every tensor of a layer.
    pub(crate) fn of_layer(layer: usize) -> impl Iterator<Item = Self> {
        LAYER_TENSORS.into_iter().map(move |(tensor, ..)| Self::Layer(layer, tensor))
    }

    /// The shape that the configuration asks for, outermost first. The configuration must be valid.
    pub(super) fn shape(self, config: &Config) -> Vec<usize> {
        let heads = config.num_attention_heads;
        let hidden = config.hidden_size;
        match self {
            Self::EmbedTokens => vec![config.vocab_size, hidden],
            Self::Norm => vec![hidden],
            Self::Layer(_, tensor) => match tensor {
                LayerTensor::InputLayernorm | LayerTensor::PostAttentionLayernorm => vec![hidden],
                LayerTensor::QProj => vec![heads * config.qk_head_dim(), hidden],
                LayerTensor::KvAProjWithMqa => vec![config.cache_width(), hidden],
                LayerTensor::KvALayernorm => vec![config.kv_lora_rank],
                LayerTensor::KvBProj => {
                    vec![heads * (config.qk_nope_head_dim + config.v_head_dim), config.kv_lora_rank]
                }
                LayerTensor::OProj => vec![hidden, heads * config.v_head_dim],
                LayerTensor::UpProj => vec![config.intermediate_size, hidden],
                LayerTensor::DownProj => vec![hidden, config.intermediate_size],
            },
        }
    }
}

/// The tensor as both formats name it, for messages: "blk.3.attn_q.weight (model.layers.3.self_attn.q_proj.weight)".
impl std::fmt::Display for TensorName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::EmbedTokens => formatter.write_str("token_embd.weight (model.embed_tokens.weight)"),
            Self::Norm => formatter.write_str("output_norm.weight (model.norm.weight)"),
            Self::Layer(layer, tensor) => match LAYER_TENSORS.iter().find(|row| row.0 == *tensor) {
                Some((_, hugging_face, gguf)) => {
                    write!(formatter, "blk.{layer}.{gguf}.weight (model.layers.{layer}.{hugging_face}.weight)")
                }
                None => write!(formatter, "{tensor:?} of layer {layer}"),
            },
        }
    }
}
