//! What the readers of GGUF and safetensors make of good, damaged and hostile files.

use plume::{
    Error, Result,
    format::{Checkpoint, LayerTensor, TensorName, Vocabulary},
    source::{Directory, FileSource, MemoryFolder, MemorySource},
    weights::ElementType,
};
use proptest::prelude::*;
use std::{collections::HashMap, path::PathBuf, rc::Rc};

fn path(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(relative)
}

fn open_gguf(bytes: Vec<u8>) -> Result<Checkpoint> {
    pollster::block_on(Checkpoint::open_gguf(Rc::new(MemorySource::new("test.gguf", bytes))))
}

fn open_folder(files: &HashMap<String, Vec<u8>>) -> Result<Checkpoint> {
    let mut folder = MemoryFolder::default();
    for (name, bytes) in files {
        folder.insert(name, Rc::new(MemorySource::new(name, bytes.clone())));
    }
    pollster::block_on(Checkpoint::open_folder(&folder))
}

fn error(result: Result<Checkpoint>) -> Error {
    result.err().expect("an error")
}

/// odd/narrow as its files.
fn narrow() -> HashMap<String, Vec<u8>> {
    let file = |name: &str| (name.to_string(), std::fs::read(path("tests/data/odd/narrow").join(name)).unwrap());
    ["config.json", "model.safetensors"].map(file).into()
}

/// The entries of a safetensors file and its data.
fn parse(bytes: &[u8]) -> (serde_json::Map<String, serde_json::Value>, &[u8]) {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&bytes[8..8 + length]).unwrap(), &bytes[8 + length..])
}

fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

/// A small PLM as GGUF, written field by field so that tests can write lies.
struct Gguf {
    version: u32,
    tensor_count: Option<u64>,
    metadata_count: Option<u64>,
    metadata: Vec<(String, u32, Vec<u8>)>,
    /// Name, dimensions (innermost first), ggml type, offset.
    tensors: Vec<(String, Vec<u64>, u32, u64)>,
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

fn array(element: u32, count: u64, elements: &[u8]) -> Vec<u8> {
    [&element.to_le_bytes()[..], &count.to_le_bytes(), elements].concat()
}

impl Gguf {
    fn new() -> Self {
        let mut file = Self { version: 3, tensor_count: None, metadata_count: None, metadata: vec![], tensors: vec![] };
        file.metadata.push(("general.architecture".into(), 8, text("plm")));
        for (key, value) in [
            ("block_count", 1u32),
            ("context_length", 16),
            ("embedding_length", 8),
            ("feed_forward_length", 12),
            ("attention.head_count", 2),
            ("attention.kv_lora_rank", 4),
            ("attention.key_length", 6),
            ("attention.value_length", 4),
            ("rope.dimension_count", 2),
        ] {
            file.metadata.push((format!("plm.{key}"), 4, value.to_le_bytes().into()));
        }
        for (key, value) in [("rope.freq_base", 1e5f32), ("attention.layer_norm_rms_epsilon", 1e-6)] {
            file.metadata.push((format!("plm.{key}"), 6, value.to_le_bytes().into()));
        }
        file.metadata.push(("tokenizer.ggml.model".into(), 8, text("gpt2")));
        file.metadata.push(("tokenizer.ggml.pre".into(), 8, text("qwen2")));
        let tokens = [text("a"), text("b"), text("ab")].concat();
        file.metadata.push(("tokenizer.ggml.tokens".into(), 9, array(8, 3, &tokens)));
        file.metadata.push(("tokenizer.ggml.merges".into(), 9, array(8, 1, &text("a b"))));
        let nested = [array(0, 2, &[1, 2]), array(8, 1, &text("x"))].concat();
        file.metadata.push(("other.nested".into(), 9, array(9, 2, &nested)));
        let mut offset = 0;
        for (name, dimensions) in [
            ("token_embd", vec![8, 5]),
            ("output_norm", vec![8]),
            ("blk.0.attn_norm", vec![8]),
            ("blk.0.attn_q", vec![8, 12]),
            ("blk.0.attn_kv_a_mqa", vec![8, 6]),
            ("blk.0.attn_kv_a_norm", vec![4]),
            ("blk.0.attn_kv_b", vec![4, 16]),
            ("blk.0.attn_output", vec![8, 8]),
            ("blk.0.ffn_norm", vec![8]),
            ("blk.0.ffn_up", vec![8, 12]),
            ("blk.0.ffn_down", vec![12, 8]),
        ] {
            let bytes = dimensions.iter().product::<u64>() * 2;
            file.tensors.push((format!("{name}.weight"), dimensions, 1, offset));
            offset += bytes.next_multiple_of(32);
        }
        file
    }

    fn header(&self) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.tensor_count.unwrap_or(self.tensors.len() as u64).to_le_bytes());
        bytes.extend(self.metadata_count.unwrap_or(self.metadata.len() as u64).to_le_bytes());
        for (key, value_type, value) in &self.metadata {
            bytes.extend([&text(key)[..], &value_type.to_le_bytes(), value].concat());
        }
        for (name, dimensions, element_type, offset) in &self.tensors {
            bytes.extend(text(name));
            bytes.extend((dimensions.len() as u32).to_le_bytes());
            bytes.extend(dimensions.iter().flat_map(|length| length.to_le_bytes()));
            bytes.extend(element_type.to_le_bytes());
            bytes.extend(offset.to_le_bytes());
        }
        bytes
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.header();
        bytes.resize(bytes.len().next_multiple_of(32) + 2048, 0);
        bytes
    }
}

#[test]
fn a_folder_and_its_ggufs_describe_the_same_model() {
    let folder = Directory::new(path("www/models/plm-tiny"));
    let expected = pollster::block_on(Checkpoint::open_folder(&folder)).unwrap();
    assert_eq!(expected.tensors.len(), 2 + 4 * 9);
    assert!(matches!(expected.vocabulary, Vocabulary::TokenizerJson(_)));
    for (kind, element_type) in [("F16", ElementType::F16), ("Q8_0", ElementType::Q8_0), ("Q4_0", ElementType::Q4_0)] {
        let source = FileSource::open(path(&format!("tests/data/plm-tiny-{kind}.gguf"))).unwrap();
        let found = pollster::block_on(Checkpoint::open_gguf(Rc::new(source))).unwrap();
        assert_eq!(found.config, expected.config);
        assert_eq!(found.chat_template, expected.chat_template);
        assert_eq!(found.tensors.len(), expected.tensors.len());
        for (name, info) in &expected.tensors {
            assert_eq!(found.tensors[name].shape, info.shape, "{name}");
        }
        assert_eq!(found.tensors[&TensorName::Layer(3, LayerTensor::DownProj)].element_type, element_type);
        let Vocabulary::Gguf(vocabulary) = &found.vocabulary else { panic!("no vocabulary") };
        assert_eq!((vocabulary.pre.as_str(), vocabulary.tokens.len()), ("qwen2", 2048));
        assert_eq!((vocabulary.token_types.len(), vocabulary.eos_token_id), (2048, Some(2045)));
    }
}

#[test]
fn gguf_offsets_point_at_the_values() {
    let source = FileSource::open(path("tests/data/plm-tiny-F16.gguf")).unwrap();
    let gguf = pollster::block_on(Checkpoint::open_gguf(Rc::new(source))).unwrap();
    let folder = Directory::new(path("www/models/plm-tiny"));
    let folder = pollster::block_on(Checkpoint::open_folder(&folder)).unwrap();
    let values = |checkpoint: &Checkpoint, name: TensorName| {
        let info = &checkpoint.tensors[&name];
        let read = checkpoint.sources[info.source].read(info.offset, info.byte_length as usize);
        let mut out = vec![0.0; info.shape.iter().product()];
        info.element_type.decode(&pollster::block_on(read).unwrap(), &mut out).unwrap();
        out
    };
    for &name in folder.tensors.keys() {
        for (found, expected) in values(&gguf, name).into_iter().zip(values(&folder, name)) {
            assert!((found - expected).abs() <= expected.abs() * 1e-3 + 1e-7, "{name}: {found} {expected}");
        }
    }
}

#[test]
fn shards_are_put_together() {
    let mut files = narrow();
    let (entries, data) = parse(&files["model.safetensors"]);
    let (mut shards, mut map) = ([serde_json::Map::new(), serde_json::Map::new()], serde_json::Map::new());
    let names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    for (i, (name, entry)) in entries.into_iter().filter(|(name, _)| name != "__metadata__").enumerate() {
        map.insert(name.clone(), names[i % 2].into());
        shards[i % 2].insert(name, entry);
    }
    let data = data.to_vec();
    for (name, shard) in names.iter().zip(&shards) {
        files.insert(name.to_string(), safetensors(&serde_json::to_string(shard).unwrap(), &data));
    }
    files.remove("model.safetensors");
    assert_eq!(error(open_folder(&files)).code(), "missing");
    let index = |map: &serde_json::Map<_, _>| serde_json::json!({ "weight_map": map }).to_string().into_bytes();
    files.insert("model.safetensors.index.json".into(), index(&map));
    let found = open_folder(&files).unwrap();
    assert_eq!((found.sources.len(), found.tensors.len()), (2, 2 + 3 * 9));

    let gone = files.remove(names[1]).unwrap();
    assert!(matches!(error(open_folder(&files)), Error::Missing(message) if message.contains(names[1])));
    // The same tensors in both shards.
    files.insert(names[1].into(), files[names[0]].clone());
    assert!(matches!(error(open_folder(&files)), Error::Malformed(message) if message.contains("twice")));
    files.insert(names[1].into(), gone);
    map.insert("model.norm.weight".into(), "../secret.safetensors".into());
    files.insert("model.safetensors.index.json".into(), index(&map));
    assert_eq!(error(open_folder(&files)).code(), "malformed");
}

#[test]
fn a_folder_says_what_it_lacks_or_cannot_be() {
    let change = |key: &str, value: serde_json::Value| {
        let mut files = narrow();
        let mut config: serde_json::Map<_, _> = serde_json::from_slice(&files["config.json"]).unwrap();
        config.insert(key.into(), value);
        files.insert("config.json".into(), serde_json::to_vec(&config).unwrap());
        error(open_folder(&files))
    };
    for (key, value) in [
        ("model_type", "llama".into()),
        ("architectures", vec!["LlamaForCausalLM"].into()),
        ("hidden_act", "silu".into()),
        ("q_lora_rank", 8.into()),
        ("rope_scaling", serde_json::json!({ "type": "yarn" })),
        ("tie_word_embeddings", false.into()),
        ("attention_bias", true.into()),
        ("vocab_size", 0.into()),
        ("num_hidden_layers", (1u64 << 60).into()),
    ] {
        let error = change(key, value);
        assert!(matches!(&error, Error::UnsupportedModel(message) if message.contains(key)), "{key}: {error}");
    }
    assert_eq!(change("hidden_size", "many".into()).code(), "malformed");
    assert_eq!(change("hidden_size", 35.into()).code(), "malformed");
    assert_eq!(change("num_hidden_layers", 4.into()).code(), "missing");
    for file in ["config.json", "model.safetensors"] {
        let mut files = narrow();
        files.insert(file.into(), b"<!DOCTYPE html><html><body>Not found</body></html>".into());
        let error = error(open_folder(&files));
        assert!(matches!(&error, Error::NotAModel(message) if message.contains("HTML")), "{error}");
        files.remove(file);
        assert!(matches!(self::error(open_folder(&files)), Error::Missing(message) if message.contains(file)));
    }
}

#[test]
fn chat_templates_are_found_in_every_place() {
    let mut files = narrow();
    assert_eq!(open_folder(&files).unwrap().chat_template, None);
    files.insert("chat_template.jinja".into(), b"from jinja".into());
    assert_eq!(open_folder(&files).unwrap().chat_template.as_deref(), Some("from jinja"));
    let named =
        br#"{"chat_template": [{"name": "tool_use", "template": "no"}, {"name": "default", "template": "yes"}]}"#;
    files.insert("tokenizer_config.json".into(), named.into());
    assert_eq!(open_folder(&files).unwrap().chat_template.as_deref(), Some("yes"));
}

#[test]
fn a_lying_safetensors_header_is_an_error() {
    let files = narrow();
    let (entries, data) = parse(&files["model.safetensors"]);
    let code = |name: &str, offsets: [u64; 2]| {
        let (mut files, mut entries) = (files.clone(), entries.clone());
        entries[name]["data_offsets"] = offsets.to_vec().into();
        files.insert("model.safetensors".into(), safetensors(&serde_json::to_string(&entries).unwrap(), data));
        error(open_folder(&files)).code()
    };
    // Each norm is 36 bf16 values.
    let norm = "model.norm.weight";
    assert_eq!(code(norm, [1 << 60, (1 << 60) + 72]), "truncated");
    assert_eq!(code(norm, [u64::MAX - 72, u64::MAX]), "malformed");
    assert_eq!(code(norm, [72, 0]), "malformed");
    assert_eq!(code(norm, [0, 0]), "malformed");
    let up = entries["model.embed_tokens.weight"]["data_offsets"][0].as_u64().unwrap();
    assert_eq!(code(norm, [up, up + 72]), "malformed");
    for length in [1u64 << 60, 99_000_000] {
        let mut files = files.clone();
        files.get_mut("model.safetensors").unwrap()[..8].copy_from_slice(&length.to_le_bytes());
        assert!(["not_a_model", "truncated"].contains(&error(open_folder(&files)).code()));
    }
}

#[test]
fn a_small_gguf_opens() {
    let found = open_gguf(Gguf::new().bytes()).unwrap();
    assert_eq!((found.config.vocab_size, found.config.qk_nope_head_dim, found.tensors.len()), (5, 4, 11));
    let mut none = Gguf::new();
    none.version = 2;
    none.metadata.retain(|(key, ..)| !key.starts_with("tokenizer."));
    none.metadata.push(("tokenizer.ggml.model".into(), 8, text("none")));
    assert!(matches!(open_gguf(none.bytes()).unwrap().vocabulary, Vocabulary::None));
}

#[test]
fn what_is_no_gguf_is_named() {
    for (bytes, expected) in [
        (&b"<!doctype html><title>404</title>"[..], "HTML"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        (b"PK\x03\x04", "ZIP"),
        (b"", "empty"),
        (&safetensors("{}", &[]), "safetensors"),
    ] {
        let error = error(open_gguf(bytes.to_vec()));
        assert!(matches!(&error, Error::NotAModel(message) if message.contains(expected)), "{error}");
    }
}

#[test]
fn a_gguf_that_lies_is_an_error() {
    let code = |change: &dyn Fn(&mut Gguf)| {
        let mut file = Gguf::new();
        change(&mut file);
        error(open_gguf(file.bytes())).code()
    };
    const HUGE: u64 = 1 << 60;
    assert_eq!(code(&|f| f.version = 3u32.swap_bytes()), "unsupported_model");
    assert_eq!(code(&|f| f.version = 1), "unsupported_model");
    assert_eq!(code(&|f| f.metadata[0].2 = text("llama")), "unsupported_model");
    assert_eq!(code(&|f| f.tensor_count = Some(HUGE)), "malformed");
    assert_eq!(code(&|f| f.metadata_count = Some(HUGE)), "malformed");
    assert_eq!(code(&|f| f.metadata.push(("tokenizer.x".into(), 9, array(8, HUGE, &[])))), "truncated");
    assert_eq!(code(&|f| f.metadata.push(("other.x".into(), 9, array(9, HUGE, &[])))), "truncated");
    assert_eq!(code(&|f| f.metadata.push(("other.x".into(), 8, HUGE.to_le_bytes().into()))), "truncated");
    assert_eq!(code(&|f| f.metadata.push(("other.x".into(), 99, vec![]))), "malformed");
    assert_eq!(code(&|f| f.metadata.push(("plm.block_count".into(), 4, vec![1, 0, 0, 0]))), "malformed");
    let deep =
        (0..100_000).fold(array(0, 0, &[]), |inner, _| if inner.len() > 4000 { inner } else { array(9, 1, &inner) });
    assert_eq!(code(&|f| f.metadata.push(("other.x".into(), 9, deep.clone()))), "malformed");
    assert_eq!(code(&|f| f.metadata.push(("general.alignment".into(), 4, vec![0; 4]))), "malformed");
    // Tensors: overlapping, out of the file, twice, unaligned, of an unknown type, too large, missing, misshapen.
    assert_eq!(code(&|f| f.tensors[3].3 = f.tensors[4].3), "malformed");
    assert_eq!(code(&|f| f.tensors[3].3 = HUGE), "truncated");
    assert_eq!(code(&|f| f.tensors[3].3 = u64::MAX - 31), "malformed");
    assert_eq!(code(&|f| f.tensors[3].0 = f.tensors[4].0.clone()), "malformed");
    assert_eq!(code(&|f| f.tensors[3].3 += 2), "malformed");
    assert_eq!(code(&|f| f.tensors[3].2 = 77), "unsupported_model");
    assert_eq!(code(&|f| f.tensors[3].2 = 2), "malformed");
    assert_eq!(code(&|f| f.tensors[3].1 = vec![HUGE, HUGE]), "malformed");
    assert_eq!(code(&|f| f.tensors[3].1 = vec![12, 8]), "malformed");
    assert_eq!(code(&|f| drop(f.tensors.remove(3))), "missing");
    assert_eq!(code(&|f| f.tensors[3].0 = "output.weight".into()), "unsupported_model");
}

#[test]
fn a_gguf_cut_anywhere_is_an_error() {
    let (header, bytes) = (Gguf::new().header().len(), Gguf::new().bytes());
    for length in 0..=header {
        let code = error(open_gguf(bytes[..length].to_vec())).code();
        assert!(code == "truncated" || (length == 0 && code == "not_a_model"), "{length}: {code}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the outcome, it is a result.
    #[test]
    fn damaged_ggufs_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let header = Gguf::new().header().len();
        let mut bytes = Gguf::new().bytes();
        for (index, value) in changes {
            bytes[index.index(header)] = value;
        }
        let _ = open_gguf(bytes);
    }

    #[test]
    fn damaged_folders_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<Option<prop::sample::Index>>(),
        which in prop::sample::select(vec!["config.json", "model.safetensors"]),
    ) {
        let mut files = narrow();
        let bytes = files.get_mut(which).unwrap();
        for (index, value) in changes {
            let most = bytes.len().min(3000);
            bytes[index.index(most)] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = open_folder(&files);
    }
}
