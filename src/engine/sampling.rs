//! From logits to the next token. Everything here is exact arithmetic on the given logits and a seeded generator, so the
//! same seed and logits give the same token on every machine.

/// How the next token is chosen. The steps run in this order: penalty, greedy if the temperature is 0, temperature,
/// top-k, top-p, min-p, draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    pub temperature: f32,
    pub top_k: usize,
    pub top_p: f32,
    pub min_p: f32,
    pub repetition_penalty: f32,
}

/// SplitMix64 (Steele, Lea, Flood 2014): one 64-bit state, good enough to draw tokens, the same everywhere.
#[derive(Clone, Debug)]
pub(super) struct Random(pub u64);

impl Random {
    /// Uniform in [0, 1).
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl Sampling {
    /// The next token. `seen` are the tokens that the penalty applies to; ties go to the lower id. NaN logits are
    /// never chosen.
    pub(super) fn choose(&self, mut logits: Vec<f32>, seen: impl Iterator<Item = u32>, random: &mut Random) -> u32 {
        self.penalise(&mut logits, seen);
        logits.iter_mut().filter(|logit| logit.is_nan()).for_each(|logit| *logit = f32::NEG_INFINITY);
        if self.temperature == 0.0 {
            let best = |best: usize, id: usize| if logits[id] > logits[best] { id } else { best };
            return (0..logits.len()).fold(0, best) as u32;
        }
        let mut ids: Vec<u32> = (0..logits.len() as u32).collect();
        let by_logit = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
        if self.top_k > 0 && self.top_k < ids.len() {
            ids.select_nth_unstable_by(self.top_k - 1, by_logit);
            ids.truncate(self.top_k);
        }
        ids.sort_unstable_by(by_logit);
        let most = logits[ids[0] as usize];
        let weight = |id: &u32| (f64::from(logits[*id as usize] - most) / f64::from(self.temperature)).exp();
        let weights: Vec<f64> = ids.iter().map(weight).collect();
        let kept = self.kept(&weights);
        let mut rest = random.uniform() * weights[..kept].iter().sum::<f64>();
        for (id, weight) in ids.iter().zip(&weights[..kept]) {
            rest -= weight;
            if rest < 0.0 {
                return *id;
            }
        }
        ids[kept - 1]
    }

    /// How many of the sorted weights (the first is 1) top-p and min-p keep; at least one.
    fn kept(&self, weights: &[f64]) -> usize {
        let mut kept = weights.len();
        if self.top_p < 1.0 {
            let target = weights.iter().sum::<f64>() * f64::from(self.top_p);
            let mut sum = 0.0;
            let reached = |weight: &f64| {
                sum += weight;
                sum >= target
            };
            kept = weights.iter().position(reached).map_or(kept, |index| index + 1);
        }
        let likely = weights.iter().take_while(|weight| **weight >= f64::from(self.min_p)).count();
        kept.min(likely).max(1)
    }

    fn penalise(&self, logits: &mut [f32], seen: impl Iterator<Item = u32>) {
        if self.repetition_penalty == 1.0 {
            return;
        }
        let seen: std::collections::BTreeSet<u32> = seen.collect();
        for id in seen {
            if let Some(logit) = logits.get_mut(id as usize) {
                *logit *= if *logit > 0.0 { self.repetition_penalty.recip() } else { self.repetition_penalty };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Sampling = Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0 };

    fn drawn(sampling: Sampling, logits: &[f32], draws: usize) -> Vec<usize> {
        let mut random = Random(7);
        let mut counts = vec![0; logits.len()];
        for _ in 0..draws {
            counts[sampling.choose(logits.to_vec(), std::iter::empty(), &mut random) as usize] += 1;
        }
        counts
    }

    #[test]
    fn greedy_takes_the_largest_logit_and_the_lower_id_of_a_tie() {
        let greedy = Sampling { temperature: 0.0, ..PLAIN };
        assert_eq!(greedy.choose(vec![1.0, 3.0, f32::NAN, 3.0], std::iter::empty(), &mut Random(0)), 1);
    }

    #[test]
    fn draws_follow_the_softmax() {
        let counts = drawn(PLAIN, &[0.0, 1.0, 2.0], 30_000);
        for (count, expected) in counts.iter().zip([0.0900, 0.2447, 0.6652]) {
            // Five standard deviations of a binomial draw at this count are below 0.015.
            assert!((*count as f64 / 30_000.0 - expected).abs() < 0.015, "{counts:?}");
        }
    }

    #[test]
    fn each_filter_keeps_the_tokens_it_should() {
        let logits = [0.0, 1.0, 2.0, -3.0];
        let kept = |sampling| drawn(sampling, &logits, 2_000).iter().map(|count| *count > 0).collect::<Vec<_>>();
        assert_eq!(kept(Sampling { top_k: 2, ..PLAIN }), [false, true, true, false]);
        assert_eq!(kept(Sampling { top_p: 0.6, ..PLAIN }), [false, false, true, false]);
        assert_eq!(kept(Sampling { top_p: 0.8, ..PLAIN }), [false, true, true, false]);
        assert_eq!(kept(Sampling { min_p: 0.3, ..PLAIN }), [false, true, true, false]);
    }

    #[test]
    fn the_penalty_lowers_seen_tokens_of_either_sign_once() {
        let mut logits = vec![2.0, -2.0, 2.0];
        Sampling { repetition_penalty: 2.0, ..PLAIN }.penalise(&mut logits, [0, 0, 1, 9].into_iter());
        assert_eq!(logits, [1.0, -4.0, 2.0]);
    }

    #[test]
    fn the_same_seed_draws_the_same_tokens() {
        assert_eq!(drawn(PLAIN, &[0.0, 0.1, 0.2], 50), drawn(PLAIN, &[0.0, 0.1, 0.2], 50));
    }
}
