//! What the bytes say. Only headers are read here; tensors are streamed later, by range.

mod check;
mod gguf;
mod hugging_face;
mod names;

use crate::{
    Result,
    byte_strings::ByteStrings,
    model::Config,
    source::{Folder, Source},
    weights::ElementType,
};
use std::{collections::HashMap, rc::Rc};

/// Which weight of PLM a tensor is, whatever the file calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TensorName {
    EmbedTokens,
    Norm,
    Layer(usize, LayerTensor),
}

/// The weights of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LayerTensor {
    InputLayernorm,
    QProj,
    KvAProjWithMqa,
    KvALayernorm,
    KvBProj,
    OProj,
    PostAttentionLayernorm,
    UpProj,
    DownProj,
}

/// Where one tensor's bytes are.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    /// The name in the file, for messages.
    pub name: String,
    pub element_type: ElementType,
    /// Outermost first: (out, in) for a matrix.
    pub shape: Vec<usize>,
    /// Index into [`Checkpoint::sources`].
    pub source: usize,
    /// From the start of that file.
    pub offset: u64,
    pub byte_length: u64,
}

/// What the tokenizer is made from.
#[derive(Clone, Debug)]
pub enum Vocabulary {
    /// The bytes of a `tokenizer.json`.
    TokenizerJson(Vec<u8>),
    /// `tokenizer.ggml.*` of a GGUF.
    Gguf(GgufVocabulary),
    /// The checkpoint has none (random test models): such a model takes and gives ids only.
    None,
}

/// `tokenizer.ggml.*`: byte-level BPE.
#[derive(Clone, Debug, Default)]
pub struct GgufVocabulary {
    /// `tokenizer.ggml.pre`, which names the pre-tokenizer ("qwen2").
    pub pre: String,
    /// Token texts in the byte-level alphabet, by id, in UTF-8.
    pub tokens: ByteStrings,
    /// ggml's token types by id: 1 normal, 3 control, 4 user defined, 5 unused.
    pub token_types: Vec<i32>,
    /// "left right", best first.
    pub merges: ByteStrings,
    pub eos_token_id: Option<u32>,
}

/// A model as its files describe it, checked for consistency: every tensor that the configuration calls for is there
/// once, has the right shape, and lies inside its file.
pub struct Checkpoint {
    pub config: Config,
    pub tensors: HashMap<TensorName, TensorInfo>,
    pub sources: Vec<Rc<dyn Source>>,
    pub vocabulary: Vocabulary,
    pub chat_template: Option<String>,
}

impl Checkpoint {
    /// Reads the header of a GGUF file (version 2 or 3).
    ///
    /// # Errors
    /// `NotAModel`, `UnsupportedModel`, `Truncated`, `Malformed` or `Missing`, and what the source gives.
    pub async fn open_gguf(source: Rc<dyn Source>) -> Result<Self> {
        gguf::open(vec![source]).await
    }

    /// Reads the headers of a GGUF that was split into parts, given in order.
    ///
    /// # Errors
    /// As [`Checkpoint::open_gguf`]; `Missing` where these are not all parts.
    pub async fn open_gguf_parts(sources: Vec<Rc<dyn Source>>) -> Result<Self> {
        gguf::open(sources).await
    }

    /// Reads a Hugging Face folder: `config.json`, `model.safetensors` or `model.safetensors.index.json` with its
    /// shards, `tokenizer.json`, `tokenizer_config.json`.
    ///
    /// # Errors
    /// As [`Checkpoint::open_gguf`].
    pub async fn open_folder(folder: &dyn Folder) -> Result<Self> {
        hugging_face::open(folder).await
    }
}
