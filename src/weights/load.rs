//! Streams a checkpoint's tensors into a backend, a few rows at a time.

use super::ElementType;
use crate::{
    Error, Result,
    backend::{Backend, Layout, MatrixDescriptor},
    format::{Checkpoint, LayerTensor, TensorInfo, TensorName},
    model::{LayerWeights, Weights},
};

/// How far loading has come, in bytes of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadProgress {
    pub loaded: u64,
    pub total: u64,
}

/// Reads every tensor that the model needs. `cancelled` is asked before each chunk.
///
/// # Errors
/// [`Error::Aborted`] once `cancelled` says so; else what the sources and the backend give.
pub async fn load_weights<B: Backend>(
    backend: &mut B,
    checkpoint: &Checkpoint,
    progress: &mut dyn FnMut(LoadProgress),
    cancelled: &dyn Fn() -> bool,
) -> Result<Weights<B>> {
    let total = checkpoint.tensors.values().map(|tensor| tensor.byte_length).sum();
    let state = LoadProgress { loaded: 0, total };
    progress(state);
    Loader { backend, checkpoint, progress, cancelled, state, contents: true }.weights().await
}

/// The weights that [`load_weights`] would give, without their contents, for a backend's rehearsal. Nothing is read from the
/// sources.
///
/// # Errors
/// What the backend gives, such as [`Error::OutOfDeviceMemory`] where a matrix is over its limits.
pub async fn stand_ins<B: Backend>(backend: &mut B, checkpoint: &Checkpoint) -> Result<Weights<B>> {
    let (progress, cancelled) = (&mut |_| (), &|| false);
    let state = LoadProgress { loaded: 0, total: 0 };
    Loader { backend, checkpoint, progress, cancelled, state, contents: false }.weights().await
}

struct Loader<'a, B> {
    backend: &'a mut B,
    checkpoint: &'a Checkpoint,
    progress: &'a mut dyn FnMut(LoadProgress),
    cancelled: &'a dyn Fn() -> bool,
    state: LoadProgress,
    /// Whether tensors are read, or matrices have no rows and vectors are zeros.
    contents: bool,
}

impl<'a, B: Backend> Loader<'a, B> {
    async fn weights(mut self) -> Result<Weights<B>> {
        let embed_tokens = self.matrix(TensorName::EmbedTokens, Layout::RowMajor).await?;
        let mut layers = Vec::with_capacity(self.checkpoint.config.num_hidden_layers);
        for index in 0..self.checkpoint.config.num_hidden_layers {
            let name = |tensor| TensorName::Layer(index, tensor);
            layers.push(LayerWeights {
                input_layernorm: self.vector(name(LayerTensor::InputLayernorm)).await?,
                q_proj: self.matrix(name(LayerTensor::QProj), Layout::RowMajor).await?,
                kv_a_proj_with_mqa: self.matrix(name(LayerTensor::KvAProjWithMqa), Layout::RowMajor).await?,
                kv_a_layernorm: self.vector(name(LayerTensor::KvALayernorm)).await?,
                kv_b_proj: self.matrix(name(LayerTensor::KvBProj), Layout::RowMajor).await?,
                o_proj: self.matrix(name(LayerTensor::OProj), Layout::RowMajor).await?,
                post_attention_layernorm: self.vector(name(LayerTensor::PostAttentionLayernorm)).await?,
                up_proj: self.matrix(name(LayerTensor::UpProj), Layout::RowMajor).await?,
                down_proj: self.matrix(name(LayerTensor::DownProj), Layout::NeuronMajor).await?,
            });
        }
        let norm = self.vector(TensorName::Norm).await?;
        Ok(Weights { embed_tokens, layers, norm })
    }

    fn tensor(&self, name: TensorName) -> Result<&'a TensorInfo> {
        self.checkpoint.tensors.get(&name).ok_or_else(|| Error::Missing(format!("tensor {name:?}")))
    }

    fn advance(&mut self, bytes: usize) {
        self.state.loaded += bytes as u64;
        (self.progress)(self.state);
    }

    async fn vector(&mut self, name: TensorName) -> Result<B::Vector> {
        if (self.cancelled)() {
            return Err(Error::Aborted);
        }
        let tensor = self.tensor(name)?;
        let mut values = vec![0.0; tensor.shape.iter().product()];
        if !self.contents {
            return self.backend.vector(&values);
        }
        let source = &self.checkpoint.sources[tensor.source];
        let bytes = source.read(tensor.offset, tensor.byte_length as usize).await?;
        tensor.element_type.decode(&bytes, &mut values)?;
        self.advance(bytes.len());
        self.backend.vector(&values)
    }

    async fn matrix(&mut self, name: TensorName, layout: Layout) -> Result<B::Matrix> {
        let tensor = self.tensor(name)?;
        let (rows, columns) = (tensor.shape[0], tensor.shape[1]);
        let row_bytes = row_bytes(tensor.element_type, columns, &tensor.name)?;
        let descriptor =
            MatrixDescriptor { name: tensor.name.clone(), element_type: tensor.element_type, rows, columns, layout };
        let mut upload = self.backend.begin_matrix(&descriptor)?;
        if !self.contents {
            return self.backend.finish_matrix(upload);
        }
        let source = &self.checkpoint.sources[tensor.source];
        let mut stream = source.stream(tensor.offset..tensor.offset + tensor.byte_length).await?;
        // A chunk may end inside a row: what is left over waits for the next one.
        let mut pending: Vec<u8> = Vec::new();
        loop {
            if (self.cancelled)() {
                return Err(Error::Aborted);
            }
            let Some(chunk) = stream.next().await? else { break };
            self.advance(chunk.len());
            pending.extend_from_slice(&chunk);
            let whole = pending.len() / row_bytes * row_bytes;
            self.backend.upload_rows(&mut upload, &pending[..whole])?;
            pending.drain(..whole);
        }
        self.backend.finish_matrix(upload)
    }
}

fn row_bytes(element_type: ElementType, columns: usize, name: &str) -> Result<usize> {
    match element_type.byte_length(columns as u64) {
        Some(bytes) if bytes > 0 => Ok(bytes as usize),
        _ => Err(Error::Malformed(format!("{name}: rows of {columns} elements are no whole number of its blocks"))),
    }
}
