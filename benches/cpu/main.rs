//! The CPU engine natively: a prompt of so many tokens, for the second time, then so many more one by one, each the likeliest.
//! Prints a line of JSON.

use plume::{
    backend::{
        Backend, Sampling, Tokens,
        cpu::{CpuBackend, InstructionSet, Pool},
    },
    format::Checkpoint,
    model::forward,
    source::FileSource,
    weights::load_weights,
};
use pollster::block_on;
use std::{error::Error, rc::Rc, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [path, threads, prompt, tokens] = arguments.as_slice() else {
        return Err("usage: cpu MODEL.gguf THREADS PROMPT_TOKENS TOKENS".into());
    };
    let (threads, prompt, tokens): (usize, u32, usize) = (threads.parse()?, prompt.parse()?, tokens.parse()?);
    let checkpoint = block_on(Checkpoint::open_gguf(Rc::new(FileSource::open(path)?)))?;
    let config = checkpoint.config.clone();
    let mut backend = CpuBackend::with(InstructionSet::best(), Pool::new(threads));
    let weights = block_on(load_weights(&mut backend, &checkpoint, &mut ()))?;

    let ids: Vec<u32> = (0..prompt).map(|i| i * 97 % config.vocab_size as u32).collect();
    let mut sampler = backend.create_sampler(&Sampling::GREEDY, 0, config.vocab_size, &[], &[])?;
    let mut read_prompt = |backend: &mut CpuBackend| -> Result<_, Box<dyn Error>> {
        let mut cache = backend.create_cache(&config, ids.len() + tokens)?;
        let mut token = 0;
        let started = Instant::now();
        for (index, chunk) in ids.chunks(256).enumerate() {
            let logits = forward(backend, &config, &weights, &mut cache, Tokens::Known(chunk), index * 256)?;
            token = backend.sample(&mut sampler, &logits, index * 256 + chunk.len())?;
        }
        Ok((cache, token, started.elapsed().as_secs_f64()))
    };
    read_prompt(&mut backend)?;
    let (mut cache, mut token, prefill) = read_prompt(&mut backend)?;
    let started = Instant::now();
    for position in ids.len()..ids.len() + tokens {
        let logits = forward(&mut backend, &config, &weights, &mut cache, Tokens::Sampled(&token), position)?;
        token = backend.sample(&mut sampler, &logits, position + 1)?;
    }
    let decode = started.elapsed().as_secs_f64();
    let density = block_on(backend.density())?;
    println!(
        "{{ \"adapter\": \"{}\", \"prefill_tps\": {:.2}, \"decode_tps\": {:.2}, \"density\": {:.3} }}",
        backend.name(),
        f64::from(prompt) / prefill,
        tokens as f64 / decode,
        density.iter().sum::<f32>() / density.len() as f32,
    );
    Ok(())
}
