//! A reply rehearsed before there are weights, so that what the device has to compile is under way while they are
//! downloaded, and nobody waits for it at the first token.

use super::generation::PREFILL_CHUNK;
use crate::{
    Result,
    backend::{Backend, Sampling, Tokens},
    format::Checkpoint,
    model::forward,
    weights::stand_ins,
};

/// Has the backend make everything that replies of this model will need. `cache` must be empty and hold `context_length`
/// tokens; it stays as it is.
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
    let result = play(backend, checkpoint, cache, context_length).await;
    backend.end_rehearsal();
    result
}

async fn play<B: Backend>(
    backend: &mut B,
    checkpoint: &Checkpoint,
    cache: &mut B::Cache,
    context_length: usize,
) -> Result<()> {
    let config = &checkpoint.config;
    let weights = stand_ins(backend, checkpoint).await?;
    // A backend may choose its kernels by the number of tokens. There are few choices, and a rehearsal is cheap.
    let most = PREFILL_CHUNK.min(context_length);
    let counts = std::iter::successors(Some(1), |count| Some(count * 2)).take_while(|count| *count < most);
    for count in counts.chain([most]) {
        let ids = vec![0; count];
        let logits = forward(backend, config, &weights, cache, Tokens::Known(&ids), 0)?;
        if count > 1 {
            continue;
        }
        for sampling in samplings() {
            let mut sampler = backend.create_sampler(&sampling, 0, config.vocab_size, &[])?;
            let token = backend.sample(&mut sampler, &logits, count)?;
            if count < context_length {
                forward(backend, config, &weights, cache, Tokens::Sampled(&token), count)?;
            }
        }
    }
    Ok(())
}

/// Greedy and with all filters, each without and with the penalty: every step that a sampler may have to take.
fn samplings() -> [Sampling; 4] {
    let greedy = Sampling { temperature: 0.0, top_k: 0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0 };
    let filtered = Sampling { temperature: 1.0, top_k: 2, top_p: 0.5, min_p: 0.5, ..greedy };
    let penalised = |sampling| Sampling { repetition_penalty: 2.0, ..sampling };
    [greedy, filtered, penalised(greedy), penalised(filtered)]
}
