//! Every kernel of a decoded token at PLM-1.8B's shapes: its bandwidth against a copy's, and the kernels for a GPU against
//! those for a processor that plays one; then the sparse down projection against a dense one.

use crate::{
    random_model::{LEAD, Mix, Part, Random, RandomModel, Row, plm_1_8b, upload_matrix},
    report::{Bench, Operation, Timing},
};
use plume::{
    Result,
    backend::{
        Backend, LatentAttention, Layout, MatrixDescriptor, Tokens,
        gpu::{Activation, GpuBackend, Matrix, SparseActivation},
    },
    weights::ElementType,
};
use pollster::block_on;
use std::cell::RefCell;

/// What a GPU's cache cannot hold: matrices are read in turn from copies that are this large together.
const ROTATED: u64 = 256 << 20;
const CONTEXT: usize = 4096;
/// The fraction of zeros that the up projection of the single kernels gives.
const ZEROS: f64 = 0.9;
/// Values that a copy moves: 64 MB.
const COPIED: usize = 16_000_000;

/// An activation [1, width] of random values; with `led`, the leading ones are one.
fn activation(gpu: &mut GpuBackend, width: usize, led: bool, position: usize) -> Result<Activation> {
    let table = MatrixDescriptor {
        name: "an activation".to_owned(),
        element_type: ElementType::F32,
        rows: 1,
        columns: width,
        layout: Layout::RowMajor,
    };
    let row = if led { Row::Led(1.0) } else { Row::Random };
    let table = upload_matrix(gpu, &mut Random(7), &table, 0.5, |_, _| row, |_, _| {})?;
    gpu.embed(&table, Tokens::Known(&[0]), position)
}

/// The list of active neurons of one token, and their fraction.
fn active(gpu: &mut GpuBackend, neurons: usize, zeros: f64) -> Result<(SparseActivation, f64)> {
    let up = MatrixDescriptor {
        name: "neurons".to_owned(),
        element_type: ElementType::F32,
        rows: neurons,
        columns: LEAD,
        layout: Layout::RowMajor,
    };
    let row = |_, random: &mut Random| Row::Led(if random.fraction() < zeros { -1.0 } else { 1.0 } / LEAD as f32);
    let up = upload_matrix(gpu, &mut Random(8), &up, 0.5, row, |_, _| {})?;
    let x = activation(gpu, LEAD, true, 0)?;
    let norm = gpu.vector(&[1.0; LEAD])?;
    let active = gpu.norm_relu_squared(0, &x, &norm, &up, &plm_1_8b(1, 1))?;
    let density = block_on(gpu.density())?[0];
    Ok((active, f64::from(density)))
}

/// Bytes that the down projection reads at a density. Other planes than the weights serve 32 neighbouring neurons, of which
/// one suffices.
pub fn down_bytes(down: &Matrix, density: f64) -> f64 {
    let planes = down.plane_bytes();
    let beside: u64 = planes[1..].iter().sum();
    planes[0] as f64 * density + beside as f64 * (1.0 - (1.0 - density).powi(32))
}

/// Copies of one matrix, to be read in turn.
fn copies(gpu: &mut GpuBackend, model: &RandomModel, part: Part) -> Result<Vec<Matrix>> {
    let mut random = Random(part as u64);
    let mut copies = vec![model.upload(gpu, &mut random, part, 0)?];
    let count = copies_of(gpu, copies[0].bytes());
    while copies.len() < count {
        copies.push(model.upload(gpu, &mut random, part, 0)?);
        gpu.run_timed()?;
    }
    Ok(copies)
}

/// On a processor that plays a GPU arithmetic takes the time, and two are enough.
fn copies_of(gpu: &GpuBackend, bytes: u64) -> usize {
    match gpu.is_software() {
        true => 2,
        false => ROTATED.div_ceil(bytes).clamp(1, 128) as usize,
    }
}

/// Bytes a second that a copy reads and writes.
pub fn copy(bench: &mut Bench) -> Result<f64> {
    let from = [activation(&mut bench.gpu, COPIED, false, 0)?, activation(&mut bench.gpu, COPIED, false, 0)?];
    let run: Operation = Box::new(|gpu, i| gpu.last_row(&from[i % 2]).map(drop));
    let timing = bench.interleave(&mut [run])?[0];
    let bandwidth = 2.0 * 4.0 * COPIED as f64 / timing.seconds;
    bench.figure("a copy of 64 MB, read and written", bandwidth / 1e9, "GB/s", timing.repeats);
    Ok(bandwidth)
}

/// Measures one kernel in both its forms.
fn kernel(
    bench: &mut Bench,
    name: &str,
    bytes: f64,
    copy: f64,
    operation: &dyn Fn(&mut GpuBackend, usize) -> Result<()>,
) -> Result<()> {
    let narrow = bench.gpu.is_software();
    let with = |narrow| -> Operation {
        Box::new(move |gpu, i| {
            gpu.set_narrow(narrow);
            operation(gpu, i)
        })
    };
    let timings = bench.interleave(&mut [with(narrow), with(!narrow)])?;
    bench.gpu.set_narrow(narrow);
    bench.bandwidth(name, bytes, timings[0], copy);
    let (this, against) = if narrow { ("narrow", "wide / narrow") } else { ("wide", "narrow / wide") };
    bench.faster(&format!("{name}, {this}"), timings[0], timings[1], against);
    Ok(())
}

/// Every kernel with the matrices of one mix.
pub fn kernels(bench: &mut Bench, mix: Mix, vocabulary: usize, copy: f64) -> Result<()> {
    let model = RandomModel { config: plm_1_8b(1, vocabulary), mix, zeros: ZEROS };
    let config = model.config.clone();
    let x = activation(&mut bench.gpu, config.hidden_size, true, 0)?;
    let norm = bench.gpu.vector(&vec![1.0; config.hidden_size])?;

    for (name, part) in [("q_proj", Part::Query), ("kv_a_proj", Part::Compressed), ("head", Part::Embedding)] {
        let matrices = copies(&mut bench.gpu, &model, part)?;
        let run = |gpu: &mut GpuBackend, i: usize| {
            gpu.norm_matmul(&x, &norm, &matrices[i % matrices.len()], &config).map(drop)
        };
        kernel(bench, &format!("{mix} {name}"), matrices[0].bytes() as f64, copy, &run)?;
    }

    let matrices = copies(&mut bench.gpu, &model, Part::Output)?;
    let o = activation(&mut bench.gpu, config.num_attention_heads * config.v_head_dim, false, 0)?;
    let residual = RefCell::new(activation(&mut bench.gpu, config.hidden_size, true, 0)?);
    let run =
        |gpu: &mut GpuBackend, i: usize| gpu.matmul_add(&mut residual.borrow_mut(), &matrices[i % matrices.len()], &o);
    kernel(bench, &format!("{mix} o_proj"), matrices[0].bytes() as f64, copy, &run)?;

    let matrices = copies(&mut bench.gpu, &model, Part::Up)?;
    let run = |gpu: &mut GpuBackend, i: usize| {
        gpu.norm_relu_squared(0, &x, &norm, &matrices[i % matrices.len()], &config).map(drop)
    };
    kernel(bench, &format!("{mix} up_proj, relu^2"), matrices[0].bytes() as f64, copy, &run)?;

    let matrices = copies(&mut bench.gpu, &model, Part::Down)?;
    let (active, density) = active(&mut bench.gpu, config.intermediate_size, ZEROS)?;
    let run = |gpu: &mut GpuBackend, i: usize| {
        gpu.sparse_matmul_add(&mut residual.borrow_mut(), &matrices[i % matrices.len()], &active)
    };
    kernel(bench, &format!("{mix} down_proj, 90 % zeros"), down_bytes(&matrices[0], density), copy, &run)?;
    drop(matrices);

    attention(bench, &model, copy)
}

/// The kernels of attention at the end of a full context; where a processor plays the GPU LatentAttention is two.
fn attention(bench: &mut Bench, model: &RandomModel, copy: f64) -> Result<()> {
    let mut config = model.config.clone();
    let cached = (CONTEXT * bench.gpu.cache_bytes_a_token(&config)) as u64;
    config.num_hidden_layers = copies_of(&bench.gpu, cached);
    let matrices = copies(&mut bench.gpu, model, Part::KeysAndValues)?;
    let norm = bench.gpu.vector(&vec![1.0; config.kv_lora_rank])?;
    let cache = RefCell::new(bench.gpu.create_cache(&config, CONTEXT)?);
    let position = CONTEXT - 1;
    let q = activation(&mut bench.gpu, config.num_attention_heads * config.qk_head_dim(), false, position)?;
    let compressed = activation(&mut bench.gpu, config.cache_width(), false, position)?;
    let run = |gpu: &mut GpuBackend, i: usize| {
        let attention = LatentAttention {
            layer: i % config.num_hidden_layers,
            position,
            q: &q,
            compressed: &compressed,
            kv_a_layernorm: &norm,
            kv_b_proj: &matrices[i % matrices.len()],
        };
        gpu.latent_attention(&mut cache.borrow_mut(), attention, &config).map(drop)
    };
    // A GPU's bytes, whatever the adapter is.
    let narrow = bench.gpu.is_software();
    bench.gpu.set_narrow(false);
    bench.gpu.take_counters();
    run(&mut bench.gpu, 0)?;
    let all = bench.gpu.take_counters().bytes_read as f64;
    bench.gpu.set_narrow(narrow);
    let weights = matrices[0].bytes() as f64;
    let (nope, v) = (config.qk_nope_head_dim as f64, config.v_head_dim as f64);
    let parts = all - weights - cached as f64;
    let mix = model.mix;
    for (name, bytes) in [
        ("AppendAndAbsorb", weights * nope / (nope + v)),
        ("LatentAttention", cached as f64),
        ("ExpandValue", weights * v / (nope + v) + parts),
    ] {
        bench.gpu.record_only(Some(name));
        let measured = kernel(bench, &format!("{mix} {name}, context {CONTEXT}"), bytes, copy, &run);
        bench.gpu.record_only(None);
        measured?;
    }
    Ok(())
}

/// The sparse down projection at several fractions of zeros against the dense product with the same matrix.
pub fn sparse_against_dense(bench: &mut Bench, mix: Mix) -> Result<()> {
    const FRACTIONS: [f64; 5] = [0.0, 0.5, 0.8, 0.9, 0.95];
    let model = RandomModel { config: plm_1_8b(1, 1), mix, zeros: ZEROS };
    let (hidden, neurons) = (model.config.hidden_size, model.config.intermediate_size);
    let sparse = copies(&mut bench.gpu, &model, Part::Down)?;
    let mut random = Random(Part::Down as u64);
    let row_major = MatrixDescriptor { layout: Layout::RowMajor, ..model.descriptor(Part::Down, 0) };
    let dense = sparse.iter().map(|_| {
        let matrix = model.upload_as(&mut bench.gpu, &mut random, Part::Down, &row_major)?;
        bench.gpu.run_timed().map(|_| matrix)
    });
    let dense = dense.collect::<Result<Vec<_>>>()?;
    let values = activation(&mut bench.gpu, neurons, false, 0)?;
    let residual = RefCell::new(activation(&mut bench.gpu, hidden, false, 0)?);
    let lists = FRACTIONS.map(|zeros| active(&mut bench.gpu, neurons, zeros));
    let lists = lists.into_iter().collect::<Result<Vec<_>>>()?;
    let mut operations: Vec<Operation> =
        vec![Box::new(|gpu, i| gpu.matmul_add(&mut residual.borrow_mut(), &dense[i % dense.len()], &values))];
    for (list, _) in &lists {
        let (residual, sparse) = (&residual, &sparse);
        operations.push(Box::new(move |gpu, i| {
            gpu.sparse_matmul_add(&mut residual.borrow_mut(), &sparse[i % sparse.len()], list)
        }));
    }
    let timings: Vec<Timing> = bench.interleave(&mut operations)?;
    drop(operations);
    for (index, zeros) in FRACTIONS.into_iter().enumerate() {
        let name = format!("{mix} down_proj, {} % zeros", zeros * 100.0);
        bench.faster(&name, timings[index + 1], timings[0], "dense / sparse");
        if index > 0 {
            bench.faster(&name, timings[index + 1], timings[1], "all active / sparse");
        }
    }
    Ok(())
}
