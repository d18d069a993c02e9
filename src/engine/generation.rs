//! The generation loop: a request becomes tokens, the tokens become text, until something says stop.

use super::{
    Constraint, Message, Request,
    head_start::HeadStart,
    logprobs::{Logprobs, TokenLogprob, token_logprob},
    prompt::Prompts,
    rehearsal::{rehearse, rehearse_rules},
    request::check_roles,
    slots::Slots,
};
use crate::{
    Error, Result,
    backend::{Backend, Sampling, Tokens},
    format::{Checkpoint, Vocabulary},
    model::{Config, Weights, forward},
    tokenizer::{ChatTemplate, DEFAULT_TEMPLATE, DetokenizerStream, Tokenizer},
    weights::{LoadListener, load_weights},
};
use serde::Serialize;
use std::collections::VecDeque;

/// Prompt tokens that one forward pass takes, so that memory stays bounded, and a long prompt can be cancelled and shows how
/// far it is read.
pub(super) const PREFILL_CHUNK: usize = 256;
/// Chunks under way at once on a device that computes by itself: one more than is waited for, so that it always has work, and
/// a cancelled prompt leaves little behind.
const CHUNKS_IN_FLIGHT: usize = 2;

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

/// Why a reply ended, by OpenAI's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended its turn, or a stop string came up.
    Stop,
    /// `max_tokens` was reached or the context is full.
    Length,
}

impl FinishReason {
    /// "stop" or "length".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
        }
    }
}

/// Tokens counted, by OpenAI's names where it has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    pub prompt_tokens: usize,
    pub completion_tokens: usize,
    pub total_tokens: usize,
    /// Prompt tokens that were still in the cache and were not computed again.
    pub cached_tokens: usize,
    /// Prompt tokens that have been read, as far as that was waited for, or that the cache still held.
    pub processed_tokens: usize,
}

/// What one step of a generation gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// Text that is certain by now; it may be empty.
    pub text: String,
    /// The tokens that are out with this text, where the request has asked for them.
    pub logprobs: Vec<TokenLogprob>,
    /// Set on the last step.
    pub finished: Option<FinishReason>,
}

/// A loaded model with the caches of its conversations.
pub struct Engine<B: Backend> {
    pub(super) backend: B,
    pub(super) config: Config,
    pub(super) weights: Weights<B>,
    pub(super) slots: Slots<B>,
    /// The generation that sampled last: the device goes on from its token alone.
    last_sampled_by: usize,
    generations: usize,
    /// [`PREFILL_CHUNK`], but in tests.
    pub(super) prefill_chunk: usize,
    pub(super) prompts: Prompts,
}

/// A reply in the making. Dropping it, or never stepping it again, cancels it.
pub struct Generation<B: Backend> {
    number: usize,
    /// The number of its cache.
    slot: usize,
    prompt: Vec<u32>,
    completion: Vec<u32>,
    /// Chunks of the prompt, but for its last one, that nobody has waited for yet, oldest first: where each ends.
    chunks: VecDeque<(usize, B::Fence)>,
    /// Tokens that follow the completion and whose ids nobody has waited for yet, oldest first.
    in_flight: VecDeque<Sampled<B>>,
    constraint: Option<Box<dyn Constraint>>,
    /// The logits after all tokens, of which the next one is to be drawn once the constraint is known to allow what.
    pending: Option<B::Activation>,
    /// Has counted the prompt, the completion and what is in flight; made when it is first needed.
    sampler: Option<B::Sampler>,
    cached_tokens: usize,
    processed_tokens: usize,
    max_tokens: usize,
    sampling: Sampling,
    seed: u64,
    stop: Vec<String>,
    bias: Vec<(u32, f32)>,
    top_logprobs: Option<usize>,
    logprobs: Logprobs,
    detokenizer: DetokenizerStream,
    /// Text that may yet turn out to be the start of a stop string.
    held: String,
    pub(super) finished: Option<FinishReason>,
}

/// A token that was sampled.
struct Sampled<B: Backend> {
    token: B::Token,
    /// The logits that it was sampled from, where the request wants to know them.
    logits: Option<B::Values>,
}

impl<B: Backend> Generation<B> {
    /// The tokens counted so far.
    pub fn usage(&self) -> Usage {
        Usage {
            prompt_tokens: self.prompt.len(),
            completion_tokens: self.completion.len(),
            total_tokens: self.prompt.len() + self.completion.len(),
            cached_tokens: self.cached_tokens,
            processed_tokens: self.processed_tokens,
        }
    }

    /// The reply's tokens so far, the stop token left out.
    pub fn tokens(&self) -> &[u32] {
        &self.completion
    }

    /// Forgets what was computed ahead. The next step begins again after the completion.
    fn rewind(&mut self) {
        self.chunks.clear();
        self.in_flight.clear();
        self.pending = None;
        self.sampler = None;
    }

    /// Adds text, and gives out what no stop string can take back any more.
    fn release(&mut self, text: &str) -> String {
        self.held.push_str(text);
        if let Some(at) = self.stop.iter().filter_map(|stop| self.held.find(stop.as_str())).min() {
            self.held.truncate(at);
            self.finished = Some(FinishReason::Stop);
        }
        let keep = match self.finished {
            Some(_) => 0,
            None => self.stop.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0),
        };
        self.held.drain(..self.held.len() - keep).collect()
    }

    /// Ends the reply and gives out all text that was held back. A stop string that only now completes still counts.
    fn end(&mut self, reason: FinishReason) -> String {
        let rest = self.detokenizer.finish();
        let mut text = self.release(&rest);
        text += &std::mem::take(&mut self.held);
        self.finished.get_or_insert(reason);
        text
    }
}

/// Bytes of the longest end of `text` that `stop` begins with.
fn overlap(text: &str, stop: &str) -> usize {
    let longest = text.len().min(stop.len() - 1);
    (1..=longest).rev().find(|&n| stop.is_char_boundary(n) && text.ends_with(&stop[..n])).unwrap_or(0)
}

pub(super) fn common_length(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
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
            slots: Slots::new(cache, cached),
            last_sampled_by: 0,
            generations: 0,
            prefill_chunk: PREFILL_CHUNK,
            prompts,
        })
    }

    /// The device's name.
    pub fn backend_name(&self) -> String {
        self.backend.name()
    }

    /// Layers of the model.
    pub fn layers(&self) -> usize {
        self.config.num_hidden_layers
    }

    /// Tokens that the cache can hold.
    pub fn context_length(&self) -> usize {
        self.prompts.context_length
    }

    /// For each token of the model a word, the first byte the lowest, that has the number of its bytes, and in its highest bit
    /// whether it is a control token; then its bytes.
    pub fn vocabulary(&self) -> Vec<u8> {
        let tokenizer = &self.prompts.tokenizer;
        let token = |id| {
            let bytes = tokenizer.token_bytes(id);
            let head = bytes.len() as u32 | u32::from(tokenizer.is_control(id)) << 31;
            head.to_le_bytes().into_iter().chain(bytes.iter().copied())
        };
        (0..self.config.vocab_size as u32).flat_map(token).collect()
    }

    /// The token that ends a reply, the first of them, if the model has one.
    pub fn stop_token(&self) -> Option<u32> {
        self.prompts.tokenizer.stop_tokens().first().copied()
    }

    /// Bytes of cache that all conversations take now.
    pub fn cache_bytes(&self) -> usize {
        self.slots.tokens() * self.backend.cache_bytes_a_token(&self.config)
    }

    /// The fraction of non-zero neurons of each layer in the last forward pass. In the middle of a reply that is the pass
    /// of the token furthest ahead.
    ///
    /// # Errors
    /// What the backend gives.
    pub async fn density(&mut self) -> Result<Vec<f32>> {
        self.backend.density().await
    }

    /// Renders and tokenises a conversation and finds how much of it the cache holds already.
    ///
    /// # Errors
    /// `InvalidRequest`, `Template`, or `ContextFull` where the prompt leaves no room for a single token.
    pub fn begin(&mut self, request: &Request) -> Result<Generation<B>> {
        self.begin_constrained(request, None)
    }

    /// As [`Engine::begin`], but the reply keeps to a constraint, if there is one.
    ///
    /// # Errors
    /// As [`Engine::begin`].
    pub fn begin_constrained(
        &mut self,
        request: &Request,
        constraint: Option<Box<dyn Constraint>>,
    ) -> Result<Generation<B>> {
        request.validate()?;
        let prompt = self.prompts.of(request)?;
        let vocab_size = self.config.vocab_size;
        if let Some((token, _)) = request.logit_bias.iter().find(|(token, _)| *token as usize >= vocab_size) {
            let message = format!("logit_bias has token {token}; the model knows {vocab_size} tokens");
            return Err(Error::InvalidRequest(message));
        }
        self.slots.get(request.session)?;
        // The last prompt token is always computed: its logits are the first thing wanted.
        let (_, common) = self.slots.holder(request.session, &prompt[..prompt.len() - 1]);
        self.generations += 1;
        let room = self.context_length() - prompt.len();
        Ok(Generation {
            number: self.generations,
            slot: request.session,
            prompt,
            completion: Vec::new(),
            chunks: VecDeque::new(),
            in_flight: VecDeque::new(),
            constraint,
            pending: None,
            sampler: None,
            cached_tokens: common,
            processed_tokens: common,
            max_tokens: request.max_tokens.map_or(room, |most| most.min(room)),
            sampling: request.sampling(),
            seed: request.seed.unwrap_or(0),
            stop: request.stop.clone(),
            bias: request.logit_bias.clone(),
            top_logprobs: request.top_logprobs,
            logprobs: Logprobs::default(),
            detokenizer: DetokenizerStream::default(),
            held: String::new(),
            finished: None,
        })
    }

    /// Waits for the next token, or for the next part of a long prompt (then the text is empty). After a step whose
    /// `finished` is set there is nothing more to do. A step that is dropped before it ends loses nothing.
    ///
    /// # Errors
    /// What the backend gives; the engine stays usable where the device does.
    pub async fn step(&mut self, generation: &mut Generation<B>) -> Result<Step> {
        if let Some(finished) = generation.finished {
            return Ok(Step { finished: Some(finished), ..Step::default() });
        }
        let result = self.advance(generation).await;
        if let Err(error) = &result {
            // What has been computed since the last token that was waited for may be wrong.
            generation.rewind();
            if *error == Error::Aborted || matches!(error, Error::InvalidRequest(_)) {
                if let Ok(slot) = self.slots.get_mut(generation.slot) {
                    slot.cached.clear();
                    slot.last_used_by = 0;
                }
            } else {
                self.slots.forget();
            }
            self.last_sampled_by = 0;
        }
        result
    }

    async fn advance(&mut self, generation: &mut Generation<B>) -> Result<Step> {
        if self.slots.get(generation.slot)?.last_used_by != generation.number {
            generation.chunks.clear();
            generation.pending = None;
        }
        let chunks_in_flight = self.backend.steps_in_flight().min(CHUNKS_IN_FLIGHT);
        while generation.in_flight.is_empty()
            && generation.pending.is_none()
            && generation.chunks.len() < chunks_in_flight
        {
            self.run_known(generation)?;
        }
        if let Some((end, fence)) = generation.chunks.front() {
            self.backend.reached(fence).await?;
            generation.processed_tokens = generation.processed_tokens.max(*end).min(generation.prompt.len());
            generation.chunks.pop_front();
            // The caller may cancel in between.
            return Ok(Step::default());
        }
        if generation.in_flight.is_empty() {
            self.draw_allowed(generation)?;
        }
        // Where another generation has sampled since, what is in flight is waited for, and then run again.
        while generation.constraint.is_none()
            && self.last_sampled_by == generation.number
            && !generation.in_flight.is_empty()
            && generation.in_flight.len() < self.backend.steps_in_flight()
            && generation.completion.len() + generation.in_flight.len() < generation.max_tokens
        {
            self.run_sampled(generation)?;
        }
        let sampled = generation.in_flight.front().expect("behind the last chunk of the prompt a token is sampled");
        let id = self.backend.token(&sampled.token).await?;
        let logits = match &sampled.logits {
            Some(logits) => Some(self.backend.fetched(logits).await?),
            None => None,
        };
        generation.in_flight.pop_front();
        generation.processed_tokens = generation.prompt.len();
        // It has been run if something came after it.
        let was_run = !generation.in_flight.is_empty() || generation.pending.is_some();
        let slot = self.slots.get_mut(generation.slot)?;
        if was_run && slot.last_used_by == generation.number {
            debug_assert_eq!(slot.cached.len(), generation.prompt.len() + generation.completion.len());
            slot.cached.push(id);
        }
        let step = self.accept(generation, id, logits.as_deref())?;
        if step.finished.is_some() {
            generation.rewind();
        }
        Ok(step)
    }

    /// Runs what the cache lacks of the known tokens, or a chunk of it. After the last chunk the next token is sampled.
    fn run_known(&mut self, generation: &mut Generation<B>) -> Result<()> {
        let sequence = [generation.prompt.as_slice(), &generation.completion].concat();
        // The last token is always run: its logits are what is wanted.
        let known = &sequence[..sequence.len() - 1];
        self.slots.share(&mut self.backend, generation.slot, known)?;
        let slot = self.slots.get_mut(generation.slot)?;
        let position = common_length(&slot.cached, known);
        slot.cached.truncate(position);
        slot.last_used_by = generation.number;
        let end = sequence.len().min(position + self.prefill_chunk);
        let ids = &sequence[position..end];
        let tokens = Tokens::Known(ids);
        let logits = forward(&mut self.backend, &self.config, &self.weights, &mut slot.cache, tokens, position)?;
        slot.cached.extend_from_slice(ids);
        // The device's token is another now.
        self.last_sampled_by = 0;
        if end < sequence.len() {
            generation.chunks.push_back((end, self.backend.fence()));
            return Ok(());
        }
        if generation.constraint.is_some() {
            generation.pending = Some(logits);
            return Ok(());
        }
        self.sample(generation, logits, end)
    }

    /// Draws what a constraint allows from the logits that wait, and runs it at once: while the device computes what follows, the
    /// host learns the token, and finds out what is allowed after it.
    fn draw_allowed(&mut self, generation: &mut Generation<B>) -> Result<()> {
        let (Some(mut logits), Some(constraint)) = (generation.pending.take(), &mut generation.constraint) else {
            return Ok(());
        };
        let allowed = constraint.allowed()?;
        let end = generation.prompt.len() + generation.completion.len();
        let fetched = generation.top_logprobs.map(|_| self.backend.fetch(&logits));
        self.backend.mask(&mut logits, &allowed)?;
        self.sample_from(generation, logits, end, fetched)?;
        if generation.completion.len() + 1 < generation.max_tokens
            && let Some(sampled) = generation.in_flight.back()
        {
            let tokens = Tokens::Sampled(&sampled.token);
            let cache = &mut self.slots.get_mut(generation.slot)?.cache;
            let logits = forward(&mut self.backend, &self.config, &self.weights, cache, tokens, end)?;
            generation.pending = Some(logits);
        }
        Ok(())
    }

    /// Runs the newest token in flight and samples the one after it.
    fn run_sampled(&mut self, generation: &mut Generation<B>) -> Result<()> {
        let Some(newest) = generation.in_flight.back() else { return Ok(()) };
        let end = generation.prompt.len() + generation.completion.len() + generation.in_flight.len();
        let tokens = Tokens::Sampled(&newest.token);
        let cache = &mut self.slots.get_mut(generation.slot)?.cache;
        let logits = forward(&mut self.backend, &self.config, &self.weights, cache, tokens, end - 1)?;
        self.sample(generation, logits, end)
    }

    fn sample(&mut self, generation: &mut Generation<B>, logits: B::Activation, position: usize) -> Result<()> {
        let fetched = generation.top_logprobs.map(|_| self.backend.fetch(&logits));
        self.sample_from(generation, logits, position, fetched)
    }

    /// `fetched` are the logits as the model computed them.
    fn sample_from(
        &mut self,
        generation: &mut Generation<B>,
        mut logits: B::Activation,
        position: usize,
        fetched: Option<B::Values>,
    ) -> Result<()> {
        let Generation { sampler, sampling, seed, prompt, completion, in_flight, bias, .. } = generation;
        if !bias.is_empty() {
            self.backend.add_bias(&mut logits, bias)?;
        }
        let sampler = match sampler {
            Some(sampler) => sampler,
            // Nothing is in flight here.
            None => {
                let vocab_size = self.config.vocab_size;
                sampler.insert(self.backend.create_sampler(sampling, *seed, vocab_size, prompt, completion)?)
            }
        };
        let token = self.backend.sample(sampler, &logits, position)?;
        in_flight.push_back(Sampled { token, logits: fetched });
        self.last_sampled_by = generation.number;
        Ok(())
    }

    fn accept(&self, generation: &mut Generation<B>, id: u32, logits: Option<&[f32]>) -> Result<Step> {
        let tokenizer = &self.prompts.tokenizer;
        let text = if tokenizer.stop_tokens().contains(&id) {
            generation.end(FinishReason::Stop)
        } else {
            generation.completion.push(id);
            let come = generation.detokenizer.push(tokenizer, id);
            if let (Some(logits), Some(top)) = (logits, generation.top_logprobs) {
                generation.logprobs.push(token_logprob(tokenizer, logits, id, top), come.len());
            }
            let mut text = generation.release(&come);
            if let Some(constraint) = &mut generation.constraint
                && constraint.accept(id)?
                && generation.finished.is_none()
            {
                text += &generation.end(FinishReason::Stop);
            }
            if generation.finished.is_none() && generation.completion.len() >= generation.max_tokens {
                text += &generation.end(FinishReason::Length);
            }
            text
        };
        let finished = generation.finished;
        let logprobs = generation.logprobs.release(text.len(), finished.is_some());
        Ok(Step { text, logprobs, finished })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::reference::ReferenceBackend;

    fn generation(stop: &[&str]) -> Generation<ReferenceBackend> {
        Generation {
            number: 0,
            slot: 0,
            prompt: vec![],
            completion: vec![],
            chunks: VecDeque::new(),
            in_flight: VecDeque::new(),
            constraint: None,
            pending: None,
            sampler: None,
            cached_tokens: 0,
            processed_tokens: 0,
            max_tokens: 1,
            sampling: Sampling::GREEDY,
            seed: 0,
            stop: stop.iter().map(|s| (*s).to_owned()).collect(),
            bias: Vec::new(),
            top_logprobs: None,
            logprobs: Logprobs::default(),
            detokenizer: DetokenizerStream::default(),
            held: String::new(),
            finished: None,
        }
    }

    #[test]
    fn a_stop_string_split_over_tokens_is_never_shown() {
        let mut g = generation(&["\nUser:"]);
        assert_eq!(g.release("Hello.\nUs"), "Hello.");
        assert_eq!(g.release("er: more"), "");
        assert_eq!(g.finished, Some(FinishReason::Stop));
    }

    #[test]
    fn text_that_only_began_like_a_stop_string_is_shown_in_full() {
        let mut g = generation(&["abc"]);
        assert_eq!(g.release("xab"), "x");
        assert_eq!(g.release("dab"), "abd");
        assert_eq!(g.end(FinishReason::Length), "ab");
    }

    #[test]
    fn the_earliest_of_several_stop_strings_ends_the_text() {
        let mut g = generation(&["world", "lo"]);
        assert_eq!(g.release("hello world"), "hel");
    }

    #[test]
    fn stop_strings_beyond_ascii_are_held_back_at_character_boundaries() {
        let mut g = generation(&["éé"]);
        assert_eq!(g.release("né"), "n");
        assert_eq!(g.release("a"), "éa");
    }
}
