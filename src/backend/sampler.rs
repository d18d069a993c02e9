//! The sampler of the backends that run on the processor, and the oracle of shaders/sample_*.wgsl.

use super::sampling::{DRAWN, MOST_NOISE, Rules, Sampling, noise, not_finite, occurrences};
use crate::Result;
use std::borrow::Cow;

/// Tokens of which the largest logit is found first, so that a draw passes over most of them at once.
const RUN: usize = 256;

/// What one reply's draws depend on.
pub struct Sampler {
    rules: Rules,
    seed: u64,
    /// See [`occurrences`]; empty where no penalty asks for it.
    occurred: Vec<u32>,
}

impl Sampler {
    pub(super) fn new(sampling: &Sampling, seed: u64, vocab_size: usize, prompt: &[u32], drawn: &[u32]) -> Self {
        let rules = Rules::new(sampling, vocab_size);
        let occurred = if rules.penalises() { occurrences(vocab_size, prompt, drawn) } else { Vec::new() };
        Self { rules, seed, occurred }
    }

    /// Draws the token at `position` and counts it.
    ///
    /// # Errors
    /// [`crate::Error::Malformed`] where a logit is not finite.
    pub(super) fn choose(&mut self, logits: &[f32], position: u32) -> Result<u32> {
        // Whether there is one is found with vectors, which a search that may end early is not.
        if logits.iter().fold(0, |most, logit| most.max(logit.abs().to_bits())) >= f32::INFINITY.to_bits()
            && let Some(logit) = logits.iter().find(|logit| !logit.is_finite())
        {
            return Err(not_finite(*logit));
        }
        let logits = self.penalised(logits);
        let runs: Vec<u32> = logits.chunks(RUN).map(largest_key).collect();
        let likeliest = likeliest(&logits, &runs);
        let best = match self.rules.temperature {
            0.0 => likeliest,
            temperature => self.draw(&logits, &runs, likeliest, temperature, position),
        };
        if let Some(occurred) = self.occurred.get_mut(best) {
            *occurred += DRAWN;
        }
        Ok(best as u32)
    }

    fn penalised<'a>(&self, logits: &'a [f32]) -> Cow<'a, [f32]> {
        let mut logits = Cow::from(logits);
        if !self.occurred.is_empty() {
            for (logit, occurred) in logits.to_mut().iter_mut().zip(&self.occurred) {
                *logit = self.rules.penalised(*logit, *occurred);
            }
        }
        logits
    }

    /// The token with the largest sum of logit and noise, of at least one. Noise takes far longer to compute than all else, and a
    /// token whose logit is too small to win with the most of it does not need any. `runs` has the largest key of each.
    fn draw(&self, logits: &[f32], runs: &[u32], likeliest: usize, temperature: f32, position: u32) -> usize {
        let threshold = if self.rules.filters() { self.threshold(logits, logits[likeliest]) } else { 0 };
        let score_of = |id: usize| key(logits[id] + temperature * noise(self.seed, position, id as u32));
        let out_of_reach =
            |logit: u32, wanted: u32| logit < threshold || key(from_key(logit) + temperature * MOST_NOISE) < wanted;
        // The likeliest token's is as good a beginning as any, but of a tie the lower id has to win.
        let mut wanted = score_of(likeliest);
        let (mut best, mut best_score) = (0, 0);
        for (run, largest) in runs.iter().enumerate() {
            if out_of_reach(*largest, wanted) {
                continue;
            }
            for id in (run * RUN..logits.len()).take(RUN) {
                if out_of_reach(key(logits[id]), wanted) {
                    continue;
                }
                let score = score_of(id);
                if score > best_score {
                    (best, best_score) = (id, score);
                    wanted = wanted.max(score);
                }
            }
        }
        best
    }

    /// The key of the least logit that all filters keep. `most` is the largest.
    fn threshold(&self, logits: &[f32], most: f32) -> u32 {
        let mut threshold = key(most + self.rules.min_p);
        let mut keys: Vec<u32> = logits.iter().map(|logit| key(*logit)).collect();
        let mut least = 0;
        if self.rules.top_k > 0 {
            let rank = self.rules.top_k as usize - 1;
            least = *keys.select_nth_unstable_by(rank, |a, b| b.cmp(a)).1;
            threshold = threshold.max(least);
        }
        if self.rules.top_p > 0 {
            let mass = |key: &u32| u64::from(self.mass(from_key(*key) - most));
            // What has no mass changes no sum.
            keys.retain(|key| *key >= least && mass(key) > 0);
            keys.sort_unstable_by(|a, b| b.cmp(a));
            let total: u64 = keys.iter().map(mass).sum();
            let wanted = (u128::from(total) * u128::from(self.rules.top_p)) >> 32;
            let mut sum = 0;
            let reached = keys.iter().find(|key| {
                sum += u128::from(mass(key));
                sum >= wanted.max(1)
            });
            threshold = threshold.max(reached.copied().unwrap_or(0));
        }
        threshold
    }

    /// exp(difference / temperature) as a fraction of 2^31: sums of whole numbers do not depend on their order.
    fn mass(&self, difference: f32) -> u32 {
        ((difference * self.rules.inverse_temperature).exp() * 2_147_483_648.0 + 0.5) as u32
    }
}

/// Orders as the values do. Never 0 for a number.
fn key(value: f32) -> u32 {
    let bits = value.to_bits();
    bits ^ ((bits as i32 >> 31) as u32 | 1 << 31)
}

fn from_key(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key ^ 1 << 31 } else { !key })
}

fn largest_key(logits: &[f32]) -> u32 {
    logits.iter().fold(0, |most, logit| most.max(key(*logit)))
}

/// The first token with the largest logit, where `runs` has the largest key of each run of tokens.
fn likeliest(logits: &[f32], runs: &[u32]) -> usize {
    let largest = runs.iter().copied().fold(0, u32::max);
    let run = runs.iter().position(|key| *key == largest).unwrap_or(0);
    run * RUN + logits[run * RUN..].iter().position(|logit| key(*logit) == largest).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Sampling = Sampling::PLAIN;

    fn sampler(sampling: Sampling, vocab_size: usize, prompt: &[u32]) -> Sampler {
        Sampler::new(&sampling, 7, vocab_size, prompt, &[])
    }

    /// How often each token comes up at so many positions.
    fn drawn(sampling: Sampling, logits: &[f32], draws: u32) -> Vec<u32> {
        let mut sampler = sampler(sampling, logits.len(), &[]);
        let mut counts = vec![0; logits.len()];
        for position in 0..draws {
            counts[sampler.choose(logits, position).unwrap() as usize] += 1;
        }
        counts
    }

    #[test]
    fn greedy_takes_the_largest_logit_and_the_lower_id_of_a_tie() {
        let greedy = Sampling { temperature: 0.0, ..PLAIN };
        assert_eq!(sampler(greedy, 4, &[]).choose(&[1.0, 3.0, -5.0, 3.0], 0).unwrap(), 1);
        assert_eq!(sampler(greedy, 3, &[]).choose(&[-2.0, -1.0, -3.0], 0).unwrap(), 1);
        let only_one = Sampling { top_k: 1, ..PLAIN };
        assert_eq!(sampler(only_one, 4, &[]).choose(&[1.0, 3.0, -5.0, 3.0], 0).unwrap(), 1);
    }

    #[test]
    fn a_logit_that_is_no_number_is_an_error() {
        for logit in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let error = sampler(PLAIN, 3, &[]).choose(&[1.0, logit, 2.0], 0).unwrap_err();
            assert_eq!(error.code(), "malformed");
            assert!(error.to_string().contains(&format!("a logit of {logit}")), "{error}");
        }
    }

    /// Chi-square over the tokens: its mean is the degrees of freedom d, its variance 2 d.
    #[test]
    fn draws_follow_the_softmax_at_every_temperature() {
        const DRAWS: u32 = 60_000;
        let logits: Vec<f32> = (0..20).map(|id| (id * 7 % 20) as f32 * 0.2 - 2.0).collect();
        for temperature in [0.5, 1.0, 3.0] {
            let counts = drawn(Sampling { temperature, ..PLAIN }, &logits, DRAWS);
            let weights: Vec<f64> = logits.iter().map(|logit| f64::from(logit / temperature).exp()).collect();
            let total: f64 = weights.iter().sum();
            let chi_square: f64 = counts
                .iter()
                .zip(&weights)
                .map(|(count, weight)| (weight / total * f64::from(DRAWS), f64::from(*count)))
                .map(|(expected, count)| (count - expected).powi(2) / expected)
                .sum();
            let freedom = logits.len() as f64 - 1.0;
            assert!(chi_square < freedom + 5.0 * (2.0 * freedom).sqrt(), "{temperature}: {chi_square}, {counts:?}");
        }
    }

    #[test]
    fn each_filter_keeps_the_tokens_it_should() {
        let logits = [0.0, 1.0, 2.0, -3.0];
        let kept = |sampling| drawn(sampling, &logits, 2_000).iter().map(|count| *count > 0).collect::<Vec<_>>();
        assert_eq!(kept(Sampling { top_k: 2, ..PLAIN }), [false, true, true, false]);
        assert_eq!(kept(Sampling { top_p: 0.6, ..PLAIN }), [false, false, true, false]);
        assert_eq!(kept(Sampling { top_p: 0.8, ..PLAIN }), [false, true, true, false]);
        assert_eq!(kept(Sampling { top_p: 1e-6, ..PLAIN }), [false, false, true, false]);
        assert_eq!(kept(Sampling { min_p: 0.3, ..PLAIN }), [false, true, true, false]);
        assert_eq!(kept(Sampling { min_p: 1.0, ..PLAIN }), [false, false, true, false]);
        // top-p counts what top-k has left: 1 / (1 + e^-1) = 0.731 of it is the likeliest token's.
        assert_eq!(kept(Sampling { top_k: 2, top_p: 0.73, ..PLAIN }), [false, false, true, false]);
        assert_eq!(kept(Sampling { top_k: 2, top_p: 0.74, ..PLAIN }), [false, true, true, false]);
        // The temperature comes first: at 10 all four are about as likely.
        assert_eq!(kept(Sampling { temperature: 10.0, min_p: 0.3, ..PLAIN }), [true; 4]);
        assert_eq!(kept(Sampling { top_k: 9, ..PLAIN }), [true; 4]);
    }

    #[test]
    fn tokens_tied_where_a_filter_cuts_are_all_kept() {
        let logits = [1.0, 2.0, 1.0, 0.0];
        for sampling in [Sampling { top_k: 2, ..PLAIN }, Sampling { top_p: 0.6, ..PLAIN }] {
            let counts = drawn(sampling, &logits, 2_000);
            assert!(counts[..3].iter().all(|count| *count > 0) && counts[3] == 0, "{counts:?}");
        }
    }

    #[test]
    fn the_repetition_penalty_lowers_tokens_of_either_sign_once() {
        let sampling = Sampling { temperature: 0.0, repetition_penalty: 2.0, ..PLAIN };
        let mut sampler = sampler(sampling, 3, &[0, 0, 1, 9]);
        assert_eq!(*sampler.penalised(&[2.0, -2.0, 2.0]), [1.0, -4.0, 2.0]);
        assert_eq!(sampler.choose(&[2.0, -2.0, 1.5], 0).unwrap(), 2);
        assert_eq!(sampler.choose(&[2.0, -2.0, 1.5], 1).unwrap(), 0, "what was drawn has occurred");
    }

    #[test]
    fn frequency_and_presence_penalties_count_what_was_drawn() {
        let sampling = Sampling { temperature: 0.0, frequency_penalty: 0.5, presence_penalty: 0.25, ..PLAIN };
        let mut sampler = Sampler::new(&sampling, 7, 3, &[2, 2, 2], &[1, 1]);
        assert_eq!(*sampler.penalised(&[3.0, 3.0, 3.0]), [3.0, 1.75, 3.0]);
        assert_eq!(sampler.choose(&[3.0, 3.0, 1.0], 0).unwrap(), 0);
        assert_eq!(*sampler.penalised(&[3.0, 3.0, 3.0]), [2.25, 1.75, 3.0]);
        let all = Sampling { repetition_penalty: 2.0, presence_penalty: -1.0, ..sampling };
        assert_eq!(*Sampler::new(&all, 7, 3, &[0], &[0, 2]).penalised(&[4.0, 4.0, -4.0]), [2.5, 4.0, -7.5]);
    }

    #[test]
    fn a_draw_depends_on_seed_and_position_and_nothing_else() {
        let logits = [0.0, 0.1, 0.2, 0.3];
        let draw = |seed, position| Sampler::new(&PLAIN, seed, 4, &[], &[]).choose(&logits, position).unwrap();
        let forwards: Vec<u32> = (0..100).map(|position| draw(7, position)).collect();
        let mut backwards: Vec<u32> = (0..100).rev().map(|position| draw(7, position)).collect();
        backwards.reverse();
        assert_eq!(forwards, backwards);
        assert_ne!(forwards, (0..100).map(|position| draw(8, position)).collect::<Vec<_>>());
        assert_ne!(forwards, (0..100).map(|position| draw(7 + (1 << 32), position)).collect::<Vec<_>>());
    }

    /// Against the same without any short cut, of several runs, with logits that are equal, near and far from the largest. At
    /// 1e-40 noise is nothing, and the lower id of a tie wins.
    #[test]
    fn a_draw_is_the_largest_sum_of_logit_and_noise_of_all() {
        let filters = [
            PLAIN,
            Sampling { top_k: 50, ..PLAIN },
            Sampling { top_p: 0.7, min_p: 0.01, ..PLAIN },
            Sampling { repetition_penalty: 1.5, presence_penalty: -1.0, ..PLAIN },
        ];
        for (temperature, spread) in [(1e-40, 20.0), (0.2, 1.0), (0.7, 20.0), (1.0, 60.0), (5.0, 3.0), (100.0, 60.0)] {
            let value = |id: usize| ((id * id % 611) as f32 / 611.0 - 0.7) * spread;
            let mut logits: Vec<f32> = (0..3 * RUN + 17).map(value).collect();
            logits[5..9].copy_from_slice(&[0.0, -0.0, 0.0, -0.0]);
            for (filters, position) in
                filters.iter().flat_map(|filters| (0..40).map(move |position| (filters, position)))
            {
                let mut sampler = sampler(Sampling { temperature, ..*filters }, logits.len(), &[3, 7, 300]);
                let penalised = sampler.penalised(&logits).into_owned();
                let threshold = sampler.threshold(&penalised, penalised.iter().copied().fold(f32::MIN, f32::max));
                let score = |id: &usize| key(penalised[*id] + temperature * noise(7, position, *id as u32));
                let kept = (0..logits.len()).rev().filter(|id| key(penalised[*id]) >= threshold);
                let expected = kept.max_by_key(score).unwrap();
                let found = sampler.choose(&logits, position).unwrap() as usize;
                assert_eq!(found, expected, "{filters:?}, temperature {temperature}, position {position}");
            }
        }
    }

    #[test]
    fn extreme_temperatures_stay_finite() {
        let logits = [-3e4, 2e4, 1.0];
        assert_eq!(drawn(Sampling { temperature: 1e-45, top_p: 0.5, ..PLAIN }, &logits, 10), [0, 10, 0]);
        assert_eq!(drawn(Sampling { temperature: 100.0, top_k: 2, min_p: 1e-38, ..PLAIN }, &logits, 10), [0, 10, 0]);
    }

    #[test]
    fn keys_order_as_values_do() {
        let values = [f32::MIN, -1.0, -f32::MIN_POSITIVE, 0.0, f32::MIN_POSITIVE, 1.0, f32::MAX];
        assert!(values.is_sorted_by_key(|value| key(*value)));
        assert!(values.iter().all(|value| key(*value) > 0 && from_key(key(*value)) == *value));
    }
}
