//! A reply rehearsed before there are weights, so that what the device has to compile is under way while they are
//! downloaded, and nobody waits for it at the first token.

use super::generation::PREFILL_CHUNK;
use crate::{
    Result,
    backend::{Backend, Sampling, Tokens},
    format::Checkpoint,
    model::{Config, Weights, forward},
    weights::stand_ins,
};

/// Has the backend make what the first replies of this model will need, which is all but what [`rehearse_rules`] makes.
/// `cache` must be empty and hold `context_length` tokens; it stays as it is.
///
/// # Errors
/// What the backend gives, such as [`crate::Error::OutOfDeviceMemory`] where a matrix, or what a whole chunk of a prompt
/// needs, is over the device's limits.
pub(super) async fn rehearse<B: Backend>(
    backend: &mut B,
    checkpoint: &Checkpoint,
    cache: &mut B::Cache,
    context_length: usize,
) -> Result<()> {
    if !backend.begin_rehearsal()? {
        return Ok(());
    }
    let result = play(backend, checkpoint, cache, context_length);
    backend.end_rehearsal();
    result
}

/// Has the backend make what only replies need that are sampled by filters or with a penalty. A device that compiles one
/// kernel after the other may still be at it when this has returned, and only a reply that begins before it is done waits.
///
/// # Errors
/// What the backend gives.
pub(super) fn rehearse_rules<B: Backend>(
    backend: &mut B,
    config: &Config,
    weights: &Weights<B>,
    cache: &mut B::Cache,
) -> Result<()> {
    if !backend.begin_rehearsal()? {
        return Ok(());
    }
    let result = forward(backend, config, weights, cache, Tokens::Known(&[0]), 0).and_then(|logits| {
        let filtered = Sampling { temperature: 1.0, top_k: 2, top_p: 0.5, min_p: 0.5, ..Sampling::GREEDY };
        let penalised = |sampling| Sampling { repetition_penalty: 2.0, ..sampling };
        [filtered, penalised(Sampling::GREEDY), penalised(filtered)]
            .iter()
            .try_for_each(|sampling| draw(backend, config, sampling, &logits).map(|_| ()))
    });
    backend.end_rehearsal();
    result
}

fn play<B: Backend>(
    backend: &mut B,
    checkpoint: &Checkpoint,
    cache: &mut B::Cache,
    context_length: usize,
) -> Result<()> {
    let config = &checkpoint.config;
    let weights = stand_ins(backend, checkpoint)?;
    // A backend may choose its kernels by the number of tokens. There are few choices, and a rehearsal is cheap.
    let most = PREFILL_CHUNK.min(context_length);
    let counts = std::iter::successors(Some(1), |count| Some(count * 2)).take_while(|count| *count < most);
    for count in counts.chain([most]) {
        let ids = vec![0; count];
        let logits = forward(backend, config, &weights, cache, Tokens::Known(&ids), 0)?;
        if count > 1 {
            continue;
        }
        let token = draw(backend, config, &Sampling::GREEDY, &logits)?;
        if count < context_length {
            forward(backend, config, &weights, cache, Tokens::Sampled(&token), count)?;
        }
    }
    Ok(())
}

/// Draws the token at position 1.
fn draw<B: Backend>(backend: &mut B, config: &Config, sampling: &Sampling, logits: &B::Activation) -> Result<B::Token> {
    let mut sampler = backend.create_sampler(sampling, 0, config.vocab_size, &[], &[])?;
    backend.sample(&mut sampler, logits, 1)
}
