//! PLM-1.8B's real shapes within WebGPU's default limits, on random weights: a layer against the CPU backend, and the
//! embedding, which is larger than one binding may be, against rows that are decoded and multiplied here.
//!
//! Bounds. As in tests/kernels.rs: sums of 2048 and 8192 terms round to some 1e-6 of themselves, and an entry of the cache
//! that rounds to the neighbouring f16 moves what attention gives by up to 1e-4 of itself, which is a small part of a logit.

#![cfg(feature = "gpu")]

mod adapter;
#[expect(dead_code, reason = "other tests use all of it")]
mod measures;
#[path = "../benches/gpu/random_model.rs"]
#[expect(dead_code, reason = "the bench uses all of it")]
mod random_model;

use adapter::gpu;
use measures::relative_error;
use plume::{
    backend::{Backend, Layout, MatrixDescriptor, Tokens, reference::ReferenceBackend},
    model::forward,
    weights::ElementType,
};
use pollster::block_on;
use random_model::{LEAD, Mix, Random, RandomModel, Row, constant_block, plm_1_8b, upload_matrix};

const LAYER_BOUND: f64 = 1e-4;
const PRODUCT_BOUND: f64 = 5e-6;

#[test]
fn a_layer_equals_the_cpus() {
    /// Logits of three tokens, one by one, then of a pass over all three, and the density of every pass.
    fn run<B: Backend>(backend: &mut B, model: &RandomModel) -> Vec<(Vec<f32>, Vec<f32>)> {
        let weights = model.weights(backend, 1, |_| Ok(())).unwrap();
        let ids = [17, 3, 200];
        let passes: [(&[u32], usize); 4] = [(&ids[..1], 0), (&ids[1..2], 1), (&ids[2..], 2), (&ids, 0)];
        let mut cache = backend.create_cache(&model.config, ids.len()).unwrap();
        let pass = |(ids, position)| {
            let logits = forward(backend, &model.config, &weights, &mut cache, Tokens::Known(ids), position).unwrap();
            (block_on(backend.read(&logits)).unwrap(), block_on(backend.density()).unwrap())
        };
        passes.map(pass).into()
    }
    let Some(mut gpu) = gpu() else { return };
    let model = RandomModel { config: plm_1_8b(1, 256), mix: Mix::Uniform(ElementType::Q4_0), zeros: 0.9 };
    let expected = run(&mut ReferenceBackend::new(), &model);
    let found = run(&mut gpu, &model);
    for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let error = relative_error(&found.0, &expected.0);
        println!("pass {index}: relative error {error:e}, density {:?}", found.1);
        assert!(error <= LAYER_BOUND, "pass {index}: relative error {error:e}");
        assert_eq!(found.1, expected.1, "pass {index}");
        assert!((found.1[0] - 0.1).abs() < 0.02, "pass {index}: {:?}", found.1);
    }
}

#[test]
fn an_embedding_larger_than_a_binding_is_split() {
    const WIDTH: usize = 2048;
    const ROWS: usize = 151_936;
    const BINDING: u64 = 128 << 20;
    let Some(mut gpu) = gpu() else { return };
    gpu.limit_bindings(BINDING);
    let descriptor = MatrixDescriptor {
        name: "the embedding".to_owned(),
        element_type: ElementType::Q4_0,
        rows: ROWS,
        columns: WIDTH,
        layout: Layout::RowMajor,
    };
    // A row has half a byte a column, so the second part begins here.
    let boundary = BINDING as usize / (WIDTH / 2);
    let watched = [0, 1, 77_777, boundary - 1, boundary, boundary + 1, ROWS - 1];
    let mut rows = vec![vec![0.0; WIDTH]; watched.len()];
    let keep = |row: usize, bytes: &[u8]| {
        if let Some(index) = watched.iter().position(|watched| *watched == row) {
            ElementType::Q4_0.decode(bytes, &mut rows[index]).unwrap();
        }
    };
    let table = upload_matrix(&mut gpu, &mut Random(3), &descriptor, 0.5, |_, _| Row::Random, keep).unwrap();
    assert!(table.plane_bytes()[0] > BINDING);

    let ids = watched.map(|row| row as u32);
    let x = gpu.embed(&table, Tokens::Known(&ids), 0).unwrap();
    assert_eq!(block_on(gpu.read(&x)).unwrap(), rows.concat());

    let x = gpu.embed(&table, Tokens::Known(&ids[2..3]), 0).unwrap();
    let norm = gpu.vector(&[1.0; WIDTH]).unwrap();
    let logits = gpu.norm_matmul(&x, &norm, &table, &plm_1_8b(1, ROWS)).unwrap();
    let logits = block_on(gpu.read(&logits)).unwrap();
    assert_eq!(logits.len(), ROWS);
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let root = (dot(&rows[2], &rows[2]) / WIDTH as f64 + 1e-6).sqrt();
    let expected: Vec<f32> = rows.iter().map(|row| (dot(&rows[2], row) / root) as f32).collect();
    let found: Vec<f32> = watched.iter().map(|row| logits[*row]).collect();
    let error = relative_error(&found, &expected);
    assert!(error <= PRODUCT_BOUND, "relative error {error:e}: {found:?}, expected {expected:?}");
}

#[test]
fn random_blocks_have_the_deviation_and_the_constants_that_are_asked_for() {
    for number in 0..32 {
        let Some(element_type) = ElementType::from_ggml(number) else { continue };
        for value in [0.0, 0.5, -1.0 / LEAD as f32] {
            let block = constant_block(element_type, value);
            let mut values = vec![f32::NAN; element_type.block_elements()];
            element_type.decode(&block, &mut values).unwrap();
            assert!(values.iter().all(|found| *found == value), "{element_type}, {value}: {values:?}");
        }
        let descriptor = MatrixDescriptor {
            name: "random".to_owned(),
            element_type,
            rows: 64,
            columns: 2 * LEAD,
            layout: Layout::RowMajor,
        };
        let mut random = Vec::new();
        let seen = |_, bytes: &[u8]| {
            let mut values = vec![0.0; 2 * LEAD];
            element_type.decode(bytes, &mut values).unwrap();
            assert!(values[..LEAD].iter().all(|value| *value == 0.25), "{element_type}");
            random.extend_from_slice(&values[LEAD..]);
        };
        let lead = |_, _: &mut Random| Row::Led(0.25);
        upload_matrix(&mut ReferenceBackend::new(), &mut Random(5), &descriptor, 0.5, lead, seen).unwrap();
        let deviation = (random.iter().map(|value| value * value).sum::<f32>() / random.len() as f32).sqrt();
        // Plain numbers have a power of two near it.
        let (least, most) = if element_type.block_elements() == 1 { (0.35, 0.71) } else { (0.47, 0.53) };
        assert!((least..most).contains(&deviation), "{element_type}: {deviation}");
    }
}
