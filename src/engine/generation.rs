//! The generation loop: a request becomes tokens, the tokens become text, until something says stop.

use super::{
    Constraint, Request,
    activity::{Activity, WeightBytes},
    logprobs::{Logprobs, TokenLogprob, token_logprob},
    prompt::Prompts,
    request::check_logprobs,
    slots::Slots,
};
use crate::{
    Error, Result,
    backend::{Backend, Sampling, Tokens},
    model::{Config, Weights, forward},
    tokenizer::DetokenizerStream,
};
use serde::Serialize;
use std::collections::VecDeque;

/// Prompt tokens that one forward pass takes, so that memory stays bounded, and a long prompt can be cancelled and shows how
/// far it is read.
pub(super) const PREFILL_CHUNK: usize = 256;
/// Chunks under way at once on a device that computes by itself: one more than is waited for, so that it always has work, and
/// a cancelled prompt leaves little behind.
const CHUNKS_IN_FLIGHT: usize = 2;

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
    /// What the token took, where this step gave one whose pass was to be told.
    pub activity: Option<Activity>,
    /// Set on the last step.
    pub finished: Option<FinishReason>,
}

/// A loaded model with the caches of its conversations.
pub struct Engine<B: Backend> {
    pub(super) backend: B,
    pub(super) config: Config,
    pub(super) weights: Weights<B>,
    pub(super) weight_bytes: WeightBytes,
    pub(super) slots: Slots<B>,
    /// The generation that sampled last: the device goes on from its token alone.
    pub(super) last_sampled_by: usize,
    pub(super) generations: usize,
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
    /// What the next token is to be drawn from once the constraint is known to allow what.
    pending: Option<Pass<B>>,
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
    /// What the passes of the next step tell, where they do.
    tells: Option<Tells>,
    detokenizer: DetokenizerStream,
    /// Text that may yet turn out to be the start of a stop string.
    held: String,
    pub(super) finished: Option<FinishReason>,
}

/// A forward pass over all tokens so far.
struct Pass<B: Backend> {
    logits: B::Activation,
    told: Told<B>,
}

/// What the request wants to know of a pass.
struct Told<B: Backend> {
    /// The logits as the model computed them.
    logits: Option<B::Values>,
    /// What it took, where that is to be told.
    density: Option<(Tells, B::Density)>,
}

/// What a pass is to tell beside what it took.
#[derive(Clone, Copy)]
struct Tells {
    /// How many of the likeliest tokens, if any.
    rivals: Option<usize>,
}

/// A token that was sampled, and the pass that it was sampled from.
struct Sampled<B: Backend> {
    token: B::Token,
    told: Told<B>,
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

    /// Has the passes that the next step runs tell what they took, and, with a number of rivals, how likely the tokens were that they
    /// give. The steps that give those tokens have it with them.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] where more are asked for than [`Request::top_logprobs`] may be.
    pub fn tell(&mut self, rivals: Option<usize>) -> Result<()> {
        check_logprobs(rivals.unwrap_or(0))?;
        self.tells = Some(Tells { rivals });
        Ok(())
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
            tells: None,
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
        generation.tells = None;
        if let Err(error) = &result {
            // What has been computed since the last token that was waited for may be wrong.
            generation.rewind();
            if matches!(error, Error::InvalidRequest(_)) {
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
        let logits = match &sampled.told.logits {
            Some(logits) => Some(self.backend.fetched(logits).await?),
            None => None,
        };
        let density = match &sampled.told.density {
            Some((tells, density)) => Some((*tells, self.backend.fetched_density(density).await?)),
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
        let activity = density.map(|(Tells { rivals }, density)| {
            let asked = logits.as_deref().zip(rivals);
            let logprobs = asked.map(|(logits, top)| token_logprob(&self.prompts.tokenizer, logits, id, top));
            self.activity(generation, id, logprobs, density)
        });
        let mut step = self.accept(generation, id, logits.as_deref())?;
        step.activity = activity;
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
        let pass = self.pass(generation, logits);
        if generation.constraint.is_some() {
            generation.pending = Some(pass);
            return Ok(());
        }
        self.sample(generation, pass, end)
    }

    /// A pass that was just run.
    fn pass(&mut self, generation: &Generation<B>, logits: B::Activation) -> Pass<B> {
        let tells = generation.tells;
        let told = Told {
            logits: tells
                .and_then(|tells| tells.rivals)
                .or(generation.top_logprobs)
                .map(|_| self.backend.fetch(&logits)),
            density: tells.map(|tells| (tells, self.backend.fetch_density())),
        };
        Pass { logits, told }
    }

    /// Draws what a constraint allows from the logits that wait, and runs it at once: while the device computes what follows, the
    /// host learns the token, and finds out what is allowed after it.
    fn draw_allowed(&mut self, generation: &mut Generation<B>) -> Result<()> {
        let (Some(mut pass), Some(constraint)) = (generation.pending.take(), &mut generation.constraint) else {
            return Ok(());
        };
        let allowed = constraint.allowed()?;
        let end = generation.prompt.len() + generation.completion.len();
        self.backend.mask(&mut pass.logits, &allowed)?;
        self.sample(generation, pass, end)?;
        if generation.completion.len() + 1 < generation.max_tokens
            && let Some(sampled) = generation.in_flight.back()
        {
            let tokens = Tokens::Sampled(&sampled.token);
            let cache = &mut self.slots.get_mut(generation.slot)?.cache;
            let logits = forward(&mut self.backend, &self.config, &self.weights, cache, tokens, end)?;
            generation.pending = Some(self.pass(generation, logits));
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
        let pass = self.pass(generation, logits);
        self.sample(generation, pass, end)
    }

    /// Samples the token at `position` from the pass before it.
    fn sample(&mut self, generation: &mut Generation<B>, pass: Pass<B>, position: usize) -> Result<()> {
        let Pass { mut logits, told } = pass;
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
        in_flight.push_back(Sampled { token, told });
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
        Ok(Step { text, logprobs, activity: None, finished })
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
            tells: None,
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
