//! From a conversation to the tokens of a prompt.

use super::{Message, Request};
use crate::{
    Error, Result,
    tokenizer::{ChatTemplate, Tokenizer},
};

/// Renders and tokenises conversations for one model.
pub(super) struct Prompts {
    pub tokenizer: Tokenizer,
    pub template: ChatTemplate,
    pub vocab_size: usize,
    /// Tokens that a prompt and its reply may have together.
    pub context_length: usize,
}

impl Prompts {
    /// The prompt of a request: at least one token, and fewer than the context holds.
    ///
    /// # Errors
    /// `InvalidRequest`, `Template`, `Tokenizer`, or `ContextFull` where it leaves no room for a single token.
    pub fn of(&mut self, request: &Request) -> Result<Vec<u32>> {
        let prompt = match (&request.prompt, &request.prompt_tokens) {
            (Some(text), _) => {
                self.check_length(text)?;
                self.tokenizer.encode(text)
            }
            (_, Some(tokens)) => {
                if let Some(id) = tokens.iter().find(|id| **id as usize >= self.vocab_size) {
                    let message = format!("prompt has token {id}; the model knows {} tokens", self.vocab_size);
                    return Err(Error::InvalidRequest(message));
                }
                tokens.clone()
            }
            _ => return self.tokens(&request.messages),
        };
        if prompt.is_empty() {
            return Err(Error::InvalidRequest("prompt is empty; expected at least one token".to_owned()));
        }
        self.check(prompt)
    }

    /// The prompt that asks for a reply to these messages, with the same promises.
    ///
    /// # Errors
    /// As [`Prompts::of`].
    pub fn tokens(&mut self, messages: &[Message]) -> Result<Vec<u32>> {
        let guarded: Vec<_> = messages
            .iter()
            .map(|message| Message { content: self.tokenizer.guard(&message.content).into_owned(), ..message.clone() })
            .collect();
        let text = self.template.render(&guarded, true)?;
        self.check_length(&text)?;
        let prompt = self.tokenizer.encode(&text);
        if prompt.is_empty() {
            return Err(Error::Template("it rendered the messages to nothing".to_owned()));
        }
        self.check(prompt)
    }

    /// A text that cannot fit need not be encoded to know it. Normalising may shorten text, to no less than a third.
    fn check_length(&self, text: &str) -> Result<()> {
        let least = text.len() / 3 / self.tokenizer.longest_token().max(1);
        if least >= self.context_length {
            return Err(self.too_long(&format!("more than {least}")));
        }
        Ok(())
    }

    fn check(&self, prompt: Vec<u32>) -> Result<Vec<u32>> {
        if let Some(id) = prompt.iter().find(|id| **id as usize >= self.vocab_size) {
            let known = self.vocab_size;
            return Err(Error::Tokenizer(format!("it gave token {id}, but the model knows {known} tokens")));
        }
        if prompt.len() >= self.context_length {
            return Err(self.too_long(&prompt.len().to_string()));
        }
        Ok(prompt)
    }

    fn too_long(&self, tokens: &str) -> Error {
        Error::ContextFull(format!(
            "the conversation takes {tokens} tokens and the context holds {}; drop its oldest messages",
            self.context_length
        ))
    }
}
