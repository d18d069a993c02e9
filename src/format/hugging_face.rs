//! A Hugging Face folder: `config.json`, safetensors in one file or in shards, `tokenizer.json`.

use super::{
    Checkpoint, TensorInfo, TensorName, Vocabulary,
    check::{self, Listed},
};
use crate::{
    Error, Result,
    model::Config,
    source::{Folder, Source},
    weights::ElementType,
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// The longest safetensors header that the format allows.
const LONGEST_HEADER: u64 = 100_000_000;
const LONGEST_JSON: u64 = 64 << 20;

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

pub(super) async fn open(folder: &dyn Folder) -> Result<Checkpoint> {
    let config = match folder.open(CONFIG).await? {
        Some(source) => config(&json(&*source).await?)?,
        None => return Err(missing(folder, CONFIG)),
    };
    // Before the weights are looked at: a bad configuration is the more helpful message.
    config.validate()?;
    let sources = weights(folder).await?;
    let mut listed = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        safetensors(&**source, index, &mut listed).await?;
    }
    let tensors = check::tensors(&config, listed, &sources)?;
    let vocabulary = match folder.open("tokenizer.json").await? {
        Some(source) => Vocabulary::TokenizerJson(whole(&*source).await?),
        None => Vocabulary::None,
    };
    Ok(Checkpoint { config, tensors, sources, vocabulary, chat_template: chat_template(folder).await? })
}

fn missing(folder: &dyn Folder, file: &str) -> Error {
    Error::Missing(format!("{file} in {}", folder.name()))
}

/// A small companion file.
async fn whole(source: &dyn Source) -> Result<Vec<u8>> {
    if source.size() > LONGEST_JSON {
        return Err(Error::Malformed(format!("{} has {} bytes", source.name(), source.size())));
    }
    source.read(0, source.size() as usize).await
}

async fn json<T: DeserializeOwned>(source: &dyn Source) -> Result<T> {
    let bytes = whole(source).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        // Servers answer with pages where files are missing.
        let found = check::describe(&bytes[..bytes.len().min(64)]);
        if found == "JSON" {
            Error::Malformed(format!("{}: {error}", source.name()))
        } else {
            Error::NotAModel(format!("{}: expected JSON, found {found}", source.name()))
        }
    })
}

fn config(json: &Map<String, Value>) -> Result<Config> {
    if json.get("model_type").and_then(Value::as_str) != Some("plm") {
        let named = ["model_type", "architectures"].map(|key| json.get(key).unwrap_or(&Value::Null).to_string());
        return Err(Error::UnsupportedModel(format!(
            "{CONFIG}: model_type is {} and architectures {}; expected \"plm\"",
            named[0], named[1]
        )));
    }
    // What the forward pass takes for granted. A key that is left out has this value in PLM.
    let fixed = [
        ("architectures", Value::from(vec!["PLMForCausalLM"])),
        ("hidden_act", Value::from("relu2")),
        ("q_lora_rank", Value::Null),
        ("rope_scaling", Value::Null),
        ("tie_word_embeddings", Value::from(true)),
        ("attention_bias", Value::from(false)),
    ];
    for (key, expected) in fixed {
        if let Some(found) = json.get(key)
            && *found != expected
        {
            return Err(Error::UnsupportedModel(format!("{CONFIG}: {key} is {found}; expected {expected}")));
        }
    }
    let value = |key: &str| json.get(key).ok_or_else(|| Error::Missing(format!("{key} in {CONFIG}")));
    let integer = |key: &str| {
        let value = value(key)?;
        let integer = value.as_u64().and_then(|integer| usize::try_from(integer).ok());
        integer.ok_or_else(|| {
            Error::Malformed(format!("{CONFIG}: {key} is {value}; expected a whole number up to {}", usize::MAX))
        })
    };
    let float = |key: &str| {
        let value = value(key)?;
        let float = value.as_f64().map(|float| float as f32);
        float.ok_or_else(|| Error::Malformed(format!("{CONFIG}: {key} is {value}; expected a number")))
    };
    Ok(Config {
        vocab_size: integer("vocab_size")?,
        hidden_size: integer("hidden_size")?,
        num_hidden_layers: integer("num_hidden_layers")?,
        num_attention_heads: integer("num_attention_heads")?,
        kv_lora_rank: integer("kv_lora_rank")?,
        qk_nope_head_dim: integer("qk_nope_head_dim")?,
        qk_rope_head_dim: integer("qk_rope_head_dim")?,
        v_head_dim: integer("v_head_dim")?,
        intermediate_size: integer("intermediate_size")?,
        rms_norm_eps: float("rms_norm_eps")?,
        rope_theta: float("rope_theta")?,
        max_position_embeddings: integer("max_position_embeddings")?,
    })
}

/// The weights file, or the shards that the index names, each once.
async fn weights(folder: &dyn Folder) -> Result<Vec<Rc<dyn Source>>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }

    if let Some(source) = folder.open(WEIGHTS).await? {
        return Ok(vec![source]);
    }
    let Some(index) = folder.open(INDEX).await? else {
        return Err(missing(folder, &format!("{WEIGHTS} (or {INDEX})")));
    };
    let index: Index = json(&*index).await?;
    let files: BTreeSet<String> = index.weight_map.into_values().collect();
    let mut sources = Vec::new();
    for file in files {
        // Shards lie beside their index; anything else would reach out of the folder.
        if !file.ends_with(".safetensors") || file.contains(['/', '\\', ':']) {
            return Err(Error::Malformed(format!("{INDEX}: {file:?} is no name of a shard")));
        }
        sources.push(folder.open(&file).await?.ok_or_else(|| missing(folder, &file))?);
    }
    Ok(sources)
}

/// The entries of a safetensors header in the file's order, repeated ones too.
struct Entries(Vec<(String, Entry)>);

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        entries.push((name, map.next_value()?));
                    }
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// Appends what one file lists; `index` is its place among the sources.
async fn safetensors(source: &dyn Source, index: usize, listed: &mut Vec<Listed>) -> Result<()> {
    let file = source.name();
    let start = source.read(0, source.size().min(64) as usize).await?;
    let not_a_model =
        || Error::NotAModel(format!("{file}: expected a safetensors file, found {}", check::describe(&start)));
    let Some((length, rest)) = start.split_first_chunk() else {
        return Err(not_a_model());
    };
    let length = u64::from_le_bytes(*length);
    if rest.first().is_some_and(|&byte| byte != b'{') || length > LONGEST_HEADER {
        return Err(not_a_model());
    }
    // Not past the end of a file of 8 bytes or more.
    if length > source.size() - 8 {
        return Err(Error::Truncated(format!(
            "{file}: a header of {length} bytes was expected, but the file has {} bytes",
            source.size()
        )));
    }
    let header = source.read(8, length as usize).await?;
    let Entries(entries) =
        serde_json::from_slice(&header).map_err(|error| Error::Malformed(format!("{file}: header: {error}")))?;
    for (name, entry) in entries {
        let known = TensorName::from_hugging_face(&name);
        let Some(element_type) = ElementType::from_safetensors(&entry.dtype) else {
            if known.is_none() {
                continue;
            }
            return Err(Error::UnsupportedModel(format!(
                "{file}: {name} has dtype {:?}; expected F32, F16 or BF16",
                entry.dtype
            )));
        };
        let (from, to) = entry.data_offsets;
        let place = (8 + length).checked_add(from).zip(to.checked_sub(from));
        let Some((offset, byte_length)) = place else {
            return Err(Error::Malformed(format!("{file}: {name} has data_offsets [{from}, {to}]")));
        };
        let info = TensorInfo { name, element_type, shape: entry.shape, source: index, offset, byte_length };
        listed.push((known, info));
    }
    Ok(())
}

/// The template in `tokenizer_config.json`, or else `chat_template.jinja`.
async fn chat_template(folder: &dyn Folder) -> Result<Option<String>> {
    if let Some(source) = folder.open("tokenizer_config.json").await? {
        let json: Map<String, Value> = json(&*source).await?;
        let template = match json.get("chat_template") {
            // Several templates, each with a name.
            Some(Value::Array(named)) => named
                .iter()
                .find(|entry| entry.get("name").and_then(Value::as_str) == Some("default"))
                .and_then(|entry| entry.get("template")),
            other => other,
        };
        if let Some(template) = template.and_then(Value::as_str) {
            return Ok(Some(template.into()));
        }
    }
    let Some(source) = folder.open("chat_template.jinja").await? else {
        return Ok(None);
    };
    let template = String::from_utf8(whole(&*source).await?);
    template.map(Some).map_err(|_| Error::Malformed(format!("{}: not UTF-8", source.name())))
}
