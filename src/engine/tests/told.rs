//! What replies tell of their tokens.

use super::*;

/// The natural logarithms of the probabilities that the reference finds for what follows each of the tokens.
fn reference_logprobs(tokens: &[u32]) -> Vec<Vec<f64>> {
    let Engine { mut backend, config, weights, .. } = load(cpu(0), None);
    let mut cache = backend.create_cache(&config, tokens.len()).unwrap();
    let logits = forward_all(&mut backend, &config, &weights, &mut cache, Tokens::Known(tokens), 0).unwrap();
    let logits = block_on(backend.read(&logits)).unwrap();
    let row = |row: &[f32]| {
        let sum: f64 = row.iter().map(|logit| f64::from(*logit).exp()).sum();
        row.iter().map(|logit| f64::from(*logit) - sum.ln()).collect()
    };
    logits.chunks(config.vocab_size).map(row).collect()
}

/// What a reply tells of its tokens is the model's own distribution, whatever chose them, and comes with their text.
fn check_logprobs<B: Backend>(backend: B, bound: f64) {
    let mut engine = load(backend, None);
    for drawn in [request("What is the capital of Japan?"), sampled(3)] {
        let bias = vec![(300, 3.0), (17, -100.0)];
        let asked = Request { top_logprobs: Some(4), logit_bias: bias, max_tokens: Some(30), ..drawn };
        let mut generation = engine.begin(&asked).unwrap();
        let prompt = engine.prompts.tokens(&asked.messages).unwrap();
        let (mut text, mut told) = (String::new(), Vec::new());
        while generation.finished.is_none() {
            let step = block_on(engine.step(&mut generation)).unwrap();
            text += &step.text;
            told.extend(step.logprobs);
        }
        let tokens = generation.tokens();
        assert_eq!(told.len(), tokens.len());
        assert_eq!(told.iter().flat_map(|token| token.bytes.clone()).collect::<Vec<_>>(), text.into_bytes());
        let expected = reference_logprobs(&[&prompt, tokens].concat());
        for ((token, id), expected) in told.iter().zip(tokens).zip(&expected[prompt.len() - 1..]) {
            let off = f64::from(token.logprob) - expected[*id as usize];
            assert!(off.abs() < bound, "{off}");
            let mut sorted = expected.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            assert_eq!(token.top_logprobs.len(), 4);
            for (candidate, expected) in token.top_logprobs.iter().zip(sorted) {
                assert!((f64::from(candidate.logprob) - expected).abs() < bound);
            }
        }
        // Nobody else is told, and the tokens are the same.
        let mut plain = engine.begin(&Request { top_logprobs: None, ..asked }).unwrap();
        while plain.finished.is_none() {
            assert_eq!(block_on(engine.step(&mut plain)).unwrap().logprobs, []);
        }
        assert_eq!(plain.tokens(), tokens);
    }
}

/// The bound is on the difference of two logarithms: of the same sums in another order on the reference backend; on GPUs, of
/// logits that are 3.2e-3 of their size apart (see README), which is at most 20.
#[test]
fn a_reply_can_tell_how_likely_its_tokens_were() {
    for steps_ahead in [0, 2] {
        check_logprobs(cpu(steps_ahead), 1e-4);
    }
    #[cfg(feature = "gpu")]
    if let Some(gpu) = gpu() {
        check_logprobs(gpu, 0.064);
    }
}

/// The density of each layer that the reference finds for each of the tokens, run one by one.
fn reference_densities(tokens: &[u32]) -> Vec<Vec<f32>> {
    let Engine { mut backend, config, weights, .. } = load(cpu(0), None);
    let mut cache = backend.create_cache(&config, tokens.len()).unwrap();
    let mut density = |(position, token): (usize, &u32)| {
        let tokens = Tokens::Known(std::slice::from_ref(token));
        forward(&mut backend, &config, &weights, &mut cache, tokens, position).unwrap();
        block_on(backend.density()).unwrap()
    };
    tokens.iter().enumerate().map(&mut density).collect()
}

/// Tokens are told with what they took, whether they followed a prompt or a token that was in flight, and drawn freely or not.
fn check_activity<B: Backend>(backend: B, bound: f32) {
    let mut engine = load(backend, None);
    let [layers, heads] = [4, 8];
    let down_proj = engine.config.hidden_size * engine.config.intermediate_size * 2; // bf16
    for constrained in [false, true] {
        let asked = sampled(3);
        let constraint = || constrained.then(|| -> Box<dyn Constraint> { Box::new(Anything) });
        let mut generation = engine.begin_constrained(&asked, constraint()).unwrap();
        let prompt = engine.prompts.tokens(&asked.messages).unwrap();
        let mut told = Vec::new();
        while generation.finished.is_none() {
            // All but some.
            if told.len() != 3 {
                generation.tell((told.len() != 5).then_some(2)).unwrap();
            }
            told.push(block_on(engine.step(&mut generation)).unwrap().activity);
        }
        assert!(matches!(generation.tell(Some(21)), Err(crate::Error::InvalidRequest(_))));
        let tokens = generation.tokens();
        assert_eq!(told.len(), tokens.len());
        assert_eq!(told.iter().filter(|activity| activity.is_none()).count(), 1);
        assert_eq!(told.iter().flatten().filter(|activity| activity.logprobs.is_none()).count(), 1);
        let expected = reference_densities(&[&prompt, tokens].concat());
        for (index, (activity, expected)) in told.iter().zip(&expected[prompt.len() - 1..]).enumerate() {
            let Some(activity) = activity else { continue };
            assert_eq!(activity.completion_tokens, index + 1);
            assert_eq!(activity.token.as_bytes(), engine.prompts.tokenizer.token_bytes(tokens[index]));
            if let Some(token) = &activity.logprobs {
                assert_eq!(token.token, activity.token);
                assert!(token.logprob < 0.0 && token.top_logprobs.len() == 2);
            }
            assert_eq!(activity.density.len(), layers);
            for (found, expected) in activity.density.iter().zip(expected) {
                assert!((found - expected).abs() <= bound, "token {index}: {found}, expected {expected}");
            }
            let zeros: f32 = activity.density.iter().map(|density| 1.0 - density).sum();
            let skipped = zeros * down_proj as f32;
            assert!((activity.skipped_bytes as f32 - skipped).abs() < 8.0, "{} {skipped}", activity.skipped_bytes);
            let run = (prompt.len() + index) as u64;
            assert_eq!(activity.expanded_cache_bytes, run * (layers * heads * (32 + 16 + 32) * 2) as u64);
            assert_eq!(activity.cache_bytes, run * engine.backend.cache_bytes_a_token(&engine.config) as u64);
        }
        // Nobody else is told, and the tokens are the same.
        let mut plain = engine.begin_constrained(&sampled(3), constraint()).unwrap();
        while plain.finished.is_none() {
            assert_eq!(block_on(engine.step(&mut plain)).unwrap().activity, None);
        }
        assert_eq!(plain.tokens(), tokens);
    }
}

/// Allows every token, always.
struct Anything;

impl Constraint for Anything {
    fn allowed(&mut self) -> Result<Vec<u32>> {
        Ok(vec![u32::MAX; 2048 / 32])
    }

    fn accept(&mut self, _id: u32) -> Result<bool> {
        Ok(false)
    }
}

/// On GPUs, whose sums are in another order and whose cache is rounded, neurons near zero may be on the other side of it: 4 of the
/// 1024 of a layer.
#[test]
fn a_reply_can_tell_what_its_tokens_took() {
    for steps_ahead in [0, 2] {
        check_activity(cpu(steps_ahead), 0.0);
    }
    #[cfg(feature = "gpu")]
    if let Some(gpu) = gpu() {
        check_activity(gpu, 4.0 / 1024.0);
    }
}
