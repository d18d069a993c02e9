//! Every GPU kernel against its twin of the plain CPU backend, on random inputs, at shapes that fill workgroups and at
//! shapes that do not. Runs on the adapter that Vulkan gives; `npm test` runs it on each software adapter in turn.
//!
//! Bound. Both sides start from the same bits, so what differs is the order of summation: each of n additions rounds by
//! at most 6e-8 of the partial sum, and errors of random sign add up to about sqrt(n) of that, below 2e-6 for the sums of
//! some hundred terms here. 5e-6 leaves room; a wrong index, scale or sign is above 1e-2. Attention is a chain of four
//! sums, one as long as the context, and an exponential, which a GPU may round by several units in the last place; and where
//! sums differ in their last bit, an entry of the cache may round to the neighbouring f16, which moves a score by up to 1e-4
//! of itself: 1e-4.
//!
//! With f16 tiles each factor of a product of many tokens is rounded by at most 4.9e-4 of itself, 2.8e-4 on the average of
//! squares: products of random terms are off by 4e-4, and hardly ever by 1e-3. Attention that expands its keys so has scores of
//! a few units off by as much of themselves, and values once more: 3e-3.

use super::{adapter::gpu, cases::*};
use plume::{
    backend::{Backend, Layout, Tokens, gpu::GpuBackend, reference::ReferenceBackend},
    weights::ElementType,
};

const PRODUCT_BOUND: f64 = 5e-6;
const ATTENTION_BOUND: f64 = 1e-4;
const F16_PRODUCT_BOUND: f64 = 1e-3;
const F16_ATTENTION_BOUND: f64 = 3e-3;

/// The adapter with each way to choose its kernels: for a GPU, with neither and with either of subgroup operations and f16 if
/// it has them, and for a processor that plays a GPU.
fn gpus() -> Vec<(&'static str, GpuBackend)> {
    let mut gpus = Vec::new();
    for (name, narrow, subgroups, f16) in [
        (SUBGROUPS, false, true, false),
        (F16, false, false, true),
        ("wide", false, false, false),
        ("narrow", true, false, false),
    ] {
        let Some(mut gpu) = gpu() else { break };
        gpu.set_narrow(narrow);
        if (gpu.set_subgroups(subgroups), gpu.set_shader_f16(f16)) == (subgroups, f16) {
            gpus.push((name, gpu));
        } else {
            println!("{name}: skipped, this adapter does not have them");
        }
    }
    gpus
}

const SUBGROUPS: &str = "wide, subgroups";
const F16: &str = "wide, f16";

#[test]
fn embeddings_are_exact_whole_and_split() {
    let Some(mut gpu) = gpu() else { return };
    let mut split = self::gpu().unwrap();
    split.limit_bindings(16 << 10);
    let mut random = Random(1);
    for element_type in ELEMENT_TYPES {
        for (rows, columns) in shapes(element_type) {
            let table = Weights::random(&mut random, element_type, rows, columns, Layout::RowMajor);
            let ids: Vec<u32> = (0..5).map(|_| (random.bits() % rows as u64) as u32).chain([rows as u32 - 1]).collect();
            let expected = run_embedding(&mut ReferenceBackend::new(), &table, &ids);
            let what = format!("{element_type} [{rows}, {columns}]");
            // A shader may take Q4_K's product and difference with one rounding; everything else is one product.
            let bound = if element_type == ElementType::Q4K { PRODUCT_BOUND } else { 0.0 };
            compare(&what, &run_embedding(&mut gpu, &table, &ids), &expected, bound);
            compare(&format!("{what}, split"), &run_embedding(&mut split, &table, &ids), &expected, bound);
        }
    }
}

#[test]
fn an_id_past_the_vocabulary_is_an_error() {
    let Some(mut gpu) = gpu() else { return };
    let table = Weights::exact(&[1.0, 2.0], 1).upload(&mut gpu);
    assert_eq!(gpu.embed(&table, Tokens::Known(&[2]), 0).err().unwrap().code(), "invalid_request");
}

#[test]
fn products_equal_the_cpus_whole_and_split() {
    let mut gpus = gpus();
    if let Some(mut gpu) = gpu() {
        gpu.limit_bindings(16 << 10);
        gpus.push(("split", gpu));
    }
    let mut random = Random(2);
    for element_type in ELEMENT_TYPES {
        for (rows, columns) in shapes(element_type) {
            for tokens in [1, 2, 5, 67].into_iter().filter(|tokens| *tokens < 5 || KEPT.contains(&element_type)) {
                let case = Product::random(&mut random, element_type, (rows, columns), tokens);
                let expected = case.run(&mut ReferenceBackend::new());
                for (how, gpu) in &mut gpus {
                    if *how == F16 && tokens == 1 {
                        continue; // Only products of many tokens have f16 tiles.
                    }
                    // Activations of many tokens do not fit in the small bindings either, and are not split.
                    if *how == "split" && tokens > 5 {
                        continue;
                    }
                    let what = format!("{element_type} [{rows}, {columns}], {tokens} tokens, {how}");
                    let found = case.run(gpu);
                    for ((found, expected), op) in found.iter().zip(&expected).zip(["norm_matmul", "matmul_add"]) {
                        // Types that are not kept become f32, which has f32 tiles.
                        let rounded = *how == F16 && KEPT.contains(&element_type) && element_type != ElementType::F32;
                        let bound = if rounded { F16_PRODUCT_BOUND } else { PRODUCT_BOUND };
                        compare(&format!("{what}, {op}"), found, expected, bound);
                    }
                }
            }
        }
    }
}

#[test]
fn a_row_of_zeros_is_normed_to_zeros() {
    let Some(mut gpu) = gpu() else { return };
    for tokens in [1, 2] {
        let matrix = Weights::exact(&[1.0; 15], 5).upload(&mut gpu);
        let norm = gpu.vector(&[1.0; 5]).unwrap();
        let x = activation(&mut gpu, &vec![0.0; 5 * tokens], 5);
        let product = gpu.norm_matmul(&x, &norm, &matrix, &config()).unwrap();
        assert_eq!(read(&mut gpu, &product), vec![0.0; 3 * tokens]);
    }
}

#[test]
fn the_sparse_feed_forward_equals_the_cpus_at_every_density() {
    let mut gpus = gpus();
    let mut random = Random(4);
    for element_type in ELEMENT_TYPES {
        let block = element_type.block_elements();
        // More than the 1024 that go through workgroup memory at once, for one type.
        let neuron_counts = match element_type {
            ElementType::F32 => vec![1, 63, 130, 1300],
            _ if block == 1 => vec![63, 130],
            _ => vec![block, if block == 32 { 5 * block } else { 2 * block }],
        };
        for neurons in neuron_counts {
            // Of many tokens, few active neurons take the sparse product and many the dense one.
            for (tokens, hidden, density) in
                [(1, 3, 1.0), (1, 37, 0.1), (3, 70, 0.1), (2, 264, 0.0), (1, 64, 0.9), (2, 3, 1.0), (67, 70, 0.8)]
            {
                if tokens > 2 && !KEPT.contains(&element_type) || tokens > 5 && neurons > 1000 {
                    continue;
                }
                let (case, active) = FeedForward::random(&mut random, element_type, (hidden, neurons), tokens, density);
                let what = format!("{element_type}, {tokens} tokens, [{hidden}, {neurons}], {active} active");
                let (expected, expected_density) = case.run(&mut ReferenceBackend::new());
                assert_eq!(expected_density, [active as f32 / neurons as f32], "{what}");
                for (how, gpu) in &mut gpus {
                    // Only one token's kernels have subgroup operations, and none of these f16 tiles.
                    if tokens > 1 && *how == SUBGROUPS || *how == F16 {
                        continue;
                    }
                    let (found, density) = case.run(gpu);
                    compare(&format!("{what}, {how}"), &found, &expected, PRODUCT_BOUND);
                    assert_eq!(density, expected_density, "{what}, {how}");
                }
            }
        }
    }
}

#[test]
fn latent_attention_equals_the_cpus() {
    let mut gpus = gpus();
    gpus.retain(|(how, _)| *how != SUBGROUPS);
    let mut random = Random(5);
    let dimensions = [
        // heads, nope, rope, v, rank
        (1, 1, 2, 1, 1),
        (3, 5, 6, 7, 9),
        (5, 4, 2, 36, 10),
        (2, 12, 8, 40, 130),
        (8, 32, 16, 32, 64),
        (9, 16, 8, 16, 544),
        (16, 4, 4, 4, 28),
        (17, 4, 2, 4, 20),
    ];
    // Entries before the first position are zeros.
    let contexts: [&[usize]; 6] =
        [&[0, 1], &[0, 5], &[0, 31, 32, 33], &[0, 70, 133], &[121, 130, 131, 132], &[4000, 4001, 4004]];
    for (heads, nope, rope, v, rank) in dimensions {
        let config = attention_config((heads, nope, rope, v, rank));
        // How weights are read depends on the type and not on the shape: one shape with all types shows it.
        let types = if rank == 64 { &KEPT[..5] } else { &[ElementType::F16] };
        for element_type in types.iter().copied() {
            for bounds in contexts {
                // Long contexts take long on a software adapter, and what depends on the element type does not depend on
                // the context; one type does, and of the longest one shape.
                let end = bounds[bounds.len() - 1];
                if end > 100 && element_type != ElementType::F16 || end > 1000 && rank != 64 || end == 133 && rank > 500
                {
                    continue;
                }
                // A large cache leaves room for the weights of few heads and tokens at once.
                let capacity = if end == 133 && heads >= 8 { 33_000 } else { end };
                let case = Attention::random(&mut random, element_type, config.clone(), capacity, bounds);
                let what = format!("{element_type}, {heads} heads, {nope}+{rope}, {v}, {rank}, {bounds:?}");
                let expected = case.run(&mut ReferenceBackend::new()).unwrap();
                for (how, gpu) in &mut gpus {
                    for expanded in [false, true] {
                        // Only passes of several tokens have a choice.
                        if expanded && bounds.windows(2).all(|piece| piece[1] - piece[0] == 1) {
                            continue;
                        }
                        if *how == F16 && !expanded {
                            continue;
                        }
                        gpu.set_expanded(expanded);
                        let what = format!("{what}, {how}{}", if expanded { ", expanded" } else { "" });
                        let bound = if *how == F16 { F16_ATTENTION_BOUND } else { ATTENTION_BOUND };
                        compare(&what, &case.run(gpu).unwrap(), &expected, bound);
                    }
                }
            }
        }
    }
}

#[test]
fn entries_past_the_context_are_refused() {
    let Some(mut gpu) = gpu() else { return };
    let case = Attention {
        config: config(),
        kv_b: Weights::exact(&[1.0; 2], 1),
        weight: vec![1.0],
        capacity: 2,
        bounds: &[0, 3],
        compressed: vec![1.0; 9],
        q: vec![1.0; 9],
    };
    for refused in [case.run(&mut gpu), case.run(&mut ReferenceBackend::new())] {
        assert_eq!(refused.unwrap_err().code(), "context_full");
    }
}
