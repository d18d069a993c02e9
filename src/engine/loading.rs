//! From a checkpoint to an engine that is ready to generate.

use super::{
    Engine, Message,
    activity::WeightBytes,
    generation::PREFILL_CHUNK,
    head_start::HeadStart,
    prompt::Prompts,
    rehearsal::{rehearse, rehearse_rules},
    request::check_roles,
    slots::Slots,
};
use crate::{
    Error, Result,
    backend::Backend,
    format::{Checkpoint, Vocabulary},
    tokenizer::{ChatTemplate, DEFAULT_TEMPLATE, Tokenizer},
    weights::{LoadListener, load_weights},
};

/// The longest context that a model gets unasked, since its cache is reserved when it is loaded. PLM-1.8B has 4096.
const DEFAULT_CONTEXT: usize = 8192;

/// What a caller may choose when a model is loaded.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Tokens that the cache can hold; at most the model's own context length, and without it that, or 8192.
    pub context_length: Option<usize>,
    /// How the first conversation begins, as far as that is known: it is read while the weights arrive, and a request that
    /// begins with the same messages finds it in the cache.
    pub messages: Vec<Message>,
}

impl<B: Backend> Engine<B> {
    /// Loads a checkpoint's weights into `backend` and makes ready to generate.
    ///
    /// # Errors
    /// [`Error::Aborted`] once the listener has cancelled it; [`Error::OutOfDeviceMemory`] where the weights or the cache do
    /// not fit; for the messages as [`Engine::begin`]; else what the sources, the tokenizer and the backend give.
    pub async fn load(
        mut backend: B,
        mut checkpoint: Checkpoint,
        options: LoadOptions,
        listener: &mut dyn LoadListener<B>,
    ) -> Result<Self> {
        let config = checkpoint.config.clone();
        let tokenizer = Tokenizer::new(&std::mem::replace(&mut checkpoint.vocabulary, Vocabulary::None))?;
        let template = ChatTemplate::new(checkpoint.chat_template.as_deref().unwrap_or(DEFAULT_TEMPLATE))?;
        let most = config.max_position_embeddings;
        let context_length = options.context_length.unwrap_or(most.min(DEFAULT_CONTEXT));
        if context_length == 0 || context_length > most {
            return Err(Error::InvalidRequest(format!(
                "a context_length of {context_length} was asked for; this model allows 1 to {most}"
            )));
        }
        let mut prompts = Prompts { tokenizer, template, vocab_size: config.vocab_size, context_length };
        let mut prompt = Vec::new();
        if !options.messages.is_empty() {
            check_roles(&options.messages)?;
            prompt = match prompts.tokens(&options.messages) {
                // Some templates refuse messages without a question. They may still begin a request.
                Err(Error::Template(_)) => Vec::new(),
                result => result?,
            };
        }
        let mut cache = backend.create_cache(&config, context_length)?;
        // The others follow when they are read: what waits of them would fill memory.
        if let Some(first) = checkpoint.sources.first() {
            first.prefetch();
        }
        rehearse(&mut backend, &checkpoint, &mut cache, context_length).await?;
        let mut head_start = HeadStart {
            listener,
            config: &config,
            cache: &mut cache,
            prompt,
            chunk: PREFILL_CHUNK,
            states: Vec::new(),
            layers_done: 0,
        };
        let weights = load_weights(&mut backend, &checkpoint, &mut head_start).await?;
        let whole = head_start.layers_done == config.num_hidden_layers;
        let cached = if whole { head_start.prompt } else { Vec::new() };
        // Devices say late that they could not allocate, and nobody wants to hear of it in the middle of a reply.
        backend.wait().await?;
        // Not waited for: the page can be used while the device compiles these.
        rehearse_rules(&mut backend, &config, &weights, &mut cache)?;
        Ok(Self {
            backend,
            config,
            weights,
            weight_bytes: WeightBytes::of(&checkpoint),
            slots: Slots::new(cache, cached),
            last_sampled_by: 0,
            generations: 0,
            prefill_chunk: PREFILL_CHUNK,
            prompts,
        })
    }
}
