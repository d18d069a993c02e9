//! The CPU engine's kernels, with every instruction set that this processor has and without one, at shapes that fill records and
//! tiles and at shapes that do not; with `--features bytes` those for relaxed SIMD, of other instructions.
//!
//! Bound. Values are rounded to 1 / 65534 of the largest of 32: of random ones that is 1.5e-5 of themselves, as vectors. Here the
//! inputs are, which come from an embedding of F32, then activations, then weights of types that are kept as 16-bit integers:
//! products are off by 2.6e-5, by 6e-5 where activations are multiplied as bytes, which have 14 bits, and by some times as much
//! where the terms of all of few sums cancel: 2e-4. A wrong index, scale or sign is above 1e-2. Attention, held against a cache
//! that loses nothing, has five such roundings in a row, of queries and entries to 14 bits: 1.4e-4 at most was seen, 2e-4 is allowed.

use super::cases::*;
use plume::{
    backend::{
        Backend, Layout,
        cpu::{CpuBackend, InstructionSet, Pool},
        reference::ReferenceBackend,
    },
    weights::ElementType,
};

const PRODUCT_BOUND: f64 = 2e-4;
const ATTENTION_BOUND: f64 = 2e-4;

fn cpus() -> Vec<(&'static str, CpuBackend)> {
    let mut cpus: Vec<_> =
        InstructionSet::all().into_iter().map(|set| (set.name(), CpuBackend::with(set, Pool::alone()))).collect();
    cpus.push(("three threads", CpuBackend::with(InstructionSet::best(), Pool::new(3).sharing_all())));
    cpus
}

#[test]
fn embeddings_are_what_the_file_says() {
    use ElementType::*;
    let mut random = Random(11);
    for element_type in ELEMENT_TYPES {
        for (rows, columns) in shapes(element_type) {
            let table = Weights::random(&mut random, element_type, rows, columns, Layout::RowMajor);
            let ids: Vec<u32> = (0..5).map(|_| (random.bits() % rows as u64) as u32).chain([rows as u32 - 1]).collect();
            let expected = run_embedding(&mut ReferenceBackend::new(), &table, &ids);
            for (how, mut cpu) in cpus() {
                // The types that are kept are exact, but for the order of three factors.
                let bound = match element_type {
                    Q8_0 | Q4_0 => 0.0,
                    Q4K | Q6K => 2e-7,
                    _ => PRODUCT_BOUND,
                };
                let what = format!("{element_type} [{rows}, {columns}], {how}");
                compare(&what, &run_embedding(&mut cpu, &table, &ids), &expected, bound);
            }
        }
    }
}

#[test]
fn products_equal_the_references() {
    let mut random = Random(12);
    for element_type in ELEMENT_TYPES {
        // The last one has long rows.
        for shape in shapes(element_type).into_iter().chain([(67, 8448)]) {
            for tokens in [1, 2, 5, 67].into_iter().filter(|tokens| shape.1 < 8448 || *tokens < 5) {
                compare_products(&mut random, element_type, shape, tokens);
            }
        }
    }
}

/// So many rows that each thread has several pieces, each of several rows of all streams.
#[test]
fn products_of_many_rows_equal_the_references() {
    let mut random = Random(17);
    for element_type in ELEMENT_TYPES {
        for tokens in [1, 2] {
            compare_products(&mut random, element_type, (1621, 256), tokens);
        }
    }
}

fn compare_products(random: &mut Random, element_type: ElementType, shape: (usize, usize), tokens: usize) {
    let case = Product::random(random, element_type, shape, tokens);
    let expected = case.run(&mut ReferenceBackend::new());
    for (how, mut cpu) in cpus() {
        let found = case.run(&mut cpu);
        for ((found, expected), op) in found.iter().zip(&expected).zip(["norm_matmul", "matmul_add"]) {
            let what = format!("{element_type} {shape:?}, {tokens} tokens, {how}, {op}");
            compare(&what, found, expected, PRODUCT_BOUND);
        }
    }
}

#[test]
fn the_sparse_feed_forward_equals_the_references_at_every_density() {
    let mut random = Random(14);
    for element_type in ELEMENT_TYPES {
        let neuron_counts = match element_type.block_elements() {
            1 => vec![1, 63, 130],
            32 => vec![32, 160],
            block => vec![block, 2 * block],
        };
        for neurons in neuron_counts {
            for (tokens, hidden, density) in
                [(1, 3, 1.0), (1, 37, 0.1), (3, 70, 0.1), (2, 264, 0.0), (1, 128, 0.9), (2, 129, 1.0), (67, 70, 0.8)]
            {
                let (case, active) = FeedForward::random(&mut random, element_type, (hidden, neurons), tokens, density);
                let what = format!("{element_type}, {tokens} tokens, [{hidden}, {neurons}], {active} active");
                let (expected, expected_density) = case.run(&mut ReferenceBackend::new());
                for (how, mut cpu) in cpus() {
                    let (found, density) = case.run(&mut cpu);
                    compare(&format!("{what}, {how}"), &found, &expected, PRODUCT_BOUND);
                    assert_eq!(density, expected_density, "{what}, {how}");
                }
            }
        }
    }
}

#[test]
fn latent_attention_equals_the_references() {
    let mut random = Random(15);
    let dimensions = [
        // heads, nope, rope, v, rank
        (1, 1, 2, 1, 1),
        (3, 5, 6, 7, 9),
        (5, 4, 2, 36, 10),
        (2, 12, 8, 40, 130),
        (8, 32, 16, 32, 64),
        (9, 16, 8, 16, 544),
    ];
    let contexts: [&[usize]; 5] = [&[0, 1], &[0, 5], &[0, 31, 32, 33], &[0, 70, 133], &[121, 130, 131, 132]];
    for dimensions in dimensions {
        let config = attention_config(dimensions);
        let types = if config.kv_lora_rank == 64 { &KEPT[..5] } else { &[ElementType::F16] };
        for element_type in types.iter().copied() {
            for bounds in contexts {
                let end = bounds[bounds.len() - 1];
                let case = Attention::random(&mut random, element_type, config.clone(), end, bounds);
                let expected = case.run(&mut ReferenceBackend::with_f32_cache()).unwrap();
                for (how, mut cpu) in cpus() {
                    let what = format!("{element_type}, {dimensions:?}, {bounds:?}, {how}");
                    compare(&what, &case.run(&mut cpu).unwrap(), &expected, ATTENTION_BOUND);
                }
            }
        }
    }
}

#[test]
fn large_and_tiny_scales_are_kept() {
    // Subnormal in f16, the largest that is raised, the least that is not, and the largest.
    for scale in [6e-8f32, 3e-5, 63.9, 64.0, 65504.0] {
        for element_type in [ElementType::Q8_0, ElementType::Q4_0] {
            let mut random = Random(16);
            let mut case = Product::random(&mut random, element_type, (9, 64), 1);
            for block in case.matrix.bytes.chunks_exact_mut(element_type.block_bytes()) {
                block[..2].copy_from_slice(&half::f16::from_f32(scale).to_le_bytes());
            }
            let expected = case.run(&mut ReferenceBackend::new());
            for (how, mut cpu) in cpus() {
                let found = case.run(&mut cpu);
                compare(&format!("{element_type}, {scale}, {how}"), &found[0], &expected[0], PRODUCT_BOUND);
            }
        }
    }
}

#[test]
fn a_weight_that_is_no_number_is_refused() {
    for element_type in ELEMENT_TYPES {
        let matrix = Weights::random(&mut Random(17), element_type, 3, 256, Layout::RowMajor);
        let offset = scale_offsets(element_type)[0];
        let mut bytes = matrix.bytes.clone();
        let number: &[u8] = match element_type {
            ElementType::F32 => &f32::NAN.to_le_bytes(),
            ElementType::BF16 => &half::bf16::INFINITY.to_le_bytes(),
            _ => &half::f16::INFINITY.to_le_bytes(),
        };
        bytes[offset..][..number.len()].copy_from_slice(number);
        let mut cpu = CpuBackend::new();
        let mut upload = cpu.begin_matrix(&matrix.descriptor()).unwrap();
        assert_eq!(cpu.upload_rows(&mut upload, &bytes).unwrap_err().code(), "malformed", "{element_type}");
    }
}
