//! Vocabularies as files have them: `tokenizer.json`, and `tokenizer.ggml.*` of a GGUF.

use super::{byte_level::bytes_of, pre_tokenize::QWEN2_PATTERN};
use crate::{Error, Result, byte_strings::ByteStrings, format::GgufVocabulary};
use serde::Deserialize;
use std::collections::HashMap;

/// The bytes of two neighbours.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// What both kinds of file come to. Ids are below [`MOST_TOKENS`].
pub(super) struct Parts<'a> {
    /// With their ids beside them.
    pub tokens: ByteStrings,
    pub ids: Vec<u32>,
    pub specials: Vec<(u32, Vec<u8>)>,
    /// The specials that no reply shows.
    pub control: Vec<u32>,
    /// Pairs of token bytes, best first.
    pub merges: Box<dyn Iterator<Item = Result<Pair>> + 'a>,
    pub eos: Option<u32>,
}

/// More than any model has; keeps a lying id from reserving gigabytes.
const MOST_TOKENS: u32 = 1 << 22;

#[derive(Deserialize)]
struct TokenizerJson {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    normalizer: Option<serde_json::Value>,
    pre_tokenizer: Option<serde_json::Value>,
    model: Model,
}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
    #[serde(default)]
    special: bool,
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type", default)]
    kind: String,
    vocab: HashMap<String, u32>,
    merges: Vec<Merge>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Joined(String),
    Pair(String, String),
}

pub(super) fn tokenizer_json(bytes: &[u8]) -> Result<Parts<'static>> {
    let json: TokenizerJson =
        serde_json::from_slice(bytes).map_err(|error| Error::Tokenizer(format!("tokenizer.json: {error}")))?;
    expect("model.type", &json.model.kind, &["BPE", ""])?;
    let normalizer = json.normalizer.as_ref().and_then(|n| n["type"].as_str()).unwrap_or("none");
    expect("normalizer", normalizer, &["NFC"])?;
    let pattern = json.pre_tokenizer.as_ref().and_then(|p| p["pretokenizers"][0]["pattern"]["Regex"].as_str());
    expect("pre_tokenizer's pattern", pattern.unwrap_or("none"), &[QWEN2_PATTERN])?;
    let (mut tokens, mut ids) = (ByteStrings::default(), Vec::with_capacity(json.model.vocab.len()));
    for (text, id) in json.model.vocab {
        tokens.push(spelled(&text)?);
        ids.push(checked(id)?);
    }
    let (mut specials, mut control) = (Vec::new(), Vec::new());
    for AddedToken { id, content, special } in json.added_tokens {
        specials.push((checked(id)?, content.into_bytes()));
        control.extend(special.then_some(id));
    }
    let merges = json.model.merges.into_iter().map(|merge| match merge {
        Merge::Joined(text) => pair(&text),
        Merge::Pair(left, right) => Ok((spelled(&left)?, spelled(&right)?)),
    });
    Ok(Parts { tokens, ids, specials, control, merges: Box::new(merges), eos: None })
}

pub(super) fn gguf(vocabulary: &GgufVocabulary) -> Result<Parts<'_>> {
    const CONTROL: i32 = 3;
    const USER_DEFINED: i32 = 4;
    const UNUSED: i32 = 5;
    expect("tokenizer.ggml.pre", &vocabulary.pre, &["qwen2"])?;
    let (mut tokens, mut ids) = (ByteStrings::default(), Vec::new());
    let (mut specials, mut control) = (Vec::new(), Vec::new());
    for (id, text) in vocabulary.tokens.iter().enumerate() {
        let id = checked(u32::try_from(id).unwrap_or(u32::MAX))?;
        match vocabulary.token_types.get(id as usize) {
            Some(&kind @ (CONTROL | USER_DEFINED)) => {
                specials.push((id, text.to_vec()));
                control.extend((kind == CONTROL).then_some(id));
            }
            Some(&UNUSED) => {}
            _ => {
                tokens.push(spelled(utf8(text)?)?);
                ids.push(id);
            }
        }
    }
    let merges = vocabulary.merges.iter().map(|text| pair(utf8(text)?));
    Ok(Parts { tokens, ids, specials, control, merges: Box::new(merges), eos: vocabulary.eos_token_id })
}

fn utf8(text: &[u8]) -> Result<&str> {
    std::str::from_utf8(text).map_err(|_| Error::Tokenizer(format!("{text:?} is not UTF-8")))
}

fn expect(what: &str, found: &str, expected: &[&str]) -> Result<()> {
    if expected.contains(&found) {
        return Ok(());
    }
    Err(Error::Tokenizer(format!("{what} is {found:?}; this version knows only Qwen2's, {:?}", expected[0])))
}

fn checked(id: u32) -> Result<u32> {
    if id < MOST_TOKENS {
        return Ok(id);
    }
    Err(Error::Tokenizer(format!("token id {id}; expected less than {MOST_TOKENS}")))
}

fn spelled(text: &str) -> Result<Vec<u8>> {
    bytes_of(text).ok_or_else(|| Error::Tokenizer(format!("token {text:?} is not in the byte-level alphabet")))
}

fn pair(text: &str) -> Result<Pair> {
    let (left, right) =
        text.split_once(' ').ok_or_else(|| Error::Tokenizer(format!("merge {text:?} is not two tokens")))?;
    Ok((spelled(left)?, spelled(right)?))
}
