//! How far found logits are from expected ones, for tests and for benches/accuracy. Sums are taken in f64.

/// |found - expected| / |expected|, of vectors.
pub fn relative_error(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut found.iter().zip(expected).map(|(a, b)| f64::from(a - b)));
    difference / norm(&mut expected.iter().map(|b| f64::from(*b)))
}

/// KL(expected || found) of the next-token distributions, in nats.
pub fn divergence(found: &[f32], expected: &[f32]) -> f64 {
    let (p, q) = (log_softmax(expected), log_softmax(found));
    p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum()
}

/// Natural logarithms of the next-token probabilities.
pub fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|l| f64::from(l - most).exp()).sum();
    logits.iter().map(|l| f64::from(l - most) - sum.ln()).collect()
}

/// exp of the mean of what is pushed: -ln p of the tokens that came.
#[derive(Clone, Copy, Default)]
pub struct Perplexity {
    sum: f64,
    tokens: usize,
}

impl Perplexity {
    /// Takes the logits that stood before `next` came.
    pub fn push(&mut self, logits: &[f32], next: u32) {
        self.sum -= log_softmax(logits)[next as usize];
        self.tokens += 1;
    }

    /// Of at least one token.
    pub fn value(self) -> f64 {
        (self.sum / self.tokens as f64).exp()
    }
}
