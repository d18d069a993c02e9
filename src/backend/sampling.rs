//! How the next token is chosen, in arithmetic that every backend repeats: the same logits and the same seed give the same
//! token on all of them, but for the rounding of exp and log.
//!
//! The draw is Gumbel-max: of the tokens that are kept, the one with the largest logit + temperature * noise, where noise is
//! -ln(-ln(u)). That draws from softmax(logit / temperature) without a running sum and in no order. u is a function of the
//! seed, the position and the token, so a reply does not depend on what was computed ahead, taken from a cache or drawn
//! before. The filters are thresholds on the logit: a filter keeps all tokens that are tied where it cuts.

use crate::Error;

/// How the next token is chosen. The steps run in this order: penalties, greedy if the temperature is 0, temperature,
/// top-k, top-p, min-p, draw. The fields' ranges are those that [`crate::engine::Request::validate`] checks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// 0 is greedy; ties go to the lower id.
    pub temperature: f32,
    /// Keeps the k largest logits; 0 keeps all. 1 is greedy, too.
    pub top_k: usize,
    /// Of those, keeps the largest whose probabilities reach this sum; 1 keeps all.
    pub top_p: f32,
    /// Drops tokens less likely than this fraction of the likeliest; 0 keeps all.
    pub min_p: f32,
    /// Divides positive logits (multiplies negative ones) of tokens that occurred in the prompt or the reply; 1 is off.
    pub repetition_penalty: f32,
    /// Taken off a token's logit for each time that it was drawn; 0 is off.
    pub frequency_penalty: f32,
    /// Taken off the logits of tokens that were drawn; 0 is off.
    pub presence_penalty: f32,
}

impl Sampling {
    /// Draws from the model's own distribution.
    pub const PLAIN: Self = Self {
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        repetition_penalty: 1.0,
        frequency_penalty: 0.0,
        presence_penalty: 0.0,
    };
    /// Takes the likeliest token.
    pub const GREEDY: Self = Self { temperature: 0.0, ..Self::PLAIN };
}

/// [`Sampling`] as the numbers that samplers compute with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rules {
    /// 0 where the largest logit wins.
    pub temperature: f32,
    /// Finite for every temperature.
    pub inverse_temperature: f32,
    pub repetition: f32,
    pub inverse_repetition: f32,
    pub frequency: f32,
    pub presence: f32,
    /// 0 keeps all.
    pub top_k: u32,
    /// A fraction of 2^32; 0 keeps all.
    pub top_p: u32,
    /// How far below the largest logit the least one kept may lie: temperature * ln(min_p).
    pub min_p: f32,
}

/// Stands for minus infinity, which shaders may take not to exist, in [`Rules::min_p`].
const ALL: f32 = -1e38;

impl Rules {
    pub fn new(sampling: &Sampling, vocab_size: usize) -> Self {
        let Sampling { temperature, top_k, top_p, min_p, .. } = *sampling;
        // The only token that is kept is the likeliest.
        let greedy = temperature == 0.0 || top_k == 1;
        let penalties = Self {
            temperature: 0.0,
            inverse_temperature: 0.0,
            repetition: sampling.repetition_penalty,
            inverse_repetition: sampling.repetition_penalty.recip(),
            frequency: sampling.frequency_penalty,
            presence: sampling.presence_penalty,
            top_k: 0,
            top_p: 0,
            min_p: ALL,
        };
        if greedy {
            return penalties;
        }
        Self {
            temperature,
            inverse_temperature: temperature.recip().min(1e20),
            top_k: if top_k < vocab_size { top_k as u32 } else { 0 },
            top_p: if top_p < 1.0 { ((f64::from(top_p) * 4_294_967_296.0) as u32).max(1) } else { 0 },
            min_p: if min_p > 0.0 { temperature * min_p.ln() } else { ALL },
            ..penalties
        }
    }

    /// Whether tokens that occurred have to be known.
    pub fn penalises(&self) -> bool {
        self.repetition != 1.0 || self.frequency != 0.0 || self.presence != 0.0
    }

    /// A token's logit after the penalties. `occurred` is what [`occurrences`] counts.
    pub fn penalised(&self, logit: f32, occurred: u32) -> f32 {
        if occurred == 0 {
            return logit;
        }
        let (draws, drawn) = ((occurred >> 1) as f32, f32::from(u8::from(occurred > 1)));
        logit * if logit > 0.0 { self.inverse_repetition } else { self.repetition }
            - (self.frequency * draws + self.presence * drawn)
    }

    /// Whether any filter drops tokens.
    pub fn filters(&self) -> bool {
        self.top_k > 0 || self.top_p > 0 || self.min_p > ALL
    }
}

/// For each token whether it occurs in the prompt, plus [`DRAWN`] for each time that it was drawn.
pub fn occurrences(vocab_size: usize, prompt: &[u32], drawn: &[u32]) -> Vec<u32> {
    let mut occurred = vec![0; vocab_size];
    for id in prompt {
        occurred.get_mut(*id as usize).into_iter().for_each(|occurred| *occurred |= 1);
    }
    for id in drawn {
        occurred.get_mut(*id as usize).into_iter().for_each(|occurred| *occurred += DRAWN);
    }
    occurred
}

/// See [`occurrences`].
pub const DRAWN: u32 = 2;

/// Gumbel noise -ln(-ln(u)) of a token at a position, u uniform in (0, 1). The same as in shaders/sample_chunk.wgsl.
pub fn noise(seed: u64, position: u32, id: u32) -> f32 {
    let [.., bits] = pcg4d([seed as u32, (seed >> 32) as u32, position, id]);
    -exponential(bits).ln()
}

/// No token has more: -ln(2^-33) is 22.9.
pub const MOST_NOISE: f32 = 23.0;

/// -ln(u), u = 1 - (bits + 1/2) / 2^32. Most winners of a draw have u near 1, where the logarithm has lost its digits and
/// the series has not; elsewhere 24 bits will do.
fn exponential(bits: u32) -> f32 {
    if bits < 1 << 26 {
        let v = (bits as f32 + 0.5) / 4_294_967_296.0;
        v * (1.0 + v * (0.5 + v * (0.333_333_34 + v * 0.25)))
    } else {
        -(((!bits >> 8) as f32 + 0.5) / 16_777_216.0).ln()
    }
}

/// The hash pcg4d: Jarzynski and Olano, "Hash Functions for GPU Rendering", Journal of Computer Graphics Techniques 9(3),
/// 2020. A counter-based generator: four words of key and counter become four random ones.
fn pcg4d(words: [u32; 4]) -> [u32; 4] {
    fn stir([x, y, z, w]: [u32; 4]) -> [u32; 4] {
        let x = x.wrapping_add(y.wrapping_mul(w));
        let y = y.wrapping_add(z.wrapping_mul(x));
        let z = z.wrapping_add(x.wrapping_mul(y));
        let w = w.wrapping_add(y.wrapping_mul(z));
        [x, y, z, w]
    }
    let words = stir(words.map(|word| word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)));
    stir(words.map(|word| word ^ (word >> 16)))
}

/// What a logit that is NaN or infinite means.
pub(super) fn not_finite(logit: f32) -> Error {
    Error::Malformed(format!(
        "the model computed a logit of {logit}; its weights are damaged, or the device computes wrongly"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        // The paper's listing in Python's integers, modulo 2^32.
        assert_eq!(pcg4d([0, 0, 0, 0]), [251_852_841, 760_645_481, 850_445_371, 3_542_436_074]);
        assert_eq!(pcg4d([1, 2, 3, 4]), [908_250_390, 4_044_648_920, 3_775_961_919, 45_698_095]);
    }

    /// Mean and variance of a standard Gumbel variable are Euler's constant and pi^2 / 6. Neighbours in each of the words
    /// must not be correlated. Five standard deviations each.
    #[test]
    fn noise_is_gumbel_distributed_along_every_word() {
        const COUNT: u32 = 100_000;
        let along: [fn(u32) -> f32; 4] = [
            |i| noise(7, 300, i),
            |i| noise(7, i, 300),
            |i| noise(u64::from(i), 300, 11),
            |i| noise(u64::from(i) << 32, 300, 11),
        ];
        for (word, noise) in along.into_iter().enumerate() {
            let values: Vec<f64> = (0..COUNT).map(|i| f64::from(noise(i))).collect();
            assert!(values.iter().all(|value| value.is_finite()));
            let count = f64::from(COUNT);
            let mean = values.iter().sum::<f64>() / count;
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
            assert!((mean - 0.577_216).abs() < 5.0 * (1.645 / count).sqrt(), "word {word}: mean {mean}");
            // The fourth central moment is 5.4 times the squared variance.
            assert!((variance - 1.644_934).abs() < 5.0 * 1.645 * (4.4 / count).sqrt(), "word {word}: {variance}");
            for lag in [1, 2, 16, 256] {
                let products = values.iter().zip(&values[lag..]).map(|(a, b)| (a - mean) * (b - mean));
                let correlation = products.sum::<f64>() / (count * variance);
                assert!(correlation.abs() < 5.0 / count.sqrt(), "word {word}, lag {lag}: {correlation}");
            }
        }
    }

    #[test]
    fn the_exponential_variable_is_exact_where_it_is_small_and_finite_where_it_is_large() {
        for bits in [0, 1, 1 << 20, (1 << 26) - 1, 1 << 26, 1 << 31, 0xffff_0000] {
            let exact = -(-(f64::from(bits) + 0.5) / 4_294_967_296.0).ln_1p();
            let found = f64::from(exponential(bits));
            assert!((found / exact - 1.0).abs() < 1e-3, "{bits}: {found} and {exact}");
        }
        assert!(-exponential(0).ln() < MOST_NOISE);
        assert!(exponential(u32::MAX).ln().is_finite() && exponential(u32::MAX) > 17.0);
    }
}
