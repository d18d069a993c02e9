//! How likely the model found each token of a reply, and which it found likeliest: by the model's own distribution, before
//! biases, penalties, temperature and filters.

use crate::{
    backend::arithmetic::{largest, sum_of_exponentials},
    tokenizer::Tokenizer,
};
use serde::Serialize;
use std::collections::VecDeque;

/// A token that might have come, by OpenAI's names.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TopLogprob {
    /// Its text; bytes that are no UTF-8 alone are U+FFFD.
    pub token: String,
    /// The natural logarithm of its probability.
    pub logprob: f32,
    pub bytes: Vec<u8>,
}

/// A token of a reply, by OpenAI's names.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TokenLogprob {
    /// As of [`TopLogprob`].
    pub token: String,
    pub logprob: f32,
    pub bytes: Vec<u8>,
    /// The likeliest tokens, the likeliest first.
    pub top_logprobs: Vec<TopLogprob>,
}

/// The tokens of a reply, given out with the text that they are.
#[derive(Debug, Default)]
pub(super) struct Logprobs {
    /// Those that wait for their text, each with the bytes of text before it and after it.
    held: VecDeque<(usize, usize, TokenLogprob)>,
    /// Bytes of text that came.
    come: usize,
    /// Bytes of text that were given out.
    given: usize,
}

impl Logprobs {
    /// Adds a token and the bytes of text that came with it.
    pub fn push(&mut self, token: TokenLogprob, text: usize) {
        self.held.push_back((self.come, self.come + text, token));
        self.come += text;
    }

    /// Those whose text is out once `text` more bytes of it are given out; at the reply's end also one that is cut by it.
    pub fn release(&mut self, text: usize, ended: bool) -> Vec<TokenLogprob> {
        self.given += text;
        let is_out = |(start, end, _): &(usize, usize, _)| *end <= self.given || (ended && *start < self.given);
        let count = self.held.iter().take_while(|held| is_out(held)).count();
        self.held.drain(..count).map(|(_, _, token)| token).collect()
    }
}

/// What a token's logits say of it, and of the `top` likeliest. logits [vocab_size].
pub(super) fn token_logprob(tokenizer: &Tokenizer, logits: &[f32], id: u32, top: usize) -> TokenLogprob {
    let most = largest(logits, f32::NEG_INFINITY);
    let sum = sum_of_exponentials(logits, most);
    let told = |id: u32| {
        let bytes = tokenizer.token_bytes(id);
        TopLogprob {
            token: String::from_utf8_lossy(bytes).into_owned(),
            logprob: (f64::from(logits[id as usize] - most) - sum.ln()) as f32,
            bytes: bytes.to_vec(),
        }
    };
    let top_logprobs = likeliest(logits, top).into_iter().map(told).collect();
    let TopLogprob { token, logprob, bytes } = told(id);
    TokenLogprob { token, logprob, bytes, top_logprobs }
}

/// The tokens of the `top` largest logits, the largest first. There are few of them, and most tokens are less likely than the last.
fn likeliest(logits: &[f32], top: usize) -> Vec<u32> {
    const TOGETHER: usize = 64;
    let mut found: Vec<u32> = Vec::with_capacity(top + 1);
    for (index, some) in logits.chunks(TOGETHER).enumerate() {
        let least = found.get(top.wrapping_sub(1)).map(|last| logits[*last as usize]);
        if top == 0 || least.is_some_and(|least| largest(some, least) == least) {
            continue;
        }
        for (place, logit) in some.iter().enumerate() {
            let at = found.iter().rposition(|other| logits[*other as usize] >= *logit).map_or(0, |before| before + 1);
            if at < top {
                found.insert(at, (index * TOGETHER + place) as u32);
                found.truncate(top);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> TokenLogprob {
        TokenLogprob { token: text.to_owned(), logprob: -1.0, bytes: text.into(), top_logprobs: Vec::new() }
    }

    fn texts(tokens: Vec<TokenLogprob>) -> Vec<String> {
        tokens.into_iter().map(|token| token.token).collect()
    }

    #[test]
    fn the_likeliest_tokens_come_in_order_and_of_equals_the_first() {
        let logits: Vec<f32> = (0..1000).map(|id| (id * 7919 % 97) as f32).collect();
        let mut sorted: Vec<u32> = (0..1000).collect();
        sorted.sort_by(|a, b| logits[*b as usize].total_cmp(&logits[*a as usize]));
        for top in [0, 1, 5, 20] {
            assert_eq!(likeliest(&logits, top), sorted[..top]);
        }
        assert_eq!(likeliest(&logits[..3], 20).len(), 3);
    }

    #[test]
    fn tokens_come_with_their_text() {
        let mut logprobs = Logprobs::default();
        logprobs.push(token("abc"), 3);
        assert_eq!(texts(logprobs.release(2, false)), [""; 0]);
        logprobs.push(token("d"), 1);
        // A token that shows nothing, such as a part of a character.
        logprobs.push(token(""), 0);
        assert_eq!(texts(logprobs.release(1, false)), ["abc"]);
        assert_eq!(texts(logprobs.release(1, false)), ["d", ""]);
    }

    #[test]
    fn tokens_that_a_stop_string_took_away_never_come() {
        let mut logprobs = Logprobs::default();
        for text in ["ab", "cd", "ef"] {
            logprobs.push(token(text), 2);
        }
        assert_eq!(texts(logprobs.release(3, true)), ["ab", "cd"]);
        assert_eq!(texts(logprobs.release(0, true)), [""; 0]);
    }
}
