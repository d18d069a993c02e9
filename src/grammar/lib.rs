//! Schemas and grammars that replies are to keep to, by llguidance. This is a crate and a WebAssembly module of its own, which is
//! loaded only where it is asked for: the model's module gives it the tokens, and asks it which of them may come next.

use llguidance::{
    Matcher, ParserFactory,
    api::TopLevelGrammar,
    toktrie::{ApproximateTokEnv, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie},
};
use std::sync::Arc;
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

type JsResult<T> = std::result::Result<T, JsValue>;

/// A model's tokens.
#[wasm_bindgen]
pub struct GrammarTokens {
    factory: ParserFactory,
    vocab_size: usize,
}

/// What one reply keeps to, and how far it has come.
#[wasm_bindgen]
pub struct Grammar {
    matcher: Matcher,
    vocab_size: usize,
}

/// Runs when the module is instantiated: a panic is a bug, and is shown as one.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}

fn invalid(error: impl std::fmt::Display) -> JsValue {
    js_sys::Error::new(&error.to_string()).into()
}

#[wasm_bindgen]
impl GrammarTokens {
    /// From what `PlumeEngine.vocabulary` gives, and the token that ends a reply.
    #[wasm_bindgen(constructor)]
    pub fn new(vocabulary: &[u8], stop: u32) -> JsResult<Self> {
        let mut words = Vec::new();
        let mut rest = vocabulary;
        while let Some((head, after)) = rest.split_first_chunk() {
            let head = u32::from_le_bytes(*head);
            let Some((bytes, after)) = after.split_at_checked((head & !CONTROL) as usize) else {
                return Err(invalid("the vocabulary is cut"));
            };
            let marker = (head & CONTROL != 0).then_some(TokTrie::SPECIAL_TOKEN_MARKER);
            words.push(marker.into_iter().chain(bytes.iter().copied()).collect::<Vec<u8>>());
            rest = after;
        }
        let vocab_size = words.len();
        let trie = TokTrie::from(&TokRxInfo::new(vocab_size as u32, stop), &words);
        let environment: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory = ParserFactory::new(&environment, InferenceCapabilities::default(), &[]).map_err(invalid)?;
        factory.quiet();
        // What was written so far is no part of a message.
        factory.limits_mut().verbose_errors = false;
        Ok(Self { factory, vocab_size })
    }

    /// What keeps to a JSON schema, given as JSON.
    pub fn schema(&self, schema: &str) -> JsResult<Grammar> {
        self.grammar(TopLevelGrammar::from_json_schema(serde_json::from_str(schema).map_err(invalid)?))
    }

    /// What keeps to a grammar in Lark's notation, as llguidance reads it.
    pub fn lark(&self, grammar: &str) -> JsResult<Grammar> {
        self.grammar(TopLevelGrammar::from_lark(grammar.to_owned()))
    }

    fn grammar(&self, grammar: TopLevelGrammar) -> JsResult<Grammar> {
        let parser = self.factory.create_parser(grammar).map_err(invalid)?;
        Ok(Grammar { matcher: Matcher::new(Ok(parser)), vocab_size: self.vocab_size })
    }
}

/// The bit of a token's head that says that it is a control token.
const CONTROL: u32 = 1 << 31;

#[wasm_bindgen]
impl Grammar {
    /// The tokens that may come next, as `Constraint::allowed`.
    pub fn allowed(&mut self) -> JsResult<Vec<u32>> {
        let allowed = self.matcher.compute_mask().map_err(invalid)?;
        Ok(allowed.as_slice()[..self.vocab_size.div_ceil(32)].to_vec())
    }

    /// As `Constraint::accept`.
    pub fn accept(&mut self, token: u32) -> JsResult<bool> {
        self.matcher.consume_token(token).map_err(invalid)?;
        Ok(self.matcher.is_stopped())
    }
}
