//! A prompt that is read while its model still loads: layer by layer, as they arrive.

use crate::{
    Error, Result,
    backend::{Backend, Tokens},
    model::{Config, LayerWeights, run_layer},
    weights::{LoadListener, LoadProgress},
};

/// Reads a prompt during a load, and passes on what else the load tells.
pub(super) struct HeadStart<'a, B: Backend> {
    pub listener: &'a mut dyn LoadListener<B>,
    pub config: &'a Config,
    pub cache: &'a mut B::Cache,
    /// May be empty.
    pub prompt: Vec<u32>,
    /// Tokens that go through a layer together.
    pub chunk: usize,
    /// What the last of `layers_done` layers has left of each chunk [tokens, hidden]. There once the embedding is.
    pub states: Vec<B::Activation>,
    pub layers_done: usize,
}

impl<B: Backend> LoadListener<B> for HeadStart<'_, B> {
    fn progress(&mut self, progress: LoadProgress) {
        self.listener.progress(progress);
    }

    fn is_cancelled(&self) -> bool {
        self.listener.is_cancelled()
    }

    fn layers_arrived(&mut self, backend: &mut B, embed_tokens: &B::Matrix, layers: &[LayerWeights<B>]) -> Result<()> {
        if self.states.is_empty() {
            for (index, ids) in self.prompt.chunks(self.chunk).enumerate() {
                self.states.push(backend.embed(embed_tokens, Tokens::Known(ids), index * self.chunk)?);
            }
        }
        for layer in layers.iter().enumerate().skip(self.layers_done) {
            for (index, (x, ids)) in self.states.iter_mut().zip(self.prompt.chunks(self.chunk)).enumerate() {
                if self.listener.is_cancelled() {
                    return Err(Error::Aborted);
                }
                let position = index * self.chunk;
                backend.resume(position, ids.len());
                run_layer(backend, self.config, layer, self.cache, x, position)?;
            }
        }
        self.layers_done = layers.len();
        Ok(())
    }
}
