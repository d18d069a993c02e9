//! Streams a checkpoint's tensors into a backend, a few rows at a time.

use super::ElementType;
use crate::{
    Error, Result,
    backend::{Backend, Layout, MatrixDescriptor},
    format::{Checkpoint, LayerTensor, TensorInfo, TensorName},
    model::{Config, LayerWeights, Weights},
    source::ByteStream,
};
use std::collections::HashMap;

/// How far loading has come, in bytes of the files that have the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadProgress {
    pub loaded: u64,
    pub total: u64,
}

/// Bytes given to the device before the bytes of as many before them must have arrived there.
const IN_FLIGHT: usize = 16 << 20;

/// What a load tells of itself while it goes on.
pub trait LoadListener<B: Backend> {
    fn progress(&mut self, _progress: LoadProgress) {}

    /// Asked before each chunk.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// Told when the embedding has arrived, and then each time that a further layer has: `layers` are those from the first on.
    ///
    /// # Errors
    /// They end the load.
    fn layers_arrived(
        &mut self,
        _backend: &mut B,
        _embed_tokens: &B::Matrix,
        _layers: &[LayerWeights<B>],
    ) -> Result<()> {
        Ok(())
    }
}

/// Listens to nothing.
impl<B: Backend> LoadListener<B> for () {}

/// Reads every tensor that the model needs, in the order in which the files have them, so that each file is read once from its
/// start to its end.
///
/// # Errors
/// [`Error::Aborted`] once the listener has cancelled it; else what the sources, the backend and the listener give.
pub async fn load_weights<B: Backend>(
    backend: &mut B,
    checkpoint: &Checkpoint,
    listener: &mut dyn LoadListener<B>,
) -> Result<Weights<B>> {
    let total = checkpoint.sources.iter().map(|source| source.size()).sum();
    let state = LoadProgress { loaded: 0, total };
    listener.progress(state);
    let mut order: Vec<_> = checkpoint.tensors.iter().collect();
    order.sort_by_key(|(_, tensor)| (tensor.source, tensor.offset));
    let config = &checkpoint.config;
    let mut loader = Loader { backend, config, listener, state, under_way: 0, fence: None, fingerprint: FNV_OFFSET };
    let mut tensors = Tensors::default();
    for (index, source) in checkpoint.sources.iter().enumerate() {
        let mut bytes = InOrder { stream: source.stream(0..source.size()).await?, chunk: Vec::new(), taken: 0, at: 0 };
        for (name, tensor) in order.iter().filter(|(_, tensor)| tensor.source == index) {
            let gap = tensor.offset - bytes.at;
            loader.skip(&mut bytes, gap).await?;
            match tensor.shape[..] {
                [_] => drop(tensors.vectors.insert(**name, loader.vector(&mut bytes, tensor).await?)),
                _ => drop(tensors.matrices.insert(**name, loader.matrix(&mut bytes, **name, tensor).await?)),
            }
            if (tensors.gather_layers()? || **name == TensorName::EmbedTokens)
                && let Some(embed_tokens) = tensors.matrices.get(&TensorName::EmbedTokens)
            {
                loader.listener.layers_arrived(loader.backend, embed_tokens, &tensors.layers)?;
            }
        }
        // What follows is read too: only at its end does a source know whether it was the right file.
        let rest = source.size() - bytes.at;
        loader.skip(&mut bytes, rest).await?;
        if bytes.next(1).await?.is_some() {
            return Err(Error::Io(format!("{}: more bytes came than it has", source.name())));
        }
    }
    tensors.weights(checkpoint, loader.fingerprint)
}

/// The weights that [`load_weights`] would give, without their contents, for a backend's rehearsal. Nothing is read from the
/// sources.
///
/// # Errors
/// What the backend gives, such as [`Error::OutOfDeviceMemory`] where a matrix is over its limits.
pub fn stand_ins<B: Backend>(backend: &mut B, checkpoint: &Checkpoint) -> Result<Weights<B>> {
    let mut tensors = Tensors::default();
    for (name, tensor) in &checkpoint.tensors {
        match tensor.shape[..] {
            [length] => drop(tensors.vectors.insert(*name, backend.vector(&vec![0.0; length])?)),
            _ => {
                let upload = backend.begin_matrix(&descriptor(*name, tensor, &checkpoint.config))?;
                tensors.matrices.insert(*name, backend.finish_matrix(upload)?);
            }
        }
    }
    tensors.weights(checkpoint, 0)
}

/// What has been loaded.
struct Tensors<B: Backend> {
    matrices: HashMap<TensorName, B::Matrix>,
    vectors: HashMap<TensorName, B::Vector>,
    /// Those that are whole, from the first on.
    layers: Vec<LayerWeights<B>>,
}

impl<B: Backend> Default for Tensors<B> {
    fn default() -> Self {
        Self { matrices: HashMap::new(), vectors: HashMap::new(), layers: Vec::new() }
    }
}

impl<B: Backend> Tensors<B> {
    fn has(&self, name: TensorName) -> bool {
        self.matrices.contains_key(&name) || self.vectors.contains_key(&name)
    }

    /// Puts tensors together where they are a further layer. Tells whether they were.
    fn gather_layers(&mut self) -> Result<bool> {
        let before = self.layers.len();
        while TensorName::of_layer(self.layers.len()).all(|name| self.has(name)) {
            let index = self.layers.len();
            let mut matrix = |tensor| take(&mut self.matrices, TensorName::Layer(index, tensor));
            let mut vector = |tensor| take(&mut self.vectors, TensorName::Layer(index, tensor));
            self.layers.push(LayerWeights {
                input_layernorm: vector(LayerTensor::InputLayernorm)?,
                q_proj: matrix(LayerTensor::QProj)?,
                kv_a_proj_with_mqa: matrix(LayerTensor::KvAProjWithMqa)?,
                kv_a_layernorm: vector(LayerTensor::KvALayernorm)?,
                kv_b_proj: matrix(LayerTensor::KvBProj)?,
                o_proj: matrix(LayerTensor::OProj)?,
                post_attention_layernorm: vector(LayerTensor::PostAttentionLayernorm)?,
                up_proj: matrix(LayerTensor::UpProj)?,
                down_proj: matrix(LayerTensor::DownProj)?,
            });
        }
        Ok(self.layers.len() > before)
    }

    fn weights(mut self, checkpoint: &Checkpoint, fingerprint: u64) -> Result<Weights<B>> {
        self.gather_layers()?;
        let index = self.layers.len();
        if index < checkpoint.config.num_hidden_layers {
            let missing = TensorName::of_layer(index).find(|name| !self.has(*name));
            return Err(Error::Missing(
                missing.map_or_else(|| format!("layer {index}"), |name| format!("tensor {name}")),
            ));
        }
        let embed_tokens = take(&mut self.matrices, TensorName::EmbedTokens)?;
        let norm = take(&mut self.vectors, TensorName::Norm)?;
        Ok(Weights { embed_tokens, layers: self.layers, norm, fingerprint })
    }
}

fn take<T>(tensors: &mut HashMap<TensorName, T>, name: TensorName) -> Result<T> {
    tensors.remove(&name).ok_or_else(|| Error::Missing(format!("tensor {name}")))
}

/// `tensor` has two dimensions.
fn descriptor(name: TensorName, tensor: &TensorInfo, config: &Config) -> MatrixDescriptor {
    MatrixDescriptor {
        name: tensor.name.clone(),
        element_type: tensor.element_type,
        rows: tensor.shape[0],
        columns: tensor.shape[1],
        layout: match name {
            TensorName::Layer(_, LayerTensor::DownProj) => Layout::NeuronMajor,
            TensorName::Layer(_, LayerTensor::KvBProj) => {
                Layout::Heads { nope: config.qk_nope_head_dim, v: config.v_head_dim }
            }
            _ => Layout::RowMajor,
        },
    }
}

/// A file's bytes from its start, as they arrive.
struct InOrder<'a> {
    stream: Box<dyn ByteStream + 'a>,
    chunk: Vec<u8>,
    /// Bytes of the chunk that have been given out.
    taken: usize,
    /// The place in the file of the next byte.
    at: u64,
}

impl InOrder<'_> {
    /// The next bytes, at least one and at most so many, or `None` at the file's end.
    async fn next(&mut self, most: u64) -> Result<Option<&[u8]>> {
        if self.taken == self.chunk.len() {
            let Some(chunk) = self.stream.next().await? else { return Ok(None) };
            self.chunk = chunk;
            self.taken = 0;
        }
        let length = most.min((self.chunk.len() - self.taken) as u64) as usize;
        let bytes = &self.chunk[self.taken..self.taken + length];
        self.taken += length;
        self.at += length as u64;
        Ok(Some(bytes))
    }
}

struct Loader<'a, B: Backend> {
    backend: &'a mut B,
    config: &'a Config,
    listener: &'a mut dyn LoadListener<B>,
    state: LoadProgress,
    /// Bytes given to the device since the last fence.
    under_way: usize,
    fence: Option<B::Fence>,
    /// See [`Weights::fingerprint`].
    fingerprint: u64,
}

/// The hash FNV-1a of 64 bits: its beginning, and what it multiplies by.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
/// Bytes of each tensor that the fingerprint is of.
const FINGERPRINT: usize = 64;

impl<B: Backend> Loader<'_, B> {
    /// As [`InOrder::next`], but the file must not end.
    async fn next<'b>(&mut self, bytes: &'b mut InOrder<'_>, most: u64) -> Result<&'b [u8]> {
        if self.listener.is_cancelled() {
            return Err(Error::Aborted);
        }
        let Some(part) = bytes.next(most).await? else {
            return Err(Error::Truncated("a file ended before its size".to_owned()));
        };
        self.state.loaded += part.len() as u64;
        self.listener.progress(self.state);
        Ok(part)
    }

    async fn skip(&mut self, bytes: &mut InOrder<'_>, mut left: u64) -> Result<()> {
        while left > 0 {
            left -= self.next(bytes, left).await?.len() as u64;
        }
        Ok(())
    }

    async fn vector(&mut self, bytes: &mut InOrder<'_>, tensor: &TensorInfo) -> Result<B::Vector> {
        let mut encoded = Vec::new();
        while (encoded.len() as u64) < tensor.byte_length {
            encoded.extend_from_slice(self.next(bytes, tensor.byte_length - encoded.len() as u64).await?);
        }
        self.note(&encoded);
        let mut values = vec![0.0; tensor.shape[0]];
        tensor.element_type.decode(&encoded, &mut values)?;
        self.backend.vector(&values)
    }

    async fn matrix(&mut self, bytes: &mut InOrder<'_>, name: TensorName, tensor: &TensorInfo) -> Result<B::Matrix> {
        let row_bytes = row_bytes(tensor.element_type, tensor.shape[1], &tensor.name)?;
        let mut upload = self.backend.begin_matrix(&descriptor(name, tensor, self.config))?;
        let mut left = tensor.byte_length;
        let mut first: Vec<u8> = Vec::new();
        // The start of a row whose end has not arrived.
        let mut started: Vec<u8> = Vec::new();
        while left > 0 {
            let part = self.next(bytes, left).await?;
            left -= part.len() as u64;
            first.extend(part.iter().take(FINGERPRINT - first.len()));
            let missing = (row_bytes - started.len()) % row_bytes;
            let (end, rest) = part.split_at(missing.min(part.len()));
            started.extend_from_slice(end);
            let (rows, start) = rest.split_at(rest.len() / row_bytes * row_bytes);
            if started.len() == row_bytes {
                self.backend.upload_rows(&mut upload, &started)?;
                started.clear();
            }
            self.backend.upload_rows(&mut upload, rows)?;
            started.extend_from_slice(start);
            self.under_way += part.len();
            self.let_device_catch_up().await?;
        }
        self.note(&first);
        self.backend.finish_matrix(upload)
    }

    /// Takes a tensor's first bytes into the fingerprint.
    fn note(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().take(FINGERPRINT) {
            self.fingerprint = (self.fingerprint ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
        }
    }

    /// Waits where too much is on its way to the device. What it has not taken yet lies in memory that is not ours to see.
    async fn let_device_catch_up(&mut self) -> Result<()> {
        if self.under_way < IN_FLIGHT {
            return Ok(());
        }
        self.under_way = 0;
        let fence = self.backend.fence();
        if let Some(before) = self.fence.replace(fence) {
            self.backend.reached(&before).await?;
        }
        Ok(())
    }
}

fn row_bytes(element_type: ElementType, columns: usize, name: &str) -> Result<usize> {
    match element_type.byte_length(columns as u64) {
        Some(bytes) if bytes > 0 => Ok(bytes as usize),
        _ => Err(Error::Malformed(format!("{name}: rows of {columns} elements are no whole number of its blocks"))),
    }
}
