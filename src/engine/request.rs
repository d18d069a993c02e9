//! What a caller asks for.

use crate::{Error, Result, backend::Sampling};
use serde::{Deserialize, Serialize};

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    pub role: String,
    pub content: String,
}

/// One request for a reply, in the field names of OpenAI's chat completions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Request {
    pub messages: Vec<Message>,
    /// The session whose cache is used; without one, the cache that all such requests share.
    pub session: usize,
    /// In place of messages: a text that the reply goes on with. The texts of special tokens are those tokens in it.
    pub prompt: Option<String>,
    /// In place of messages: the tokens that the reply goes on with, at least one.
    pub prompt_tokens: Option<Vec<u32>>,
    /// Ends the reply after so many tokens; without it the context's end does.
    pub max_tokens: Option<usize>,
    /// 0 is greedy.
    pub temperature: f32,
    /// Keeps the k likeliest tokens; 0 keeps all.
    pub top_k: usize,
    /// Of those, keeps the likeliest whose probabilities reach this sum; 1 keeps all.
    pub top_p: f32,
    /// Drops tokens less likely than this fraction of the likeliest; 0 keeps all.
    pub min_p: f32,
    /// Divides positive logits (multiplies negative ones) of tokens that occurred in the prompt or the reply; 1 is off.
    pub repetition_penalty: f32,
    /// Taken off a token's logit for each time that it is in the reply already; 0 is off.
    pub frequency_penalty: f32,
    /// Taken off the logits of tokens that are in the reply already; 0 is off.
    pub presence_penalty: f32,
    /// The same seed gives the same text; without one, 0 is used.
    pub seed: Option<u64>,
    /// The reply ends before any of these strings.
    pub stop: Vec<String>,
    /// What is added to tokens' logits ahead of everything else, from -100 to 100.
    pub logit_bias: Vec<(u32, f32)>,
    /// How many of the likeliest tokens are told with each token of the reply and its own probability, at most 20; without a
    /// number, nothing is.
    pub top_logprobs: Option<usize>,
}

/// The most that [`Request::top_logprobs`] may be.
const MOST_LOGPROBS: usize = 20;

pub(super) fn check_logprobs(count: usize) -> Result<()> {
    if count <= MOST_LOGPROBS {
        return Ok(());
    }
    Err(Error::InvalidRequest(format!("top_logprobs is {count}; expected 0 to {MOST_LOGPROBS}")))
}

impl Default for Request {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            session: 0,
            prompt: None,
            prompt_tokens: None,
            max_tokens: None,
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            seed: None,
            stop: Vec::new(),
            logit_bias: Vec::new(),
            top_logprobs: None,
        }
    }
}

/// Checks who speaks.
///
/// # Errors
/// [`Error::InvalidRequest`] naming the message.
pub(super) fn check_roles(messages: &[Message]) -> Result<()> {
    let unknown = |message: &Message| !matches!(message.role.as_str(), "system" | "user" | "assistant");
    match messages.iter().enumerate().find(|(_, message)| unknown(message)) {
        Some((index, Message { role, .. })) => Err(Error::InvalidRequest(format!(
            "messages[{index}].role is {role:?}; expected system, user or assistant"
        ))),
        None => Ok(()),
    }
}

impl Request {
    /// Checks every field's range.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] naming the field, its value and its bounds.
    pub fn validate(&self) -> Result<()> {
        let invalid = |text: String| Err(Error::InvalidRequest(text));
        match [!self.messages.is_empty(), self.prompt.is_some(), self.prompt_tokens.is_some()] {
            [false, false, false] => return invalid("messages is empty; expected at least one message".to_owned()),
            [true, false, false] | [false, true, false] | [false, false, true] => (),
            _ => return invalid("there is more than one of messages, prompt and prompt_tokens".to_owned()),
        }
        check_roles(&self.messages)?;
        if self.max_tokens == Some(0) {
            return invalid("max_tokens is 0; expected at least 1".to_owned());
        }
        if self.stop.iter().any(String::is_empty) {
            return invalid("stop has an empty string, which would end every reply at once".to_owned());
        }
        if let Some((token, bias)) = self.logit_bias.iter().find(|(_, bias)| !(-100.0..=100.0).contains(bias)) {
            return invalid(format!("logit_bias of token {token} is {bias}; expected -100 to 100"));
        }
        check_logprobs(self.top_logprobs.unwrap_or(0))?;
        let ranges = [
            ("temperature", self.temperature, 0.0, 100.0),
            ("top_p", self.top_p, 0.000_001, 1.0),
            ("min_p", self.min_p, 0.0, 1.0),
            ("repetition_penalty", self.repetition_penalty, 0.01, 100.0),
            ("frequency_penalty", self.frequency_penalty, -2.0, 2.0),
            ("presence_penalty", self.presence_penalty, -2.0, 2.0),
        ];
        for (name, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return invalid(format!("{name} is {value}; expected {least} to {most}"));
            }
        }
        Ok(())
    }

    pub(super) fn sampling(&self) -> Sampling {
        Sampling {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            frequency_penalty: self.frequency_penalty,
            presence_penalty: self.presence_penalty,
        }
    }
}
