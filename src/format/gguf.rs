//! GGUF: a header of metadata and tensor descriptions, then the tensors, aligned.

use super::{
    Checkpoint, GgufVocabulary, TensorInfo, TensorName, Vocabulary,
    check::{self, Listed},
};
use crate::{Error, Result, byte_strings::ByteStrings, model::Config, source::Source, weights::ElementType};
use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

/// How much of the header is read at a time.
const CHUNK: u64 = 256 << 10;
/// The longest string that is believed: chat templates take kilobytes.
const LONGEST_STRING: u64 = 16 << 20;
/// The longest array that is kept: PLM's vocabulary and merges have about 150,000 entries each.
const LONGEST_ARRAY: u64 = 1 << 22;
/// Arrays in arrays are legal and unused.
const DEEPEST_ARRAY: usize = 8;
const MOST_ENTRIES: u64 = 1 << 20;
/// Bytes of strings that are kept in all: PLM's vocabulary, merges and template have some megabytes.
const MOST_TEXT: u64 = 128 << 20;

const ARCHITECTURE: &str = "general.architecture";

/// Reads the headers of a file's parts, in order. All metadata is in the first; each lists its own tensors.
pub(super) async fn open(sources: Vec<Rc<dyn Source>>) -> Result<Checkpoint> {
    let mut listed = Vec::new();
    let mut first = None;
    for (index, source) in sources.iter().enumerate() {
        let (metadata, tensors) = part(&**source, index, sources.len()).await?;
        listed.extend(tensors);
        first.get_or_insert(metadata);
    }
    let Some(mut metadata) = first else {
        return Err(Error::InvalidRequest("a model of no files".to_owned()));
    };
    let config = metadata.config(&listed)?;
    let tensors = check::tensors(&config, listed, &sources)?;
    let vocabulary = metadata.vocabulary(&config)?;
    let chat_template = metadata.string("tokenizer.chat_template")?;
    Ok(Checkpoint { config, tensors, sources, vocabulary, chat_template })
}

/// One part's metadata, and the tensors that it lists.
async fn part(source: &dyn Source, index: usize, count: usize) -> Result<(Metadata, Vec<Listed>)> {
    let mut header = Header { source, buffer: Vec::new(), start: 0, position: 0, text: 0 };
    let (tensor_count, metadata_count) = header.preamble().await?;
    let metadata = header.metadata(metadata_count).await?;
    let file = source.name();
    let parts = metadata.optional_integer("split.count")?.unwrap_or(1).max(1);
    let place = metadata.optional_integer("split.no")?.unwrap_or(0);
    if parts != count {
        return Err(Error::Missing(format!("{file} is one of {parts} parts; {count} were given")));
    }
    if place != index {
        return Err(Error::Malformed(format!(
            "{file} says that it is part {} of {parts}, not {}",
            place + 1,
            index + 1
        )));
    }
    // Before anything else that a PLM has: another model's missing keys would only confuse. Later parts do not repeat it.
    match metadata.entries.get(ARCHITECTURE) {
        Some(Value::String(name)) if name == "plm" => {}
        Some(Value::String(name)) => {
            return Err(Error::UnsupportedModel(format!("{ARCHITECTURE} is {name:?}; expected \"plm\"")));
        }
        Some(_) => return Err(Error::Malformed(format!("{ARCHITECTURE} is no string"))),
        None if index > 0 => {}
        None => return Err(Error::Missing(format!("metadata {ARCHITECTURE}"))),
    }
    let mut listed = header.tensors(tensor_count, metadata.alignment()?).await?;
    listed.iter_mut().for_each(|(_, info)| info.source = index);
    Ok((metadata, listed))
}

/// A metadata value, as far as anything here asks for it.
enum Value {
    Integer(i128),
    Float(f64),
    Bool,
    String(String),
    Strings(ByteStrings),
    Integers(Vec<i32>),
    /// Read past.
    Skipped,
}

/// The numbers of the value types in the file.
mod value_type {
    pub const INT32: u32 = 5;
    pub const STRING: u32 = 8;
    pub const ARRAY: u32 = 9;

    /// Bytes of a number or bool.
    pub fn size(value_type: u32) -> Option<u64> {
        match value_type {
            0 | 1 | 7 => Some(1),
            2 | 3 => Some(2),
            4..=6 => Some(4),
            10..=12 => Some(8),
            _ => None,
        }
    }

    /// The fewest bytes that any value of this type takes.
    pub fn least(value_type: u32) -> Option<u64> {
        match value_type {
            STRING => Some(8),
            ARRAY => Some(12),
            _ => size(value_type),
        }
    }
}

/// Reads a file from its start, a chunk at a time, and believes no length that the file itself is too short for.
struct Header<'a> {
    source: &'a dyn Source,
    buffer: Vec<u8>,
    /// Where in the file the buffer starts.
    start: u64,
    /// Where in the file the next byte comes from.
    position: u64,
    /// Bytes of strings so far.
    text: u64,
}

impl Header<'_> {
    fn malformed(&self, what: impl std::fmt::Display) -> Error {
        Error::Malformed(format!("{}: {what}, at byte {}", self.source.name(), self.position))
    }

    fn remaining(&self) -> u64 {
        self.source.size().saturating_sub(self.position)
    }

    /// Fails unless the file has `length` more bytes.
    fn expect(&self, length: u64, what: &str) -> Result<()> {
        if length > self.remaining() {
            return Err(Error::Truncated(format!(
                "{}: {what} takes {length} bytes at byte {}, but the file has {} bytes",
                self.source.name(),
                self.position,
                self.source.size()
            )));
        }
        Ok(())
    }

    async fn bytes(&mut self, length: u64, what: &str) -> Result<&[u8]> {
        self.expect(length, what)?;
        let buffered = self.start + self.buffer.len() as u64;
        if self.position < self.start || self.position + length > buffered {
            let chunk = length.max(CHUNK).min(self.remaining());
            self.buffer = self.source.read(self.position, chunk as usize).await?;
            self.start = self.position;
            if self.buffer.len() as u64 != chunk {
                return Err(Error::Io(format!("{}: a read gave too few bytes", self.source.name())));
            }
        }
        let from = (self.position - self.start) as usize;
        self.position += length;
        Ok(&self.buffer[from..from + length as usize])
    }

    fn skip(&mut self, length: u64, what: &str) -> Result<()> {
        self.expect(length, what)?;
        self.position += length;
        Ok(())
    }

    async fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N as u64, what).await?);
        Ok(array)
    }

    async fn u32(&mut self, what: &str) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(what).await?))
    }

    async fn u64(&mut self, what: &str) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array(what).await?))
    }

    async fn string(&mut self, what: &str) -> Result<String> {
        let length = self.u64(what).await?;
        self.expect(length, what)?;
        if length > LONGEST_STRING {
            return Err(self.malformed(format_args!("{what} is a string of {length} bytes")));
        }
        self.text += length;
        if self.text > MOST_TEXT {
            return Err(self.malformed(format_args!("the header has more than {MOST_TEXT} bytes of text")));
        }
        let bytes = self.bytes(length, what).await?.to_vec();
        String::from_utf8(bytes).map_err(|_| self.malformed(format_args!("{what} is not UTF-8")))
    }

    /// Magic, version and counts of tensors and metadata entries.
    async fn preamble(&mut self) -> Result<(u64, u64)> {
        let first = self.bytes(self.source.size().min(64), "the first bytes").await?.to_vec();
        self.position = 0;
        if !first.starts_with(b"GGUF") {
            if !first.is_empty() && b"GGUF".starts_with(&first) {
                return Err(Error::Truncated(format!("{}: only {} bytes", self.source.name(), first.len())));
            }
            return Err(Error::NotAModel(format!(
                "{}: expected a GGUF file, found {}",
                self.source.name(),
                check::describe(&first)
            )));
        }
        self.skip(4, "the magic")?;
        let version = self.u32("the version").await?;
        if version != 0 && version.trailing_zeros() >= 16 {
            return Err(Error::UnsupportedModel(format!("{}: a big-endian GGUF file", self.source.name())));
        }
        if !(2..=3).contains(&version) {
            return Err(Error::UnsupportedModel(format!(
                "{}: GGUF version {version}; expected 2 or 3",
                self.source.name()
            )));
        }
        let tensors = self.u64("the count of tensors").await?;
        let entries = self.u64("the count of metadata entries").await?;
        for (count, what) in [(tensors, "tensors"), (entries, "metadata entries")] {
            if count > MOST_ENTRIES {
                return Err(self.malformed(format_args!("{count} {what}; expected at most {MOST_ENTRIES}")));
            }
        }
        Ok((tensors, entries))
    }

    async fn metadata(&mut self, count: u64) -> Result<Metadata> {
        let mut keys = HashSet::new();
        let mut entries = HashMap::new();
        for _ in 0..count {
            let key = self.string("a metadata key").await?;
            if !keys.insert(key.clone()) {
                return Err(self.malformed(format_args!("metadata {key:?} is given twice")));
            }
            let value_type = self.u32(&key).await?;
            let keep = ["general.a", "plm.", "split.", "tokenizer."].iter().any(|prefix| key.starts_with(prefix));
            let value = self.value(value_type, keep, &key).await?;
            if keep {
                entries.insert(key, value);
            }
        }
        Ok(Metadata { file: self.source.name().into(), entries })
    }

    async fn value(&mut self, value_type: u32, keep: bool, key: &str) -> Result<Value> {
        Ok(match value_type {
            0 => Value::Integer(u8::from_le_bytes(self.array(key).await?).into()),
            1 => Value::Integer(i8::from_le_bytes(self.array(key).await?).into()),
            2 => Value::Integer(u16::from_le_bytes(self.array(key).await?).into()),
            3 => Value::Integer(i16::from_le_bytes(self.array(key).await?).into()),
            4 => Value::Integer(self.u32(key).await?.into()),
            value_type::INT32 => Value::Integer(i32::from_le_bytes(self.array(key).await?).into()),
            6 => Value::Float(f32::from_le_bytes(self.array(key).await?).into()),
            7 => match self.array::<1>(key).await? {
                [0 | 1] => Value::Bool,
                [other] => return Err(self.malformed(format_args!("{key} is a bool of value {other}"))),
            },
            value_type::STRING if keep => Value::String(self.string(key).await?),
            value_type::STRING => {
                let length = self.u64(key).await?;
                self.skip(length, key)?;
                Value::Skipped
            }
            value_type::ARRAY => self.array_value(keep, key).await?,
            10 => Value::Integer(self.u64(key).await?.into()),
            11 => Value::Integer(i64::from_le_bytes(self.array(key).await?).into()),
            12 => Value::Float(f64::from_le_bytes(self.array(key).await?)),
            other => return Err(self.malformed(format_args!("{key} has the unknown value type {other}"))),
        })
    }

    /// Reads an array's element type and count, and checks that the file is long enough for it.
    async fn array_head(&mut self, key: &str) -> Result<(u32, u64)> {
        let element = self.u32(key).await?;
        let count = self.u64(key).await?;
        let least = value_type::least(element)
            .ok_or_else(|| self.malformed(format_args!("{key} is an array of the unknown value type {element}")))?;
        self.expect(count.saturating_mul(least), key)?;
        Ok((element, count))
    }

    async fn array_value(&mut self, keep: bool, key: &str) -> Result<Value> {
        let (element, count) = self.array_head(key).await?;
        if keep && matches!(element, value_type::STRING | value_type::INT32) {
            if count > LONGEST_ARRAY {
                return Err(self.malformed(format_args!("{key} has {count} entries; expected at most {LONGEST_ARRAY}")));
            }
            if element == value_type::INT32 {
                let bytes = self.bytes(count * 4, key).await?;
                let integers = bytes.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                return Ok(Value::Integers(integers.collect()));
            }
            // Grown as strings arrive, since the count alone is only a claim.
            let mut strings = ByteStrings::default();
            for _ in 0..count {
                strings.push(self.string(key).await?.into_bytes());
            }
            return Ok(Value::Strings(strings));
        }
        // The arrays that are open, innermost last, each with how many elements are left.
        let mut open = vec![(element, count)];
        while let Some((element, left)) = open.last_mut() {
            let element = *element;
            if *left == 0 {
                open.pop();
            } else if let Some(size) = value_type::size(element) {
                let length = left.saturating_mul(size);
                open.pop();
                self.skip(length, key)?;
            } else {
                *left -= 1;
                if element == value_type::STRING {
                    let length = self.u64(key).await?;
                    self.skip(length, key)?;
                } else if open.len() >= DEEPEST_ARRAY {
                    return Err(self.malformed(format_args!("{key} nests arrays deeper than {DEEPEST_ARRAY}")));
                } else {
                    open.push(self.array_head(key).await?);
                }
            }
        }
        Ok(Value::Skipped)
    }

    async fn tensors(&mut self, count: u64, alignment: u64) -> Result<Vec<Listed>> {
        let mut listed = Vec::new();
        for _ in 0..count {
            let name = self.string("a tensor's name").await?;
            let dimensions = self.u32(&name).await?;
            if !(1..=4).contains(&dimensions) {
                return Err(self.malformed(format_args!("{name} has {dimensions} dimensions; expected 1 to 4")));
            }
            let mut shape = Vec::new();
            for _ in 0..dimensions {
                let length = self.u64(&name).await?;
                shape.push(usize::try_from(length).map_err(|_| self.malformed(format_args!("{name} is too large")))?);
            }
            // The file lists the innermost dimension first.
            shape.reverse();
            let number = self.u32(&name).await?;
            let offset = self.u64(&name).await?;
            if !offset.is_multiple_of(alignment) {
                return Err(self.malformed(format_args!(
                    "{name} is at offset {offset}, no multiple of the alignment {alignment}"
                )));
            }
            if name == "output.weight" {
                return Err(Error::UnsupportedModel(
                    "output.weight: a head of its own; PLM's head is token_embd.weight".into(),
                ));
            }
            let known = TensorName::from_gguf(&name);
            match (ElementType::from_ggml(number), known) {
                (Some(element_type), _) => {
                    let mut info = TensorInfo { name, element_type, shape, source: 0, offset, byte_length: 0 };
                    info.byte_length = check::byte_length(&info)?;
                    listed.push((known, info));
                }
                (None, Some(_)) => {
                    return Err(Error::UnsupportedModel(format!("{name} has the unknown ggml type {number}")));
                }
                // What PLM does not have is ignored, whatever it is.
                (None, None) => {}
            }
        }
        // `position` is inside the file, so aligning it cannot overflow in any file that exists.
        let data = self.position.checked_next_multiple_of(alignment).unwrap_or(u64::MAX);
        for (_, info) in &mut listed {
            info.offset = info
                .offset
                .checked_add(data)
                .ok_or_else(|| Error::Malformed(format!("{} is at offset {}", info.name, info.offset)))?;
        }
        Ok(listed)
    }
}

struct Metadata {
    file: String,
    entries: HashMap<String, Value>,
}

impl Metadata {
    fn wrong(&self, key: &str, expected: &str) -> Error {
        Error::Malformed(format!("{}: metadata {key} is not {expected}", self.file))
    }

    fn optional_integer(&self, key: &str) -> Result<Option<usize>> {
        match self.entries.get(key) {
            None => Ok(None),
            Some(Value::Integer(value)) => {
                usize::try_from(*value).map(Some).map_err(|_| self.wrong(key, "a usable number"))
            }
            Some(_) => Err(self.wrong(key, "an integer")),
        }
    }

    fn integer(&self, key: &str) -> Result<usize> {
        self.optional_integer(key)?.ok_or_else(|| Error::Missing(format!("{}: metadata {key}", self.file)))
    }

    fn float(&self, key: &str) -> Result<f32> {
        match self.entries.get(key) {
            None => Err(Error::Missing(format!("{}: metadata {key}", self.file))),
            Some(Value::Float(value)) => Ok(*value as f32),
            Some(_) => Err(self.wrong(key, "a float")),
        }
    }

    fn string(&mut self, key: &str) -> Result<Option<String>> {
        match self.entries.remove(key) {
            None => Ok(None),
            Some(Value::String(value)) => Ok(Some(value)),
            Some(_) => Err(self.wrong(key, "a string")),
        }
    }

    fn strings(&mut self, key: &str) -> Result<ByteStrings> {
        match self.entries.remove(key) {
            None => Err(Error::Missing(format!("{}: metadata {key}", self.file))),
            Some(Value::Strings(value)) => Ok(value),
            Some(_) => Err(self.wrong(key, "an array of strings")),
        }
    }

    fn alignment(&self) -> Result<u64> {
        let alignment = self.optional_integer("general.alignment")?.unwrap_or(32) as u64;
        if !alignment.is_power_of_two() || alignment > 1 << 20 {
            return Err(Error::Malformed(format!(
                "{}: general.alignment is {alignment}; expected a power of two",
                self.file
            )));
        }
        Ok(alignment)
    }

    fn config(&mut self, listed: &[Listed]) -> Result<Config> {
        if let Some(scaling) = self.string("plm.rope.scaling.type")?
            && scaling != "none"
        {
            return Err(Error::UnsupportedModel(format!("plm.rope.scaling.type is {scaling:?}; expected none")));
        }
        let rope = self.integer("plm.rope.dimension_count")?;
        let key = self.integer("plm.attention.key_length")?;
        let Some(nope) = key.checked_sub(rope) else {
            return Err(Error::UnsupportedModel(format!(
                "plm.attention.key_length is {key}, less than plm.rope.dimension_count, {rope}"
            )));
        };
        let embedding = listed.iter().find(|(name, _)| *name == Some(TensorName::EmbedTokens));
        let rows = embedding.and_then(|(_, info)| info.shape.first().copied());
        Ok(Config {
            // Some writers leave the size to the embedding's shape.
            vocab_size: match (self.optional_integer("plm.vocab_size")?, rows) {
                (Some(size), _) | (None, Some(size)) => size,
                (None, None) => return Err(Error::Missing(format!("tensor {}", TensorName::EmbedTokens))),
            },
            hidden_size: self.integer("plm.embedding_length")?,
            num_hidden_layers: self.integer("plm.block_count")?,
            num_attention_heads: self.integer("plm.attention.head_count")?,
            kv_lora_rank: self.integer("plm.attention.kv_lora_rank")?,
            qk_nope_head_dim: nope,
            qk_rope_head_dim: rope,
            v_head_dim: self.integer("plm.attention.value_length")?,
            intermediate_size: self.integer("plm.feed_forward_length")?,
            rms_norm_eps: self.float("plm.attention.layer_norm_rms_epsilon")?,
            rope_theta: self.float("plm.rope.freq_base")?,
            max_position_embeddings: self.integer("plm.context_length")?,
        })
    }

    fn vocabulary(&mut self, config: &Config) -> Result<Vocabulary> {
        match self.string("tokenizer.ggml.model")?.as_deref() {
            None | Some("none" | "no_vocab") => return Ok(Vocabulary::None),
            Some("gpt2") => {}
            Some(other) => {
                return Err(Error::UnsupportedModel(format!("tokenizer.ggml.model is {other:?}; expected \"gpt2\"")));
            }
        }
        let tokens = self.strings("tokenizer.ggml.tokens")?;
        let token_types = match self.entries.remove("tokenizer.ggml.token_type") {
            None => Vec::new(),
            Some(Value::Integers(types)) => types,
            Some(_) => return Err(self.wrong("tokenizer.ggml.token_type", "an array of int32")),
        };
        if tokens.len() > config.vocab_size || !(token_types.is_empty() || token_types.len() == tokens.len()) {
            return Err(Error::Malformed(format!(
                "{}: {} tokens and {} token types for a vocabulary of {}",
                self.file,
                tokens.len(),
                token_types.len(),
                config.vocab_size
            )));
        }
        let eos_token_id = match self.optional_integer("tokenizer.ggml.eos_token_id")? {
            Some(id) => Some(u32::try_from(id).map_err(|_| self.wrong("tokenizer.ggml.eos_token_id", "a token id"))?),
            None => None,
        };
        Ok(Vocabulary::Gguf(GgufVocabulary {
            pre: self.string("tokenizer.ggml.pre")?.unwrap_or_default(),
            tokens,
            token_types,
            merges: self.strings("tokenizer.ggml.merges")?,
            eos_token_id,
        }))
    }
}
