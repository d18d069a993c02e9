//! Replies with tokens in flight: whatever is computed ahead, taken back, interrupted or mixed with other replies, the texts
//! are those of one token after the other.

mod told;

use super::{Constraint, Engine, FinishReason, Generation, LoadOptions, Message, Request};
use crate::{
    Result,
    backend::{Backend, Tokens, reference::ReferenceBackend},
    format::{Checkpoint, TensorName},
    model::{forward, forward_all},
    source::Directory,
};
use pollster::block_on;
use std::{collections::VecDeque, future::Future, path::Path};

/// The tokens in the cache of requests without a session.
macro_rules! cached {
    ($engine:expr) => {
        $engine.slots.get_mut(0).unwrap().cached
    };
}

/// The CPU, computing so many tokens ahead.
fn cpu(steps_ahead: usize) -> ReferenceBackend {
    let mut backend = ReferenceBackend::new();
    backend.run_ahead(steps_ahead);
    backend
}

/// The adapter, or `None` with a printed reason; where a GPU is required its absence is a failure.
#[cfg(feature = "gpu")]
fn gpu() -> Option<crate::backend::gpu::GpuBackend> {
    match block_on(crate::backend::gpu::GpuBackend::new()) {
        Ok(backend) => Some(backend),
        Err(error) => {
            let required = ["CI", "PLUME_REQUIRE_GPU"].iter().any(|name| std::env::var_os(name).is_some());
            assert!(!required, "a Vulkan adapter is required here: {error}");
            println!("skipped: {error}");
            None
        }
    }
}

fn plm_tiny() -> Checkpoint {
    let folder = Directory::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("www/models/plm-tiny"));
    block_on(Checkpoint::open_folder(&folder)).unwrap()
}

fn load<B: Backend>(backend: B, context_length: Option<usize>) -> Engine<B> {
    try_load(backend, plm_tiny(), context_length).unwrap()
}

fn try_load<B: Backend>(backend: B, checkpoint: Checkpoint, context_length: Option<usize>) -> Result<Engine<B>> {
    block_on(Engine::load(backend, checkpoint, LoadOptions { context_length, ..LoadOptions::default() }, &mut ()))
}

fn request(content: &str) -> Request {
    let messages = vec![Message { role: "user".to_owned(), content: content.to_owned() }];
    Request { messages, temperature: 0.0, max_tokens: Some(12), ..Request::default() }
}

/// A story, drawn with every option, so that what has been seen matters.
fn sampled(seed: u64) -> Request {
    Request {
        temperature: 0.9,
        top_k: 40,
        top_p: 0.95,
        repetition_penalty: 1.3,
        frequency_penalty: 0.2,
        presence_penalty: 0.1,
        seed: Some(seed),
        ..request("Tell me a story about a brave fox named Pip.")
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Reply {
    text: String,
    tokens: Vec<u32>,
    reason: FinishReason,
}

fn finish<B: Backend>(engine: &mut Engine<B>, generation: &mut Generation<B>) -> Reply {
    let mut text = String::new();
    loop {
        let step = block_on(engine.step(generation)).unwrap();
        text += &step.text;
        if let Some(reason) = step.finished {
            return Reply { text, tokens: generation.tokens().to_vec(), reason };
        }
    }
}

fn reply<B: Backend>(engine: &mut Engine<B>, request: &Request) -> Reply {
    let mut generation = engine.begin(request).unwrap();
    finish(engine, &mut generation)
}

/// What an engine writes that computes nothing ahead, each reply from an empty cache: what is to be written.
fn alone(requests: &[Request]) -> Vec<Reply> {
    let mut engine = load(cpu(0), None);
    let of = |request| {
        cached!(engine).clear();
        reply(&mut engine, request)
    };
    requests.iter().map(of).collect()
}

/// The conversations of `check`: two draws from one prompt, another prompt, and one of several chunks.
fn requests() -> [Request; 4] {
    let long = request(&"One two three four five six seven. ".repeat(34));
    [sampled(1), sampled(2), request("What is the capital of Japan?"), Request { max_tokens: Some(3), ..long }]
}

/// Everything that must hold for a backend. Sampled texts are compared across backends too, since seeds promise that.
fn check<B: Backend>(backend: B, expected: &[Reply]) {
    let mut engine = load(backend, None);
    let requests = requests();

    // One after the other.
    for (request, expected) in requests.iter().zip(expected) {
        assert_eq!(reply(&mut engine, request), *expected);
    }
    assert!(cached!(engine).len() > 257, "the last prompt takes two chunks");

    // Taking turns over one cache, in uneven strides.
    let mut generations: Vec<_> = requests[..3].iter().map(|request| engine.begin(request).unwrap()).collect();
    for turn in 0..8 {
        let generation = &mut generations[turn * 7 % 3];
        for _ in 0..turn % 3 + 1 {
            block_on(engine.step(generation)).unwrap();
        }
    }
    for (generation, expected) in generations.iter_mut().zip(expected) {
        finish(&mut engine, generation);
        assert_eq!(generation.tokens(), expected.tokens);
    }

    // Cancelled in the middle, then another, then the same again.
    for request in [&requests[1], &requests[0]] {
        let mut cancelled = engine.begin(request).unwrap();
        for _ in 0..4 {
            block_on(engine.step(&mut cancelled)).unwrap();
        }
    }
    assert_eq!(reply(&mut engine, &requests[2]), expected[2]);
    assert_eq!(reply(&mut engine, &requests[0]), expected[0]);

    // A step that is dropped before it ends loses nothing.
    let mut generation = engine.begin(&requests[0]).unwrap();
    for _ in 0..8 {
        let step = engine.step(&mut generation);
        drop(step);
        let mut step = Box::pin(engine.step(&mut generation));
        let _ = step.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    }
    finish(&mut engine, &mut generation);
    assert_eq!(generation.tokens(), expected[0].tokens);

    // An error in the middle: a norm that makes cache entries and logits NaN, found while tokens before it are under way.
    let mut broken = engine.backend.vector(&vec![f32::NAN; engine.config.hidden_size]).unwrap();
    // First on the whole prompt, whose entries are then worthless.
    cached!(engine).clear();
    for steps in [0, 3] {
        let mut generation = engine.begin(&requests[0]).unwrap();
        let mut other = engine.begin(&requests[1]).unwrap();
        for _ in 0..steps {
            block_on(engine.step(&mut other)).unwrap();
            block_on(engine.step(&mut generation)).unwrap();
        }
        let norm = std::mem::replace(&mut engine.weights.layers[0].post_attention_layernorm, broken);
        let errors = (0..8).filter_map(|_| block_on(engine.step(&mut generation)).err()).count();
        assert!(errors > 0);
        broken = std::mem::replace(&mut engine.weights.layers[0].post_attention_layernorm, norm);
        for (generation, expected) in [(&mut generation, &expected[0]), (&mut other, &expected[1])] {
            finish(&mut engine, generation);
            assert_eq!(generation.tokens(), expected.tokens, "after an error");
        }
    }
}

/// Where replies end, with tokens in flight beyond.
fn check_ends<B: Backend>(backend: B) {
    let mut engine = load(backend, None);
    let ends = |max_tokens, stop: &str| Request {
        max_tokens: Some(max_tokens),
        stop: if stop.is_empty() { vec![] } else { vec![stop.to_owned()] },
        ..request("What is the capital of Japan?")
    };
    let whole = alone(&[ends(200, "")]).remove(0);
    assert_eq!(whole.reason, FinishReason::Stop);
    assert_eq!(reply(&mut engine, &ends(200, "")), whole);
    // The stop token was drawn, but need not have been run.
    let prompt = engine.begin(&ends(1, "")).unwrap().usage().prompt_tokens;
    let known = prompt + whole.tokens.len();
    assert!((known..=known + 1).contains(&cached!(engine).len()), "{} entries, {known} tokens", cached!(engine).len());

    for most in 1..6 {
        let cut = reply(&mut engine, &ends(most, ""));
        assert_eq!((cut.tokens.as_slice(), cut.reason), (&whole.tokens[..most], FinishReason::Length));
        assert!(cached!(engine).len() < prompt + most, "the last token is not run");
    }
    let stop: String = whole.text.chars().skip(8).take(4).collect();
    let stopped = reply(&mut engine, &ends(200, &stop));
    assert_eq!(stopped.text, whole.text[..whole.text.find(&stop).unwrap()]);
    assert_eq!(stopped.reason, FinishReason::Stop);

    // What was computed beyond the end is not taken for the conversation's: the next turn is right.
    let mut messages = ends(1, "").messages;
    messages.push(Message { role: "assistant".to_owned(), content: stopped.text });
    messages.push(Message { role: "user".to_owned(), content: "Thank you!".to_owned() });
    let next = Request { messages, ..request("") };
    let mut generation = engine.begin(&next).unwrap();
    assert!(generation.usage().cached_tokens >= prompt);
    assert_eq!(finish(&mut engine, &mut generation), alone(&[next]).remove(0));
}

/// A reply that fills the context, which the tokens in flight must not pass.
fn check_context_end<B: Backend>(backend: B) {
    let mut engine = load(backend, Some(64));
    let full = Request { max_tokens: None, ..request("Tell me a story about a brave fox named Pip.") };
    let mut generation = engine.begin(&full).unwrap();
    let found = finish(&mut engine, &mut generation);
    assert_eq!(generation.usage().total_tokens, 64);
    assert_eq!((found.reason, cached!(engine).len()), (FinishReason::Length, 63));
    assert_eq!(found.tokens, alone(&[Request { max_tokens: Some(found.tokens.len()), ..full }]).remove(0).tokens);
}

#[test]
fn replies_are_the_same_whatever_is_in_flight() {
    let expected = alone(&requests());
    assert!(expected.iter().all(|reply| reply.tokens.len() >= 3), "{expected:?}");
    for steps_ahead in [0, 2] {
        check(cpu(steps_ahead), &expected);
    }
    #[cfg(feature = "gpu")]
    if let Some(gpu) = gpu() {
        check(gpu, &expected);
    }
}

/// A prompt of several chunks: it is told how far it is read, whatever else uses the cache meanwhile, and cancelled it leaves
/// the next reply right.
fn check_long_prompt<B: Backend>(engine: &mut Engine<B>, chunk: usize, expected: &[Reply]) {
    engine.prefill_chunk = chunk;
    cached!(engine).clear();
    let [.., other, long] = requests();
    let [.., expected_other, expected_long] = expected else { panic!("{expected:?}") };
    let in_flight = if engine.backend.steps_in_flight() > 1 { 2 } else { 1 };
    let mut generation = engine.begin(&long).unwrap();
    let usage = generation.usage();
    let total = usage.prompt_tokens;
    assert_eq!((usage.processed_tokens, usage.cached_tokens), (0, 0));
    let ends: Vec<usize> = (chunk..total).step_by(chunk).chain([total]).collect();
    for (step, end) in ends.iter().enumerate() {
        assert_eq!(block_on(engine.step(&mut generation)).unwrap().finished, None);
        assert_eq!(generation.usage().processed_tokens, *end);
        // The last part is followed by sampled tokens at once.
        let run = ends[(step + in_flight).min(ends.len()) - 1];
        assert!((run..run + 3).contains(&cached!(engine).len()), "{} tokens of {run}", cached!(engine).len());
    }
    finish(engine, &mut generation);
    assert_eq!(generation.tokens(), expected_long.tokens);

    // A reply in between takes the cache away.
    for steps in 1..ends.len() {
        cached!(engine).clear();
        let mut generation = engine.begin(&long).unwrap();
        for _ in 0..steps {
            block_on(engine.step(&mut generation)).unwrap();
        }
        let mut processed = ends[steps - 1];
        assert_eq!(generation.usage().processed_tokens, processed);
        assert_eq!(reply(engine, &other), *expected_other);
        while generation.tokens().is_empty() {
            block_on(engine.step(&mut generation)).unwrap();
            assert!(generation.usage().processed_tokens >= processed);
            processed = generation.usage().processed_tokens;
        }
        assert_eq!(processed, total);
        finish(engine, &mut generation);
        assert_eq!(generation.tokens(), expected_long.tokens);

        cached!(engine).clear();
        let mut cancelled = engine.begin(&long).unwrap();
        for _ in 0..steps {
            block_on(engine.step(&mut cancelled)).unwrap();
        }
        drop(cancelled);
        assert_eq!(reply(engine, &other), *expected_other);
    }
}

#[test]
fn a_long_prompt_tells_how_far_it_is_read() {
    let expected = alone(&requests());
    for chunk in [256, 96] {
        for steps_ahead in [0, 2] {
            check_long_prompt(&mut load(cpu(steps_ahead), None), chunk, &expected);
        }
    }
    #[cfg(feature = "gpu")]
    if let Some(gpu) = gpu() {
        let mut engine = load(gpu, None);
        for chunk in [256, 96] {
            check_long_prompt(&mut engine, chunk, &expected);
        }
    }
}

/// A conversation whose beginning is read while the model loads goes on as any other.
fn check_head_start<B: Backend>(backend: impl Fn() -> B, expected: &[Reply]) {
    for (request, expected) in requests().iter().zip(expected) {
        let options = LoadOptions { messages: request.messages.clone(), ..LoadOptions::default() };
        let mut engine = block_on(Engine::load(backend(), plm_tiny(), options, &mut ())).unwrap();
        let mut generation = engine.begin(request).unwrap();
        let usage = generation.usage();
        assert_eq!(usage.cached_tokens, usage.prompt_tokens - 1);
        assert_eq!(finish(&mut engine, &mut generation), *expected);
        // Another one finds nothing of use but what is common to all prompts.
        assert_eq!(reply(&mut engine, &requests()[2]), alone(&requests()[2..3])[0]);
    }
    // The embedding may come last.
    let mut checkpoint = plm_tiny();
    checkpoint.sources.push(checkpoint.sources[0].clone());
    checkpoint.tensors.get_mut(&TensorName::EmbedTokens).unwrap().source = 1;
    let options = LoadOptions { messages: requests()[0].messages.clone(), ..LoadOptions::default() };
    let mut engine = block_on(Engine::load(backend(), checkpoint, options, &mut ())).unwrap();
    assert_eq!(reply(&mut engine, &requests()[0]), expected[0]);
    let options = LoadOptions {
        messages: vec![Message { role: "wizard".to_owned(), content: String::new() }],
        ..LoadOptions::default()
    };
    let error = block_on(Engine::load(backend(), plm_tiny(), options, &mut ())).err().unwrap();
    assert_eq!(error.code(), "invalid_request");
}

#[test]
fn a_prompt_can_be_read_while_the_model_loads() {
    let expected = alone(&requests());
    check_head_start(|| cpu(0), &expected);
    #[cfg(feature = "gpu")]
    if gpu().is_some() {
        check_head_start(|| gpu().unwrap(), &expected);
    }
}

#[test]
fn replies_end_where_they_should_whatever_is_in_flight() {
    for steps_ahead in [0, 2] {
        check_ends(cpu(steps_ahead));
        check_context_end(cpu(steps_ahead));
    }
    #[cfg(feature = "gpu")]
    if let (Some(first), Some(second)) = (gpu(), gpu()) {
        check_ends(first);
        check_context_end(second);
    }
}

/// Saves a session as JavaScript does, and restores it in an engine.
fn save<B: Backend>(engine: &mut Engine<B>, session: usize) -> (Vec<u8>, Vec<Vec<u8>>) {
    let layers = 0..engine.config.num_hidden_layers;
    let head = engine.session_head(session).unwrap();
    (head, layers.map(|layer| block_on(engine.session_layer(session, layer)).unwrap()).collect())
}

fn restore<B: Backend>(engine: &mut Engine<B>, head: &[u8], layers: &[Vec<u8>]) -> Result<usize> {
    let (session, wanted) = block_on(engine.restore_session(head))?;
    for layer in &layers[..wanted] {
        engine.restore_layer(session, layer)?;
    }
    Ok(session)
}

/// Conversations with caches of their own take turns without losing anything, share what they begin with, and can be saved.
fn check_sessions<B: Backend>(backend: B, expected: &[Reply]) {
    let mut engine = load(backend, None);
    let requests = requests();
    let sessions: Vec<usize> = (0..3).map(|_| block_on(engine.open_session()).unwrap()).collect();
    let of = |number: usize| Request { session: sessions[number], ..requests[number].clone() };
    let mut generations: Vec<_> = (0..3).map(|number| engine.begin(&of(number)).unwrap()).collect();
    generations.push(engine.begin(&requests[3]).unwrap());
    for turn in 0..30 {
        let generation = &mut generations[turn * 7 % 4];
        for _ in 0..turn % 3 + 1 {
            drop(engine.step(generation));
            block_on(engine.step(generation)).unwrap();
        }
    }
    for (generation, expected) in generations.iter_mut().zip(expected) {
        finish(&mut engine, generation);
        assert_eq!(generation.tokens(), expected.tokens);
    }
    // The next turn of each finds all of its own conversation.
    for (number, expected) in expected[..3].iter().enumerate() {
        let mut next = of(number);
        next.messages.push(Message { role: "assistant".to_owned(), content: expected.text.clone() });
        next.messages.push(Message { role: "user".to_owned(), content: "Thank you!".to_owned() });
        let usage = engine.begin(&next).unwrap().usage();
        let known = engine.prompts.tokens(&of(number).messages).unwrap().len() + expected.tokens.len();
        assert!(usage.cached_tokens >= known - 1, "{} of {known}", usage.cached_tokens);
    }
    // A conversation that begins as another's does takes over what that has computed.
    let other = block_on(engine.open_session()).unwrap();
    let mut generation = engine.begin(&Request { session: other, ..requests[0].clone() }).unwrap();
    let usage = generation.usage();
    assert_eq!(usage.cached_tokens, usage.prompt_tokens - 1);
    assert_eq!(finish(&mut engine, &mut generation), expected[0]);

    // Saved in the middle of a reply, and restored in the same engine, where nothing else knows its tokens.
    let mut half = engine.begin(&Request { session: other, ..requests[2].clone() }).unwrap();
    for _ in 0..4 {
        block_on(engine.step(&mut half)).unwrap();
    }
    let (head, layers) = save(&mut engine, other);
    let tokens = engine.slots.get(other).unwrap().cached.clone();
    assert!(tokens.len() > 20 && layers.iter().all(|layer| !layer.is_empty()));
    finish(&mut engine, &mut half);
    assert_eq!(half.tokens(), expected[2].tokens);
    for number in 0..=other {
        engine.close_session(number);
    }
    cached!(engine).clear();
    let restored = restore(&mut engine, &head, &layers).unwrap();
    assert_eq!(engine.slots.get(restored).unwrap().cached, tokens);
    assert_eq!(save(&mut engine, restored).1, layers);
    let mut generation = engine.begin(&Request { session: restored, ..requests[2].clone() }).unwrap();
    assert_eq!(generation.usage().cached_tokens, generation.usage().prompt_tokens - 1);
    assert_eq!(finish(&mut engine, &mut generation), expected[2]);

    // What is no such thing.
    let mut refused = |head: &[u8], layers: &[Vec<u8>], code: &str| {
        let error = restore(&mut engine, head, layers).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    };
    for end in [0, 7, 8, 12, 30, head.len() - 1] {
        refused(&head[..end], &layers, "invalid_request");
    }
    refused(&[&head[..], &[0]].concat(), &layers, "invalid_request");
    // Another version, other weights, more layers, more tokens than fit, and a token that the model does not have.
    for (at, byte, code) in [
        (8, 2, "invalid_request"),
        (12, head[12] ^ 1, "invalid_request"),
        (24, head[24] + 1, "invalid_request"),
        (31, 200, "context_full"),
        (35, 1, "invalid_request"),
    ] {
        let mut other = head.clone();
        other[at] = byte;
        refused(&other, &layers, code);
    }
    refused(&head, &[&layers[..1], &[vec![0; 3]], &layers[2..]].concat(), "invalid_request");
    // From another kind of device only the tokens are known, and nothing is taken for granted.
    let mut foreign = head.clone();
    foreign[20..24].copy_from_slice(b"none");
    let session = restore(&mut engine, &foreign, &[]).unwrap();
    assert!(engine.slots.get(session).unwrap().cached.is_empty());
    // A session that is gone, in the middle of a reply too.
    let mut generation = engine.begin(&Request { session, ..requests[0].clone() }).unwrap();
    block_on(engine.step(&mut generation)).unwrap();
    engine.close_session(session);
    assert_eq!(block_on(engine.step(&mut generation)).unwrap_err().code(), "invalid_request");
    assert_eq!(engine.begin(&Request { session, ..requests[0].clone() }).err().unwrap().code(), "invalid_request");
    assert_eq!(reply(&mut engine, &requests[0]), expected[0]);
}

#[test]
fn conversations_have_caches_of_their_own() {
    let expected = alone(&requests());
    for steps_ahead in [0, 2] {
        check_sessions(cpu(steps_ahead), &expected);
    }
    #[cfg(feature = "cpu")]
    check_sessions(crate::backend::cpu::CpuBackend::new(), &of_the_engine(&requests()));
    #[cfg(feature = "gpu")]
    if let Some(gpu) = gpu() {
        check_sessions(gpu, &expected);
    }
}

/// As [`alone`], of the CPU's engine, which rounds otherwise.
#[cfg(feature = "cpu")]
fn of_the_engine(requests: &[Request]) -> Vec<Reply> {
    let mut engine = load(crate::backend::cpu::CpuBackend::new(), None);
    let of = |request| {
        cached!(engine).clear();
        reply(&mut engine, request)
    };
    requests.iter().map(of).collect()
}

/// Allows one token after the other, or, without any, all of them.
struct Forced {
    vocab_size: usize,
    tokens: Option<VecDeque<u32>>,
}

impl Constraint for Forced {
    fn allowed(&mut self) -> Result<Vec<u32>> {
        let mut allowed = vec![0; self.vocab_size.div_ceil(32)];
        match &self.tokens {
            Some(tokens) => allowed[tokens[0] as usize / 32] |= 1 << (tokens[0] % 32),
            None => allowed.fill(u32::MAX),
        }
        Ok(allowed)
    }

    fn accept(&mut self, id: u32) -> Result<bool> {
        let Some(tokens) = &mut self.tokens else { return Ok(false) };
        assert_eq!(tokens.pop_front(), Some(id));
        Ok(tokens.is_empty())
    }
}

/// A constraint that allows everything changes nothing, one that allows one token gets it, and replies may take turns.
fn check_constraints<B: Backend>(backend: B, expected: &[Reply]) {
    let mut engine = load(backend, None);
    let vocab_size = engine.config.vocab_size;
    let forced = |tokens: &[u32]| -> Option<Box<dyn Constraint>> {
        Some(Box::new(Forced { vocab_size, tokens: Some(tokens.iter().copied().collect()) }))
    };
    let free = || -> Option<Box<dyn Constraint>> { Some(Box::new(Forced { vocab_size, tokens: None })) };
    let requests = requests();
    for (request, expected) in requests.iter().zip(expected) {
        let mut generation = engine.begin_constrained(request, free()).unwrap();
        assert_eq!(finish(&mut engine, &mut generation), *expected);
    }
    // What the constraint wants is what comes, though nobody would draw it.
    let wanted = [5, 300, 7, 7, 1000, 12, 900];
    let asked = Request { top_logprobs: Some(0), ..requests[0].clone() };
    let mut generation = engine.begin_constrained(&asked, forced(&wanted)).unwrap();
    assert_eq!(finish(&mut engine, &mut generation).reason, FinishReason::Stop);
    assert_eq!(generation.tokens(), wanted);
    // The model has read it, each token as soon as it was drawn.
    let prompt = engine.prompts.tokens(&asked.messages).unwrap();
    assert_eq!(cached!(engine), [&prompt[..], &wanted].concat());
    // In turns, each with another's tokens in the cache.
    let mut generations = [
        engine.begin_constrained(&requests[0], free()).unwrap(),
        engine.begin_constrained(&asked, forced(&wanted)).unwrap(),
        engine.begin(&requests[1]).unwrap(),
        engine.begin_constrained(&requests[3], free()).unwrap(),
    ];
    for turn in 0..15 {
        let generation = &mut generations[turn * 7 % 4];
        for _ in 0..turn % 3 + 1 {
            drop(engine.step(generation));
            block_on(engine.step(generation)).unwrap();
        }
    }
    let expected = [&expected[0].tokens[..], &wanted, &expected[1].tokens, &expected[3].tokens];
    for (generation, expected) in generations.iter_mut().zip(expected) {
        finish(&mut engine, generation);
        assert_eq!(generation.tokens(), expected);
    }
    // It ends where the request says, whatever the constraint still wants.
    let short = Request { max_tokens: Some(3), ..asked };
    let mut generation = engine.begin_constrained(&short, forced(&wanted)).unwrap();
    assert_eq!(finish(&mut engine, &mut generation).reason, FinishReason::Length);
    assert_eq!(generation.tokens(), &wanted[..3]);
}

#[test]
fn a_reply_keeps_to_its_constraint() {
    let expected = alone(&requests());
    for steps_ahead in [0, 2] {
        check_constraints(cpu(steps_ahead), &expected);
    }
    #[cfg(feature = "gpu")]
    if let Some(gpu) = gpu() {
        check_constraints(gpu, &expected);
    }
}

#[test]
fn a_bias_forbids_a_token_or_makes_it_come() {
    let mut engine = load(cpu(2), None);
    let asked = Request { max_tokens: Some(6), ..request("What is the capital of Japan?") };
    let first = reply(&mut engine, &asked).tokens[0];
    let without = Request { logit_bias: vec![(first, -100.0)], ..asked.clone() };
    assert!(!reply(&mut engine, &without).tokens.contains(&first));
    let only = Request { logit_bias: vec![(first, 100.0)], ..asked.clone() };
    assert_eq!(reply(&mut engine, &only).tokens, [first; 6]);
    for (token, bias) in [(first, 100.5), (first, f32::NAN), (1 << 20, 1.0)] {
        let error = engine.begin(&Request { logit_bias: vec![(token, bias)], ..asked.clone() }).err().unwrap();
        assert!(error.code() == "invalid_request" && error.to_string().contains("logit_bias"), "{error}");
    }
}

#[test]
fn a_plain_prompt_is_what_it_is() {
    let mut engine = load(cpu(2), None);
    let asked = request("What is the capital of Japan?");
    let expected = reply(&mut engine, &asked);
    let tokens = engine.prompts.tokens(&asked.messages).unwrap();
    let text = engine.prompts.tokenizer.decode(&tokens);
    let none = Request { messages: vec![], ..asked.clone() };
    let of_text = |text: &str| Request { prompt: Some(text.to_owned()), ..none.clone() };
    let of_tokens = |tokens: Vec<u32>| Request { prompt_tokens: Some(tokens), ..none.clone() };
    for prompt in [of_text(&text), of_tokens(tokens)] {
        assert_eq!(reply(&mut engine, &prompt), expected);
    }
    let mut engine = load(cpu(0), Some(64));
    let mut refused = |request, code: &str| assert_eq!(engine.begin(&request).err().unwrap().code(), code);
    refused(of_text(""), "invalid_request");
    refused(of_tokens(vec![1, 1 << 20]), "invalid_request");
    refused(Request { messages: asked.messages.clone(), ..of_text("a") }, "invalid_request");
    refused(Request { prompt_tokens: Some(vec![1]), ..of_text("a") }, "invalid_request");
    refused(none.clone(), "invalid_request");
    refused(of_tokens(vec![1; 64]), "context_full");
    refused(of_text(&"word ".repeat(1000)), "context_full");
}

/// In plain and quantised weights, with the embedding in one part and in two, by both sets of kernels.
#[cfg(feature = "gpu")]
#[test]
fn loading_makes_every_pipeline_that_replies_need() {
    use crate::{backend::gpu::Counters, source::FileSource};
    let quantised = || {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/plm-tiny-Q4_0.gguf");
        block_on(Checkpoint::open_gguf(std::rc::Rc::new(FileSource::open(path).unwrap()))).unwrap()
    };
    let short = |request: Request| Request { max_tokens: Some(3), ..request };
    let greedy = short(request("What is the capital of Japan?"));
    let drawn = short(sampled(1));
    let replies = [
        // The second time the cache holds all of the prompt but one token, and of other prompts their beginning.
        greedy.clone(),
        greedy.clone(),
        Request { repetition_penalty: 1.3, ..greedy.clone() },
        Request { temperature: 0.7, ..greedy },
        Request { repetition_penalty: 1.0, frequency_penalty: 0.0, presence_penalty: 0.0, min_p: 0.1, ..drawn.clone() },
        drawn,
    ];
    // Half a megabyte holds what 64 tokens need and half of the embedding.
    // Loading turns four down projections of 256 rows, 64 at a time, each into one plane or two.
    let open: [(&dyn Fn() -> Checkpoint, u64, u64); 3] =
        [(&plm_tiny, u64::MAX, 16), (&plm_tiny, 512 << 10, 16), (&quantised, u64::MAX, 32)];
    for (checkpoint, binding, turned) in open {
        for narrow in [true, false] {
            let Some(mut backend) = gpu() else { return };
            backend.set_narrow(narrow);
            backend.limit_bindings(binding);
            let mut engine = try_load(backend, checkpoint(), Some(64)).unwrap();
            let loading = Counters { dispatches: turned, ..Counters::default() };
            assert_eq!(engine.backend.take_counters(), loading, "something was run");
            assert_eq!(block_on(engine.density()).unwrap(), [0.0; 0], "something was run");
            let made = engine.backend.pipelines();
            println!("narrow: {narrow}, binding: {binding}: {made} pipelines");
            for request in &replies {
                reply(&mut engine, request);
                assert_eq!(engine.backend.pipelines(), made, "narrow: {narrow}, binding: {binding}, {request:?}");
            }
        }
    }
}

#[cfg(feature = "gpu")]
#[test]
fn a_cache_that_is_over_the_devices_limits_is_refused() {
    let Some(mut backend) = gpu() else { return };
    backend.limit_bindings(64 << 10);
    let error = try_load(backend, plm_tiny(), None).err().unwrap();
    assert_eq!(error.code(), "out_of_device_memory");
    assert!(error.to_string().contains("the cache takes 81920 bytes"), "{error}");
}

/// A processor that plays the GPU has no more memory than its process may map. The limit is set in a process of its own, to
/// 320 MiB more than are mapped, and the cache is to take 512.
#[cfg(all(feature = "gpu", target_os = "linux"))]
#[test]
fn a_device_that_cannot_allocate_fails_the_load() {
    use std::process::Command;
    const CHILD: &str = "PLUME_TEST_WITH_LITTLE_MEMORY";
    const TOKENS: usize = 838_860;
    let Some(backend) = gpu() else { return };
    if !backend.is_software() {
        return println!("skipped: only a software adapter's memory can be limited");
    }
    if std::env::var_os(CHILD).is_none() {
        let name = "engine::tests::a_device_that_cannot_allocate_fails_the_load";
        let program = std::env::current_exe().unwrap();
        let status = Command::new(program).args(["--exact", name, "--nocapture"]).env(CHILD, "1").status().unwrap();
        assert!(status.success());
        return;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")?.trim().strip_suffix(" kB")).unwrap();
    let mapped = size.parse::<u64>().unwrap() * 1024;
    let limit = [format!("--pid={}", std::process::id()), format!("--as={}", mapped + (320 << 20))];
    assert!(Command::new("prlimit").args(limit).status().unwrap().success());

    let mut checkpoint = plm_tiny();
    checkpoint.config.max_position_embeddings = TOKENS;
    assert_eq!(TOKENS * backend.cache_bytes_a_token(&checkpoint.config), 536_870_400);
    let error = try_load(backend, checkpoint, Some(TOKENS)).err().unwrap();
    assert_eq!(error.code(), "out_of_device_memory");
    assert!(error.to_string().contains("could not allocate"), "{error}");
}
