//! Text to ids and back, and the chat template. Byte-level BPE as Qwen2 has it: NFC, pre-tokenise, merge, look up.

mod byte_level;
mod byte_pair;
mod chat_template;
mod detokenizer;
mod pre_tokenize;
mod read;

pub use chat_template::{ChatTemplate, DEFAULT_TEMPLATE};
pub use detokenizer::DetokenizerStream;

use crate::{Error, Result, format::Vocabulary};
use byte_pair::BytePair;
use std::collections::HashMap;
use unicode_normalization::UnicodeNormalization;

/// A byte-level BPE tokenizer.
pub struct Tokenizer {
    /// The bytes of each token, by id; empty for ids that no text gives.
    tokens: Vec<Vec<u8>>,
    /// Specials by text, longest first, so that the longest one at a position wins.
    specials: Vec<(String, u32)>,
    ids: HashMap<Vec<u8>, u32>,
    merges: BytePair,
    stop_tokens: Vec<u32>,
}

impl Tokenizer {
    /// From a checkpoint's vocabulary.
    ///
    /// # Errors
    /// [`Error::Missing`] where the checkpoint has none; [`Error::Tokenizer`] where its data is of another kind than
    /// Qwen2's or contradicts itself.
    pub fn new(vocabulary: &Vocabulary) -> Result<Self> {
        let parts = match vocabulary {
            Vocabulary::TokenizerJson(bytes) => read::tokenizer_json(bytes)?,
            Vocabulary::Gguf(vocabulary) => read::gguf(vocabulary)?,
            Vocabulary::None => {
                return Err(Error::Missing("a tokenizer (tokenizer.json, or tokenizer.ggml.* in a GGUF)".to_owned()));
            }
        };
        Self::from_parts(parts)
    }

    fn from_parts(parts: read::Parts) -> Result<Self> {
        let ids: HashMap<Vec<u8>, u32> = parts.tokens.iter().map(|(id, bytes)| (bytes.clone(), *id)).collect();
        let merges = BytePair::new(&ids, &parts.merges)?;
        let most = parts.tokens.iter().chain(&parts.specials).map(|(id, _)| *id as usize).max().unwrap_or(0);
        let mut tokens = vec![Vec::new(); most + 1];
        for (id, bytes) in parts.tokens.iter().chain(&parts.specials) {
            tokens[*id as usize] = bytes.clone();
        }
        let mut specials: Vec<(String, u32)> =
            parts.specials.iter().map(|(id, bytes)| (String::from_utf8_lossy(bytes).into_owned(), *id)).collect();
        specials.retain(|(text, _)| !text.is_empty());
        specials.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        let mut stop_tokens: Vec<u32> = parts.eos.into_iter().collect();
        for (text, id) in &specials {
            if matches!(text.as_str(), "<|im_end|>" | "<|endoftext|>") && !stop_tokens.contains(id) {
                stop_tokens.push(*id);
            }
        }
        Ok(Self { tokens, specials, ids, merges, stop_tokens })
    }

    /// The ids of `text`. With `special`, the texts of special tokens become those tokens; without, they are text like
    /// any other, so that nobody can write a control token.
    pub fn encode(&self, text: &str, special: bool) -> Vec<u32> {
        let mut ids = Vec::new();
        let mut rest = text;
        while let Some((at, length, id)) = special.then(|| self.next_special(rest)).flatten() {
            self.encode_text(&rest[..at], &mut ids);
            ids.push(id);
            rest = &rest[at + length..];
        }
        self.encode_text(rest, &mut ids);
        ids
    }

    fn next_special(&self, text: &str) -> Option<(usize, usize, u32)> {
        let found =
            self.specials.iter().filter_map(|(special, id)| Some((text.find(special.as_str())?, special.len(), *id)));
        found.min_by_key(|(at, length, _)| (*at, std::cmp::Reverse(*length)))
    }

    fn encode_text(&self, text: &str, ids: &mut Vec<u32>) {
        let normalised: String = text.nfc().collect();
        for piece in pre_tokenize::pre_tokenize(&normalised) {
            match self.ids.get(piece.as_bytes()) {
                Some(id) => ids.push(*id),
                None => self.merges.encode(piece.as_bytes(), ids),
            }
        }
    }

    /// The text of `ids`, specials included; bytes that are no UTF-8 become U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> String {
        let bytes: Vec<u8> = ids.iter().flat_map(|id| self.token_bytes(*id)).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The bytes of one token; none for an id that no text gives.
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        self.tokens.get(id as usize).map_or(&[], Vec::as_slice)
    }

    /// The id of a special token, by its text.
    pub fn special_id(&self, text: &str) -> Option<u32> {
        self.specials.iter().find(|(special, _)| special == text).map(|(_, id)| *id)
    }

    /// Whether `id` is a control token, which no reply shows.
    pub fn is_special(&self, id: u32) -> bool {
        self.specials.iter().any(|(_, special)| *special == id)
    }

    /// The tokens that end a reply: `<|im_end|>`, `<|endoftext|>`, and the file's own end-of-sequence token.
    pub fn stop_tokens(&self) -> &[u32] {
        &self.stop_tokens
    }
}
