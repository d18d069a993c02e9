//! Text to ids and back, and the chat template. Byte-level BPE as Qwen2 has it: NFC, pre-tokenise, merge, look up.

mod byte_level;
mod byte_pair;
mod chat_template;
mod detokenizer;
mod ids;
mod pre_tokenize;
mod read;

pub use chat_template::{ChatTemplate, DEFAULT_TEMPLATE};
pub use detokenizer::DetokenizerStream;

use crate::{Error, Result, byte_strings::ByteStrings, format::Vocabulary};
use byte_pair::BytePair;
use ids::Ids;
use std::{borrow::Cow, collections::HashSet};
use unicode_normalization::UnicodeNormalization;

/// A noncharacter that no text has reason to contain. It stands inside what looks like a special token but is not to be
/// one, and is taken out before the text is encoded.
const GUARD: char = '\u{FDD0}';

/// A byte-level BPE tokenizer.
pub struct Tokenizer {
    /// The bytes of each token, by id; empty for ids that no text gives.
    tokens: ByteStrings,
    /// Specials by text, longest first, so that the longest one at a position wins.
    specials: Vec<(String, u32)>,
    /// The specials that no reply shows. Others are text that was added to the vocabulary.
    control: HashSet<u32>,
    ids: Ids,
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
        let mut order: Vec<(u32, &[u8])> = parts.ids.iter().copied().zip(parts.tokens.iter()).collect();
        // A special takes the place of a token that has its id: the sort is stable, and the last one stays.
        order.extend(parts.specials.iter().map(|(id, bytes)| (*id, bytes.as_slice())));
        order.sort_by_key(|(id, _)| *id);
        let mut tokens = ByteStrings::default();
        for (at, (id, bytes)) in order.iter().enumerate() {
            if order.get(at + 1).is_some_and(|(next, _)| next == id) {
                continue;
            }
            while tokens.len() < *id as usize {
                tokens.push([]);
            }
            tokens.push(bytes.iter().copied());
        }
        drop(order);
        let ids = Ids::new(&parts.ids, &tokens);
        let merges = BytePair::new(|token| ids.get(token, &tokens), parts.merges)?;
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
        Ok(Self { tokens, specials, control: parts.control.into_iter().collect(), ids, merges, stop_tokens })
    }

    /// The ids of `text`, in which the texts of special tokens become those tokens.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        // Where each special comes next; found again only once it has been passed, so that every special walks the text
        // once, however many there are in it.
        let mut next: Vec<Option<usize>> =
            self.specials.iter().map(|(special, _)| text.find(special.as_str())).collect();
        let mut done = 0;
        loop {
            for (at, (special, _)) in next.iter_mut().zip(&self.specials) {
                if at.is_some_and(|at| at < done) {
                    *at = text[done..].find(special.as_str()).map(|found| done + found);
                }
            }
            // The longest of those at one place comes first in the list, and is the one that is kept.
            let found = next.iter().zip(&self.specials).filter_map(|(at, special)| Some(((*at)?, special)));
            let Some((at, (special, id))) = found.min_by_key(|(at, _)| *at) else { break };
            self.encode_text(&text[done..at], &mut ids);
            ids.push(*id);
            done = at + special.len();
        }
        self.encode_text(&text[done..], &mut ids);
        ids
    }

    /// The text, changed so that [`Tokenizer::encode`] finds no special token in it: what a person wrote must not end a
    /// message or begin another. Its ids are those of the plain text.
    pub fn guard<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut guarded = Cow::Borrowed(text);
        for (special, _) in &self.specials {
            if guarded.contains(special.as_str()) {
                let first = special.chars().next().map_or(0, char::len_utf8);
                let broken = format!("{}{GUARD}{}", &special[..first], &special[first..]);
                guarded = Cow::Owned(guarded.replace(special.as_str(), &broken));
            }
        }
        guarded
    }

    /// Bytes of the longest token.
    pub fn longest_token(&self) -> usize {
        self.tokens.iter().map(<[u8]>::len).max().unwrap_or(0)
    }

    fn encode_text(&self, text: &str, ids: &mut Vec<u32>) {
        let normalised: String = text.chars().filter(|c| *c != GUARD).nfc().collect();
        for piece in pre_tokenize::pre_tokenize(&normalised) {
            match self.ids.get(piece.as_bytes(), &self.tokens) {
                Some(id) => ids.push(id),
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
        self.tokens.get(id as usize).unwrap_or_default()
    }

    /// The id of a special token, by its text.
    pub fn special_id(&self, text: &str) -> Option<u32> {
        self.specials.iter().find(|(special, _)| special == text).map(|(_, id)| *id)
    }

    /// Whether `id` is a control token, which no reply shows.
    pub fn is_control(&self, id: u32) -> bool {
        self.control.contains(&id)
    }

    /// The tokens that end a reply: `<|im_end|>`, `<|endoftext|>`, and the file's own end-of-sequence token.
    pub fn stop_tokens(&self) -> &[u32] {
        &self.stop_tokens
    }
}
