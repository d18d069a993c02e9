//! Both backends' samplers against what sampling means, in f64, and against each other.
//!
//! Bounds. Both add the same noise to the same logits, so they choose the same token unless two scores are closer than
//! rounding. WGSL lets ln be off by 2^-21 where its result is below 0.7, which is up to 3e-5 of -ln(u) where that is near
//! 1/64, and as much of the noise; the outer ln adds 4e-6, and the sum's rounding 6e-8 of itself. So scores within
//! 5e-5 of the temperature plus 2e-7 of the logit are equal. exp may be off by 3 + 2 |x| units in the last place, and masses
//! are rounded to 2^-31 of the likeliest token's, so a token at which top-p cuts within 5e-5 of the mass may be kept or not;
//! at min-p's cut it is the rounding of two f32 operations.

#[cfg(feature = "gpu")]
mod adapter;

use plume::backend::{Backend, Layout, MatrixDescriptor, Sampling, Tokens, noise, reference::ReferenceBackend};
use plume::weights::ElementType;
use pollster::block_on;
use std::collections::{BTreeMap, BTreeSet};

const PLAIN: Sampling = Sampling::PLAIN;

/// A row-major f32 matrix on the device.
fn table<B: Backend>(backend: &mut B, values: &[f32], columns: usize) -> B::Matrix {
    let rows = values.len() / columns;
    let descriptor = MatrixDescriptor {
        name: "test".to_owned(),
        element_type: ElementType::F32,
        rows,
        columns,
        layout: Layout::RowMajor,
    };
    let mut upload = backend.begin_matrix(&descriptor).unwrap();
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    backend.upload_rows(&mut upload, &bytes).unwrap();
    backend.finish_matrix(upload).unwrap()
}

/// Logits on the device, as of a forward pass that ended before `position`.
fn activation<B: Backend>(backend: &mut B, logits: &[f32], position: usize) -> B::Activation {
    let table = table(backend, logits, logits.len());
    backend.embed(&table, Tokens::Known(&[0]), position - 1).unwrap()
}

/// The tokens drawn at `positions` from the same logits, several under way at once.
fn draw<B: Backend>(backend: &mut B, case: &Case, seed: u64, positions: std::ops::Range<usize>) -> Vec<(usize, u32)> {
    let logits = activation(backend, &case.logits, positions.start);
    let mut sampler =
        backend.create_sampler(&case.sampling, seed, case.logits.len(), &case.prompt, &case.drawn).unwrap();
    let sampled: Vec<_> =
        positions.map(|position| (position, backend.sample(&mut sampler, &logits, position).unwrap())).collect();
    sampled.into_iter().map(|(position, token)| (position, block_on(backend.token(&token)).unwrap())).collect()
}

struct Case {
    logits: Vec<f32>,
    sampling: Sampling,
    prompt: Vec<u32>,
    /// Before the first draw.
    drawn: Vec<u32>,
}

impl Case {
    /// Of each token: whether the filters keep it for certain, and whether they may.
    fn kept(&self, logits: &[f32]) -> Vec<(bool, bool)> {
        let Sampling { temperature, top_k, top_p, min_p, .. } = self.sampling;
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
        if top_k > 0 && top_k < order.len() {
            let least = logits[order[top_k - 1]];
            order.retain(|id| logits[*id] >= least);
        }
        let most = logits[order[0]];
        let weight = |id: usize| (f64::from(logits[id] - most) / f64::from(temperature)).exp();
        let total: f64 = order.iter().map(|id| weight(*id)).sum();
        let mut kept = vec![(false, false); logits.len()];
        let mut before = 0.0;
        for tied in order.chunk_by(|a, b| logits[*a] == logits[*b]) {
            let margin = f64::from(top_p) - before / total;
            let off = top_p >= 1.0 || before == 0.0;
            let by_mass = (off || margin > 5e-5, off || margin > -5e-5);
            let least = f64::from(min_p) * (f64::from(most).abs() + 1.0) * 1e-6;
            let weight = weight(tied[0]);
            let by_weight = (weight > f64::from(min_p) + least, weight > f64::from(min_p) - least);
            let by_weight = if before == 0.0 || min_p == 0.0 { (true, true) } else { by_weight };
            for id in tied {
                kept[*id] = (by_mass.0 && by_weight.0, by_mass.1 && by_weight.1);
            }
            before += weight * tied.len() as f64;
        }
        kept
    }

    /// Checks that each token is the best of those that are kept, or as good as it. What was drawn then counts.
    fn check(&self, seed: u64, drawn: &[(usize, u32)], what: &str) {
        let Sampling { temperature, top_k, repetition_penalty, frequency_penalty, presence_penalty, .. } =
            self.sampling;
        let temperature = if top_k == 1 { 0.0 } else { temperature };
        let mut reply = self.drawn.clone();
        for (position, found) in drawn {
            let mut logits = self.logits.clone();
            for id in self.prompt.iter().chain(&reply).collect::<BTreeSet<_>>() {
                let logit = &mut logits[*id as usize];
                *logit *= if *logit > 0.0 { repetition_penalty.recip() } else { repetition_penalty };
            }
            for (id, times) in counts(&reply) {
                logits[id as usize] -= frequency_penalty * times as f32 + presence_penalty;
            }
            let kept = if temperature == 0.0 { vec![(true, true); logits.len()] } else { self.kept(&logits) };
            let score = |id: usize| match temperature {
                0.0 => f64::from(logits[id]),
                _ => f64::from(logits[id]) + f64::from(temperature * noise(seed, *position as u32, id as u32)),
            };
            let certain = (0..logits.len()).filter(|id| kept[*id].0);
            let best = certain.max_by(|a, b| score(*a).total_cmp(&score(*b)).then(b.cmp(a))).unwrap();
            // What is taken off may be larger than what is left.
            let most = self.logits[best].abs().max(logits[best].abs());
            let bound = f64::from(temperature * 5e-5 + most * 2e-7);
            let found_score = score(*found as usize);
            let tie = temperature > 0.0 || (*found as usize) <= best;
            assert!(kept[*found as usize].1, "{what}, position {position}: {found} is not kept");
            assert!(
                found_score >= score(best) - bound && tie,
                "{what}, position {position}: {found} has {found_score}, {best} has {}",
                score(best)
            );
            reply.push(*found);
        }
    }
}

/// How often each token occurs.
fn counts(tokens: &[u32]) -> BTreeMap<u32, usize> {
    tokens.iter().fold(BTreeMap::new(), |mut counts, id| {
        *counts.entry(*id).or_default() += 1;
        counts
    })
}

/// Logits of several characters: a trained model's, flat ones, and ones with many ties.
fn cases(vocab_size: usize) -> Vec<(String, Case)> {
    // The inverse of the noise.
    let uniform = |id: usize| (-(-f64::from(noise(1, 0, id as u32))).exp()).exp();
    let normal = |id: usize| {
        let (radius, angle) = ((-2.0 * uniform(2 * id).ln()).sqrt(), std::f64::consts::TAU * uniform(2 * id + 1));
        radius * angle.cos()
    };
    let kinds: [(&str, Vec<f32>); 4] = [
        ("peaked", (0..vocab_size).map(|id| (4.0 * normal(id) - 3.0) as f32).collect()),
        ("flat", (0..vocab_size).map(|id| (0.01 * normal(id)) as f32).collect()),
        ("tied", (0..vocab_size).map(|id| (8.0 * normal(id)).round() as f32 / 4.0).collect()),
        ("equal", vec![1.5; vocab_size]),
    ];
    let settings = [
        Sampling { temperature: 0.0, ..PLAIN },
        Sampling { temperature: 0.0, repetition_penalty: 3.0, ..PLAIN },
        PLAIN,
        Sampling { temperature: 0.2, repetition_penalty: 0.7, ..PLAIN },
        Sampling { temperature: 5.0, ..PLAIN },
        Sampling { top_k: 1, ..PLAIN },
        Sampling { top_k: 2, ..PLAIN },
        Sampling { top_k: 40, ..PLAIN },
        Sampling { top_k: 5000, temperature: 3.0, ..PLAIN },
        Sampling { top_p: 0.1, ..PLAIN },
        Sampling { top_p: 0.9, ..PLAIN },
        Sampling { top_p: 0.999_99, temperature: 2.0, ..PLAIN },
        Sampling { top_p: 1e-6, ..PLAIN },
        Sampling { min_p: 0.05, ..PLAIN },
        Sampling { min_p: 1.0, ..PLAIN },
        Sampling { top_k: 300, top_p: 0.8, temperature: 1.3, ..PLAIN },
        Sampling { temperature: 0.0, frequency_penalty: 0.3, ..PLAIN },
        Sampling { temperature: 0.0, presence_penalty: -0.7, frequency_penalty: 0.1, ..PLAIN },
        Sampling { temperature: 0.8, top_p: 0.9, frequency_penalty: 1.9, presence_penalty: 1.1, ..PLAIN },
        Sampling { temperature: 0.9, top_k: 40, top_p: 0.95, min_p: 0.02, repetition_penalty: 1.1, ..PLAIN },
        Sampling { temperature: 1e-40, top_k: 40, top_p: 0.5, ..PLAIN },
    ];
    let mut cases = Vec::new();
    for (kind, logits) in kinds {
        for sampling in settings {
            let prompt = (0..vocab_size as u32).step_by(3).take(200).collect();
            // The likeliest token often, and some others.
            let likeliest = (0..vocab_size).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap() as u32;
            let drawn = [vec![likeliest; 3], (0..vocab_size as u32).step_by(5).take(90).collect()].concat();
            let case = Case { logits: logits.clone(), sampling, prompt, drawn };
            cases.push((format!("{vocab_size} tokens, {kind}, {sampling:?}"), case));
        }
    }
    cases
}

#[test]
fn the_cpu_draws_the_best_of_those_kept() {
    for vocab_size in [3, 257, 2048] {
        for (what, case) in cases(vocab_size) {
            for seed in [0, 7 << 32 | 5] {
                case.check(seed, &draw(&mut ReferenceBackend::new(), &case, seed, 9..17), &what);
            }
        }
    }
}

/// What is added is added to these logits alone, as one addition rounds it; and what was fetched before stays as it was.
fn check_bias<B: Backend>(backend: &mut B) {
    for vocab_size in [3, 257, 151_936] {
        let logits: Vec<f32> = (0..vocab_size as u32).map(|id| noise(5, 1, id)).collect();
        for pairs in [1, 63, 64, 65, 300] {
            let step = (vocab_size / pairs).max(1);
            let ids = (0..vocab_size as u32).rev().step_by(step).take(pairs);
            let bias: Vec<(u32, f32)> = ids.map(|id| (id, 100.0 * noise(6, 2, id).clamp(-1.0, 1.0))).collect();
            let mut found = activation(backend, &logits, 1);
            let before = backend.fetch(&found);
            backend.add_bias(&mut found, &bias).unwrap();
            // Backends may have rounded what they were given.
            let given = block_on(backend.fetched(&before)).unwrap();
            assert!(given.iter().zip(&logits).all(|(a, b)| (a - b).abs() < 1e-3));
            let mut expected = given.clone();
            bias.iter().for_each(|(id, bias)| expected[*id as usize] += bias);
            assert_eq!(block_on(backend.read(&found)).unwrap(), expected, "{vocab_size} tokens, {pairs} pairs");
            assert_eq!(block_on(backend.fetched(&before)).unwrap(), given, "a second time");
        }
    }
}

/// Of all tokens but those that are allowed the logits are -1e30, and no draw takes them, however likely they were.
fn check_mask<B: Backend>(backend: &mut B) {
    for vocab_size in [3, 31, 32, 33, 257, 151_936] {
        let logits: Vec<f32> = (0..vocab_size as u32).map(|id| noise(5, 1, id)).collect();
        for every in [1, 3, 40] {
            let allowed = |id: usize| id % every == every / 2 || id == vocab_size - 1;
            let mut words = vec![0; vocab_size.div_ceil(32)];
            (0..vocab_size).filter(|id| allowed(*id)).for_each(|id| words[id / 32] |= 1 << (id % 32));
            let mut masked = activation(backend, &logits, 1);
            let before = backend.fetch(&masked);
            backend.mask(&mut masked, &words).unwrap();
            let mut expected = block_on(backend.fetched(&before)).unwrap();
            (0..vocab_size).filter(|id| !allowed(*id)).for_each(|id| expected[id] = -1e30);
            assert_eq!(block_on(backend.read(&masked)).unwrap(), expected, "{vocab_size} tokens, one in {every}");
            for sampling in [
                Sampling::GREEDY,
                Sampling { temperature: 100.0, ..PLAIN },
                Sampling { top_k: 50, top_p: 0.9, min_p: 0.01, repetition_penalty: 0.01, ..PLAIN },
            ] {
                let seen: Vec<u32> = (0..vocab_size as u32).step_by(2).collect();
                let mut sampler = backend.create_sampler(&sampling, 3, vocab_size, &seen, &[]).unwrap();
                let token = backend.sample(&mut sampler, &masked, 1).unwrap();
                let id = block_on(backend.token(&token)).unwrap();
                assert!(allowed(id as usize), "{vocab_size} tokens, one in {every}, {sampling:?}: {id}");
            }
            assert_eq!(backend.mask(&mut masked, &[0; 10_000]).unwrap_err().code(), "invalid_request");
        }
    }
}

#[test]
fn the_cpu_adds_a_bias_and_masks() {
    check_bias(&mut ReferenceBackend::new());
    check_mask(&mut ReferenceBackend::new());
    #[cfg(feature = "cpu")]
    {
        check_bias(&mut plume::backend::cpu::CpuBackend::new());
        check_mask(&mut plume::backend::cpu::CpuBackend::new());
    }
}

#[cfg(feature = "gpu")]
mod gpu {
    use super::*;
    use crate::adapter::gpu;
    use plume::backend::gpu::GpuBackend;

    #[test]
    fn the_gpu_draws_what_the_cpu_draws() {
        let Some(mut gpu) = gpu() else { return };
        let (mut draws, mut differences) = (0, 0);
        for vocab_size in [3, 257, 2048, 151_936] {
            // A software GPU takes its time, and so does the check.
            let (seeds, positions) =
                if vocab_size > 10_000 { (&[3][..], 300..302) } else { (&[0, 7 << 32 | 5][..], 9..15) };
            for (what, case) in cases(vocab_size) {
                for &seed in seeds {
                    let expected = draw(&mut ReferenceBackend::new(), &case, seed, positions.clone());
                    for narrow in [true, false] {
                        gpu.set_narrow(narrow);
                        let found = draw(&mut gpu, &case, seed, positions.clone());
                        case.check(seed, &found, &format!("{what}, narrow: {narrow}"));
                        draws += found.len();
                        differences += found.iter().zip(&expected).filter(|(a, b)| a != b).count();
                    }
                }
            }
        }
        println!("{differences} of {draws} draws differ from the CPU's, within rounding");
        assert!(differences <= draws / 200);
    }

    #[test]
    fn the_gpu_masks() {
        let Some(mut gpu) = gpu() else { return };
        check_mask(&mut gpu);
    }

    #[test]
    fn the_gpu_adds_a_bias() {
        let Some(mut gpu) = gpu() else { return };
        check_bias(&mut gpu);
        let mut logits = activation(&mut gpu, &[0.0; 8], 1);
        assert_eq!(gpu.add_bias(&mut logits, &[(8, 1.0)]).unwrap_err().code(), "invalid_request");
    }

    #[test]
    fn a_sampled_token_is_run_without_the_host() {
        let Some(mut gpu) = gpu() else { return };
        // Under a large penalty on equal logits each draw takes the first token that has not been drawn.
        let logits = activation(&mut gpu, &[1.0; 40], 5);
        let rows = table(&mut gpu, &(0..40).map(|id| id as f32).collect::<Vec<_>>(), 1);
        let sampling = Sampling { temperature: 0.0, repetition_penalty: 10.0, ..PLAIN };
        let mut sampler = gpu.create_sampler(&sampling, 0, 40, &[1], &[33]).unwrap();
        let mut earlier: Option<(<GpuBackend as Backend>::Token, u32)> = None;
        for (position, expected) in (5..).zip((0..40).filter(|id| ![1, 33].contains(id))) {
            let token = gpu.sample(&mut sampler, &logits, position).unwrap();
            let row = gpu.embed(&rows, Tokens::Sampled(&token), position).unwrap();
            assert_eq!(block_on(gpu.read(&row)).unwrap(), [expected as f32]);
            assert_eq!(block_on(gpu.token(&token)).unwrap(), expected);
            if let Some((earlier, id)) = &earlier {
                assert_eq!(block_on(gpu.token(earlier)).unwrap(), *id, "a token can be asked for again");
                let stale = gpu.embed(&rows, Tokens::Sampled(earlier), position).err().unwrap();
                assert_eq!(stale.code(), "invalid_request");
            }
            assert_eq!(
                gpu.embed(&rows, Tokens::Sampled(&token), position + 1).err().unwrap().code(),
                "invalid_request"
            );
            earlier = Some((token, expected));
        }
    }

    #[test]
    fn logits_that_are_not_finite_are_reported_and_do_no_harm() {
        let Some(mut gpu) = gpu() else { return };
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for sampling in [PLAIN, Sampling { top_k: 3, top_p: 0.9, min_p: 0.1, ..PLAIN }] {
                let mut values = vec![0.5; 5000];
                values[4321] = bad;
                let logits = activation(&mut gpu, &values, 1);
                let all = activation(&mut gpu, &[bad; 8], 1);
                let fine = activation(&mut gpu, &[0.0, 9.0], 1);
                let mut sampler = gpu.create_sampler(&sampling, 0, 5000, &[], &[]).unwrap();
                let mut small = gpu.create_sampler(&sampling, 0, 8, &[], &[]).unwrap();
                let mut greedy =
                    gpu.create_sampler(&Sampling { temperature: 1e-3, ..sampling }, 0, 2, &[], &[]).unwrap();
                let tokens = [
                    gpu.sample(&mut sampler, &logits, 1).unwrap(),
                    gpu.sample(&mut small, &all, 1).unwrap(),
                    gpu.sample(&mut greedy, &fine, 1).unwrap(),
                ];
                for token in &tokens[..2] {
                    let error = block_on(gpu.token(token)).unwrap_err();
                    assert_eq!(error.code(), "malformed");
                    assert!(error.to_string().contains(&format!("a logit of {bad}")), "{error}");
                }
                assert_eq!(block_on(gpu.token(&tokens[2])).unwrap(), 1);
            }
        }
    }
}
