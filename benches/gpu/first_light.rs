//! Milliseconds of a decoded token, as one line of JSON: plm-tiny, and two layers of PLM-1.8B's shapes with a small vocabulary.
//! It uses only what the library had from the start, but for what `known.rs` hides, so that gpu.mjs can build it in a checkout
//! of an older commit too and let both take turns.

mod known;
#[expect(dead_code, reason = "the other bench uses all of it")]
mod random_model;

use known::known;
use plume::{
    Result,
    backend::{Backend, gpu::GpuBackend},
    format::Checkpoint,
    model::{Config, Weights, forward},
    source::FileSource,
    weights::{ElementType, load_weights},
};
use pollster::block_on;
use random_model::{Mix, RandomModel, plm_1_8b};
use std::{rc::Rc, time::Instant};

/// Milliseconds a token, over `steps` greedy ones after a first few.
fn decode(gpu: &mut GpuBackend, config: &Config, weights: &Weights<GpuBackend>, steps: usize) -> Result<f64> {
    const FIRST: usize = 2;
    let mut cache = gpu.create_cache(config, FIRST + steps)?;
    let mut started = Instant::now();
    let mut token = 1;
    for position in 0..FIRST + steps {
        if position == FIRST {
            started = Instant::now();
        }
        let logits = forward(gpu, config, weights, &mut cache, known(&[token]), position)?;
        let logits = block_on(gpu.read(&logits))?;
        let best = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]));
        token = best.expect("a vocabulary is not empty") as u32;
    }
    Ok(started.elapsed().as_secs_f64() * 1e3 / steps as f64)
}

fn main() -> Result<()> {
    let path = std::env::args().find(|argument| argument.ends_with(".gguf"));
    let path = path.expect("the path of plm-tiny as a GGUF is needed");
    let mut gpu = block_on(GpuBackend::new())?;
    let checkpoint = block_on(Checkpoint::open_gguf(Rc::new(FileSource::open(path)?)))?;
    let tiny = block_on(load_weights(&mut gpu, &checkpoint, &mut ()))?;
    let plm_tiny = decode(&mut gpu, &checkpoint.config, &tiny, 60)?;
    let model = RandomModel { config: plm_1_8b(2, 2048), mix: Mix::Uniform(ElementType::Q8_0), zeros: 0.9 };
    let weights = model.weights(&mut gpu, 2, |_| Ok(()))?;
    let two_layers = decode(&mut gpu, &model.config, &weights, 4)?;
    println!("{}", serde_json::json!({ "plm_tiny": plm_tiny, "two_layers": two_layers, "adapter": gpu.name() }));
    Ok(())
}
