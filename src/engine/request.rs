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
}

impl Default for Request {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
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
        if self.messages.is_empty() {
            return invalid("messages is empty; expected at least one message".to_owned());
        }
        check_roles(&self.messages)?;
        if self.max_tokens == Some(0) {
            return invalid("max_tokens is 0; expected at least 1".to_owned());
        }
        if self.stop.iter().any(String::is_empty) {
            return invalid("stop has an empty string, which would end every reply at once".to_owned());
        }
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
