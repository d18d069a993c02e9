//! How likely the model found each token of a reply, and which it found likeliest: by the model's own distribution, before
//! biases, penalties, temperature and filters.

use crate::tokenizer::Tokenizer;
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
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - most).exp()).sum();
    let told = |id: u32| {
        let bytes = tokenizer.token_bytes(id);
        TopLogprob {
            token: String::from_utf8_lossy(bytes).into_owned(),
            logprob: (f64::from(logits[id as usize] - most) - sum.ln()) as f32,
            bytes: bytes.to_vec(),
        }
    };
    // The likeliest first. There are few of them, and most tokens are less likely than the last.
    let mut likeliest: Vec<u32> = Vec::with_capacity(top + 1);
    for (id, logit) in logits.iter().enumerate() {
        let at = likeliest.iter().rposition(|other| logits[*other as usize] >= *logit).map_or(0, |before| before + 1);
        if at < top {
            likeliest.insert(at, id as u32);
            likeliest.truncate(top);
        }
    }
    let TopLogprob { token, logprob, bytes } = told(id);
    TokenLogprob { token, logprob, bytes, top_logprobs: likeliest.into_iter().map(told).collect() }
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
