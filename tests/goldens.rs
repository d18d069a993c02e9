//! Both backends against the float32 PyTorch reference: logits of plm-tiny and of oddly shaped random models, and the
//! greedy tokens of whole conversations, from safetensors and from GGUF; and the perplexity of a text that the model was not
//! trained on. Q4_K_M is the file that llama.cpp quantised; its reference computes on what gguf-py decodes from it.
//!
//! Bounds. The reference computes in float32 on the very weights that the files decode to. With a cache of f32 what is left
//! is the order of summation: some 1e-6 a product, a few dozen products deep; 2e-5, and a KL of 1e-8, hold with room. Both
//! backends keep the cache as f16 unless told otherwise, which rounds every entry by up to 5e-4 of itself: logits are then
//! off by up to 3e-3 (the bound is 5e-3), and the next-token distribution by a KL of 1e-7 on plm-tiny (1e-6). Of its Q4_K_M
//! file that rounding alone makes a KL of 1.1e-6 at one position, on the CPU as on GPUs (1e-5; with a cache of f32 it is 1e-12).
//! The oddly shaped models have random weights, whose scores are larger than trained ones: 1e-4. A KL of 1e-7 is an error of
//! some 4e-4 in a token's log probability, of either sign, of which the mean over hundreds of tokens has 2e-5 left: perplexity
//! is held to 5e-5. Kernels themselves are held to their twins, with the same cache, in tests/kernels.rs.

#[cfg(feature = "gpu")]
mod adapter;
mod measures;

use measures::{Perplexity, divergence, relative_error};
use plume::{
    backend::{
        Backend, Tokens,
        cpu::{CpuBackend, InstructionSet, Pool},
        reference::ReferenceBackend,
    },
    engine::{Engine, LoadOptions, Message, Request},
    format::Checkpoint,
    model::{forward, forward_all},
    source::{Directory, FileSource},
    tokenizer::Tokenizer,
    weights::load_weights,
};
use pollster::block_on;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    rc::Rc,
};

const KINDS: [&str; 5] = ["BF16", "F16", "Q8_0", "Q4_0", "Q4_K_M"];
/// How far results may be from the reference's.
#[derive(Clone, Copy)]
struct Bounds {
    /// Of logits, as vectors.
    relative_error: f64,
    /// In nats, for trained weights, for those as Q4_K_M, and for random ones.
    kl: f64,
    k_quants_kl: f64,
    random_kl: f64,
    /// Below this lead over the runner-up a golden token is a tie, and rounding may decide it either way.
    tie: f32,
}

const F32_CACHE: Bounds = Bounds { relative_error: 2e-5, kl: 1e-8, k_quants_kl: 1e-8, random_kl: 1e-8, tie: 1e-3 };
const F16_CACHE: Bounds = Bounds { relative_error: 5e-3, kl: 1e-6, k_quants_kl: 1e-5, random_kl: 1e-4, tie: 1e-2 };
const CPU: Bounds = Bounds { relative_error: 2e-3, kl: 1e-7, k_quants_kl: 5e-7, random_kl: 1e-5, tie: 5e-3 };

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// plm-tiny as a folder of safetensors (BF16) or as a GGUF.
fn plm_tiny(kind: &str) -> Checkpoint {
    let opened = match kind {
        "BF16" => block_on(Checkpoint::open_folder(&Directory::new(root().join("www/models/plm-tiny")))),
        _ => {
            let path = root().join(format!("tests/data/plm-tiny-{kind}.gguf"));
            block_on(Checkpoint::open_gguf(Rc::new(FileSource::open(path).unwrap())))
        }
    };
    opened.unwrap()
}

/// The ids and the logits [tokens, vocabulary] of a goldens file.
fn golden_logits(path: &Path, prefix: &str) -> (Vec<u32>, Vec<f32>) {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let ids = file.tensor(&format!("{prefix}ids")).unwrap();
    assert_eq!(ids.dtype(), Dtype::I64);
    let ids = ids.data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as u32).collect();
    let logits = file.tensor(&format!("{prefix}logits")).unwrap();
    assert_eq!(logits.dtype(), Dtype::F32);
    let logits = logits.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    (ids, logits)
}

/// Every position's logits by decoding token after token, and the last ones of prefills in uneven chunks.
fn check_logits<B: Backend>(
    mut backend: B,
    checkpoint: &Checkpoint,
    goldens: (Vec<u32>, Vec<f32>),
    (bound, most_kl): (f64, f64),
    what: &str,
) {
    let config = checkpoint.config.clone();
    let (ids, expected) = goldens;
    let row = |token: usize| &expected[token * config.vocab_size..][..config.vocab_size];
    let weights = block_on(load_weights(&mut backend, checkpoint, &mut ())).unwrap();
    let mut worst = (0.0f64, 0.0f64);
    let mut compare = |found: Vec<f32>, token: usize, how: &str| {
        let (error, kl) = (relative_error(&found, row(token)), divergence(&found, row(token)));
        worst = (worst.0.max(error), worst.1.max(kl));
        assert!(error <= bound, "{what}, {how}, token {token}: relative error {error:e} over {bound:e}");
        assert!(kl <= most_kl, "{what}, {how}, token {token}: KL {kl:e} over {most_kl:e}");
    };
    let mut cache = backend.create_cache(&config, ids.len()).unwrap();
    for (token, id) in ids.iter().enumerate() {
        let logits = forward(&mut backend, &config, &weights, &mut cache, Tokens::Known(&[*id]), token).unwrap();
        compare(block_on(backend.read(&logits)).unwrap(), token, "decode");
    }
    for chunk in [ids.len(), 7] {
        let mut cache = backend.create_cache(&config, ids.len()).unwrap();
        for (index, part) in ids.chunks(chunk).enumerate() {
            let position = index * chunk;
            let logits = forward(&mut backend, &config, &weights, &mut cache, Tokens::Known(part), position).unwrap();
            compare(block_on(backend.read(&logits)).unwrap(), position + part.len() - 1, "prefill");
        }
    }
    println!("{what}: worst relative error {:.1e}, worst KL {:.1e}", worst.0, worst.1);
}

fn check_all_logits<B: Backend>(backend: impl Fn() -> B, bounds: Bounds) {
    let Bounds { relative_error, kl, k_quants_kl, random_kl, .. } = bounds;
    for name in ["narrow", "one-head", "wide"] {
        let folder = root().join("tests/data/odd").join(name);
        let checkpoint = block_on(Checkpoint::open_folder(&Directory::new(&folder))).unwrap();
        let goldens = golden_logits(&folder.join("goldens.safetensors"), "");
        check_logits(backend(), &checkpoint, goldens, (relative_error, random_kl), name);
    }
    for kind in KINDS {
        let goldens = golden_logits(&root().join("www/models/plm-tiny/goldens.safetensors"), &format!("{kind}."));
        let kl = if kind == "Q4_K_M" { k_quants_kl } else { kl };
        check_logits(backend(), &plm_tiny(kind), goldens, (relative_error, kl), &format!("plm-tiny {kind}"));
    }
}

#[derive(Deserialize)]
struct Conversation {
    turns: Vec<String>,
    steps: Vec<Reply>,
}

#[derive(Deserialize)]
struct Reply {
    ids: Vec<u32>,
    text: String,
    margins: Vec<f32>,
}

fn conversations(kind: &str) -> Vec<Conversation> {
    let bytes = std::fs::read(root().join("www/models/plm-tiny/goldens.json")).unwrap();
    let mut goldens: HashMap<String, serde_json::Value> = serde_json::from_slice(&bytes).unwrap();
    serde_json::from_value(goldens.remove(kind).unwrap()).unwrap()
}

fn message(role: &str, content: &str) -> Message {
    Message { role: role.to_owned(), content: content.to_owned() }
}

/// A fifth of a kind's conversations, for software GPUs, where all of them take minutes. Each kind takes another fifth,
/// so that together they are all; PLUME_FULL=1 takes every one of every kind.
#[cfg(feature = "gpu")]
fn share(kind: &str) -> Vec<Conversation> {
    let all = conversations(kind);
    if std::env::var_os("PLUME_FULL").is_some() {
        return all;
    }
    println!("plm-tiny {kind}: a fifth of its conversations; PLUME_FULL=1 takes all");
    let mine = KINDS.iter().position(|other| *other == kind).unwrap();
    all.into_iter()
        .enumerate()
        .filter(|(index, _)| index % KINDS.len() == mine)
        .map(|(_, conversation)| conversation)
        .collect()
}

/// Tokens must equal the golden ones up to the first tie; text must where there is none.
fn check_greedy<B: Backend>(backend: B, kind: &str, asked: Vec<Conversation>, bounds: Bounds) {
    let mut engine = block_on(Engine::load(backend, plm_tiny(kind), LoadOptions::default(), &mut ())).unwrap();
    let (mut replies, mut ties) = (0, 0);
    for conversation in asked {
        let mut messages = Vec::new();
        for (turn, reply) in conversation.turns.iter().zip(&conversation.steps) {
            messages.push(message("user", turn));
            let request =
                Request { messages: messages.clone(), temperature: 0.0, max_tokens: Some(160), ..Request::default() };
            let mut generation = engine.begin(&request).unwrap();
            let mut text = String::new();
            loop {
                let step = block_on(engine.step(&mut generation)).unwrap();
                text += &step.text;
                if step.finished.is_some() {
                    break;
                }
            }
            let tie = reply.margins.iter().position(|margin| *margin < bounds.tie);
            let certain = tie.unwrap_or(reply.ids.len());
            assert_eq!(&generation.tokens()[..certain], &reply.ids[..certain], "{kind}: {turn}");
            if tie.is_none() {
                assert_eq!(text, reply.text, "{kind}: {turn}");
            }
            replies += 1;
            ties += usize::from(tie.is_some());
            // The conversation goes on from the golden reply, as the reference's did.
            messages.push(message("assistant", &reply.text));
        }
    }
    println!("plm-tiny {kind}: {replies} replies equal the reference's ({ties} of them up to a tie)");
}

/// What held_out.py wrote.
#[derive(Deserialize)]
struct HeldOut {
    /// Tokens that are read from an empty cache.
    window: usize,
    /// The reference's on the BF16 weights, by how many of the text's tokens it read.
    perplexity: BTreeMap<usize, f64>,
}

/// Reads the text that the model was not trained on, in passes of many tokens, and compares perplexities; at most `most` tokens.
fn check_perplexity<B: Backend>(mut backend: B, most: usize) {
    /// Four digits after the point.
    const BOUND: f64 = 5e-5;
    /// It does not divide a window.
    const CHUNK: usize = 128;
    let data = root().join("tests/data");
    let expected: HeldOut = serde_json::from_slice(&std::fs::read(data.join("held-out.json")).unwrap()).unwrap();
    let checkpoint = plm_tiny("BF16");
    let config = &checkpoint.config;
    let text = std::fs::read_to_string(data.join("held-out.txt")).unwrap();
    let ids = Tokenizer::new(&checkpoint.vocabulary).unwrap().encode(&text);
    assert_eq!(Some(&ids.len()), expected.perplexity.keys().last(), "tokens of the held-out text");
    let weights = block_on(load_weights(&mut backend, &checkpoint, &mut ())).unwrap();

    let (mut found, mut compared) = (Perplexity::default(), 0);
    for (index, window) in ids[..most.min(ids.len())].chunks(expected.window).enumerate() {
        let mut cache = backend.create_cache(config, window.len()).unwrap();
        for (chunk, part) in window.chunks(CHUNK).enumerate() {
            let (tokens, position) = (Tokens::Known(part), chunk * CHUNK);
            let logits = forward_all(&mut backend, config, &weights, &mut cache, tokens, position).unwrap();
            let logits = block_on(backend.read(&logits)).unwrap();
            for (row, next) in logits.chunks_exact(config.vocab_size).zip(&window[position + 1..]) {
                found.push(row, *next);
            }
        }
        let read = index * expected.window + window.len();
        if let Some(expected) = expected.perplexity.get(&read) {
            println!(
                "{}: perplexity of {read} tokens {:.6}, the reference's {expected:.6}",
                backend.name(),
                found.value()
            );
            assert!((found.value() - expected).abs() < BOUND, "{read} tokens: {:.6}, not {expected:.6}", found.value());
            compared += 1;
        }
    }
    assert!(compared > 0, "{most} tokens reach none whose perplexity is known");
}

#[test]
fn plain_perplexity_equals_the_reference() {
    check_perplexity(ReferenceBackend::with_f32_cache(), usize::MAX);
    check_perplexity(ReferenceBackend::new(), 640);
}

#[test]
fn plain_logits_equal_the_reference() {
    check_all_logits(ReferenceBackend::with_f32_cache, F32_CACHE);
    check_all_logits(ReferenceBackend::new, F16_CACHE);
}

#[test]
fn plain_greedy_replies_equal_the_reference() {
    for kind in KINDS {
        check_greedy(ReferenceBackend::with_f32_cache(), kind, conversations(kind), F32_CACHE);
        check_greedy(ReferenceBackend::new(), kind, conversations(kind), F16_CACHE);
    }
}

#[test]
fn cpu_perplexity_equals_the_reference() {
    check_perplexity(CpuBackend::new(), usize::MAX);
}

#[test]
fn cpu_logits_equal_the_reference() {
    for set in InstructionSet::all() {
        println!("{}:", set.name());
        check_all_logits(|| CpuBackend::with(set, Pool::alone()), CPU);
    }
}

#[test]
fn cpu_greedy_replies_equal_the_reference() {
    for kind in KINDS {
        check_greedy(CpuBackend::new(), kind, conversations(kind), CPU);
    }
}

#[cfg(feature = "gpu")]
mod gpu {
    use super::*;
    use crate::adapter::gpu;

    #[test]
    fn gpu_logits_equal_the_reference() {
        if gpu().is_some() {
            check_all_logits(|| gpu().unwrap(), F16_CACHE);
        }
    }

    #[test]
    fn gpu_perplexity_equals_the_reference() {
        let Some(backend) = gpu() else { return };
        check_perplexity(backend, if std::env::var_os("PLUME_FULL").is_some() { usize::MAX } else { 640 });
    }

    #[test]
    fn gpu_greedy_replies_equal_the_reference() {
        for kind in KINDS {
            let Some(backend) = gpu() else { return };
            check_greedy(backend, kind, share(kind), F16_CACHE);
        }
    }
}
