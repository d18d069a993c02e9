//! One decoded token of the whole model: dispatches, bytes against the least that there is to read, the host's time, and
//! what a long context costs; and, where the adapter is fast enough, tokens a second.

use crate::{
    kernels::down_bytes,
    random_model::{Mix, Part, RandomModel, plm_1_8b},
    report::{Bench, Operation, median},
};
use plume::{
    Result,
    backend::{
        Backend, Tokens,
        gpu::{Cache, GpuBackend},
    },
    model::{Config, LayerWeights, Weights, forward},
};
use pollster::block_on;
use std::{cell::RefCell, time::Instant};

const CONTEXT: usize = 4096;
/// The fraction of zeros, which plm.md's floor supposes and trained models have.
const ZEROS: f64 = 0.9;
/// Tokens of a prompt that one forward pass takes.
const CHUNK: usize = 512;
/// Any token will do.
const TOKEN: u32 = 1;

/// What is to be measured.
#[derive(Clone, Copy)]
pub struct Options {
    pub layers: usize,
    pub vocabulary: usize,
    /// Layers that have weights of their own; the others share them, so that a machine with little memory can run all.
    pub distinct: usize,
    /// Whether to generate and to take in prompts, which takes minutes where a processor plays the GPU.
    pub whole: bool,
}

struct Model {
    random: RandomModel,
    weights: Weights<GpuBackend>,
    cache: Cache,
}

impl Model {
    fn new(gpu: &mut GpuBackend, mix: Mix, options: Options) -> Result<Self> {
        let random = RandomModel { config: plm_1_8b(options.layers, options.vocabulary), mix, zeros: ZEROS };
        let mut weights = random.weights(gpu, options.distinct, |gpu| gpu.run_timed().map(drop))?;
        let all = (0..options.layers).map(|layer| share(&weights.layers[layer * options.distinct / options.layers]));
        weights.layers = all.collect();
        let cache = gpu.create_cache(&random.config, CONTEXT)?;
        Ok(Self { random, weights, cache })
    }

    /// Records one decoded token. The cache is empty where nothing was written, which reads like any other.
    fn step(&mut self, gpu: &mut GpuBackend, position: usize) -> Result<()> {
        forward(gpu, &self.random.config, &self.weights, &mut self.cache, Tokens::Known(&[TOKEN]), position).map(drop)
    }
}

/// The same weights again.
fn share(layer: &LayerWeights<GpuBackend>) -> LayerWeights<GpuBackend> {
    LayerWeights {
        input_layernorm: layer.input_layernorm.clone(),
        q_proj: layer.q_proj.clone(),
        kv_a_proj_with_mqa: layer.kv_a_proj_with_mqa.clone(),
        kv_a_layernorm: layer.kv_a_layernorm.clone(),
        kv_b_proj: layer.kv_b_proj.clone(),
        o_proj: layer.o_proj.clone(),
        post_attention_layernorm: layer.post_attention_layernorm.clone(),
        up_proj: layer.up_proj.clone(),
        down_proj: layer.down_proj.clone(),
    }
}

/// The bytes that files have for what a token needs: all weights, but of the down projection the active neurons' only.
fn floor(model: &RandomModel, layers: usize, density: &[f32]) -> f64 {
    let bytes = |part, layer| {
        let descriptor = model.descriptor(part, layer);
        let elements = (descriptor.rows * descriptor.columns) as u64;
        descriptor.element_type.byte_length(elements).expect("whole blocks") as f64
    };
    let always = [Part::Query, Part::Compressed, Part::KeysAndValues, Part::Output, Part::Up];
    let layer = |layer: usize| {
        let weights: f64 = always.iter().map(|part| bytes(*part, layer)).sum();
        weights + bytes(Part::Down, layer) * f64::from(density[layer])
    };
    bytes(Part::Embedding, 0) + (0..layers).map(layer).sum::<f64>()
}

/// All figures of one mix.
pub fn token(bench: &mut Bench, mix: Mix, options: Options) -> Result<()> {
    let mut model = Model::new(&mut bench.gpu, mix, options)?;
    counts(bench, &mut model)?;
    encoding(bench, &mut model)?;
    context(bench, &mut model)?;
    if options.whole {
        generation(bench, &mut model)?;
        prompts(bench, &mut model)?;
    }
    Ok(())
}

/// Dispatches and bytes, of the kernels for a GPU, whatever the adapter is.
fn counts(bench: &mut Bench, model: &mut Model) -> Result<()> {
    let narrow = bench.gpu.is_software();
    bench.gpu.set_narrow(false);
    let mix = model.random.mix;
    let layers = model.weights.layers.len();
    let mut counted = |model: &mut Model, position| -> Result<_> {
        bench.gpu.take_counters();
        model.step(&mut bench.gpu, position)?;
        let density = block_on(bench.gpu.density())?;
        let down = model.weights.layers.iter().zip(&density);
        let down: f64 = down.map(|(layer, density)| down_bytes(&layer.down_proj, f64::from(*density))).sum();
        let counters = bench.gpu.take_counters();
        Ok((counters.dispatches, counters.bytes_read as f64 + down, density))
    };
    let (dispatches, bytes, density) = counted(model, 0)?;
    let (_, bytes_at_end, _) = counted(model, CONTEXT - 1)?;
    let last = model.weights.layers.pop().expect("a model has layers");
    let (fewer, ..) = counted(model, 0)?;
    model.weights.layers.push(last);
    bench.gpu.set_narrow(narrow);

    let name = |what: &str| format!("{mix}: {what}");
    bench.figure(&name("dispatches a layer"), (dispatches - fewer) as f64, "", 1);
    bench.figure(&name("dispatches a token"), dispatches as f64, "", 1);
    let mean = density.iter().sum::<f32>() / density.len() as f32;
    bench.figure(&name("active neurons"), f64::from(mean) * 100.0, "%", 1);
    let least = floor(&model.random, layers, &density);
    bench.ratio(&name("bytes read, context 0"), bytes / 1e6, "MB", least / 1e6, "read / floor", 1);
    let Config { kv_lora_rank, qk_rope_head_dim, .. } = model.random.config;
    let least = least + (layers * CONTEXT * (kv_lora_rank + qk_rope_head_dim) * 2) as f64;
    let case = name(&format!("bytes read, context {CONTEXT}"));
    bench.ratio(&case, bytes_at_end / 1e6, "MB", least / 1e6, "read / floor", 1);
    Ok(())
}

/// The host's time for one token, from the call of `forward` to the moment when the device has been given everything.
fn encoding(bench: &mut Bench, model: &mut Model) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..bench.runs.max(3) {
        bench.gpu.run_timed()?;
        let started = Instant::now();
        model.step(&mut bench.gpu, 0)?;
        bench.gpu.flush();
        times.push(started.elapsed().as_secs_f64());
    }
    bench.gpu.run_timed()?;
    let case = format!("{}: host time to encode a token, {} layers", model.random.mix, model.weights.layers.len());
    bench.figure(&case, median(times) * 1e6, "us", 1);
    Ok(())
}

/// The device's time for one token at the start, in the middle and at the end of a context.
fn context(bench: &mut Bench, model: &mut Model) -> Result<()> {
    let mix = model.random.mix;
    let model = RefCell::new(model);
    let positions = [0, 1023, CONTEXT - 1];
    let mut operations: Vec<Operation> = Vec::new();
    for position in positions {
        let model = &model;
        operations.push(Box::new(move |gpu, _| model.borrow_mut().step(gpu, position)));
    }
    let timings = bench.interleave(&mut operations)?;
    drop(operations);
    bench.figure(&format!("{mix}: a token at context 0"), timings[0].seconds * 1e3, "ms", timings[0].repeats);
    for (position, timing) in positions.into_iter().zip(&timings).skip(1) {
        let case = format!("{mix}: a token at context {}", position + 1);
        let (value, baseline) = (timing.seconds * 1e3, timings[0].seconds * 1e3);
        bench.ratio(&case, value, "ms", baseline, "this / context 0", timing.repeats);
    }
    Ok(())
}

/// Tokens a second, with steps queued one after another: nothing is read back, as where the device samples.
fn generation(bench: &mut Bench, model: &mut Model) -> Result<()> {
    let steps = if bench.gpu.is_software() { 2 } else { 64 };
    for context in [0, 1024, CONTEXT] {
        let first = context.min(CONTEXT - steps);
        let mut times = Vec::new();
        for _ in 0..bench.runs {
            bench.gpu.run_timed()?;
            let started = Instant::now();
            for position in first..first + steps {
                model.step(&mut bench.gpu, position)?;
            }
            bench.gpu.run_timed()?;
            times.push(started.elapsed().as_secs_f64());
        }
        let case = format!("{}: decode, context {context}", model.random.mix);
        bench.figure(&case, steps as f64 / median(times), "tok/s", steps);
    }
    Ok(())
}

/// Tokens a second of a prompt, to the logits of its last token.
fn prompts(bench: &mut Bench, model: &mut Model) -> Result<()> {
    for tokens in [512, 2048] {
        let ids = vec![TOKEN; CHUNK];
        let mut times = Vec::new();
        for _ in 0..bench.runs {
            bench.gpu.run_timed()?;
            let started = Instant::now();
            for position in (0..tokens).step_by(CHUNK) {
                let Model { random, weights, cache } = model;
                forward(&mut bench.gpu, &random.config, weights, cache, Tokens::Known(&ids), position)?;
            }
            bench.gpu.run_timed()?;
            times.push(started.elapsed().as_secs_f64());
        }
        let case = format!("{}: prefill of {tokens}", model.random.mix);
        bench.figure(&case, tokens as f64 / median(times), "tok/s", 1);
    }
    Ok(())
}
