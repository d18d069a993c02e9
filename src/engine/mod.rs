//! Requests, replies in the making, stopping and the generation loop.

mod constraint;
mod generation;
mod head_start;
mod logprobs;
mod prompt;
mod rehearsal;
mod request;
mod session;
mod slots;
#[cfg(test)]
mod tests;

pub use constraint::Constraint;
pub use generation::{Engine, FinishReason, Generation, LoadOptions, Step, Usage};
pub use logprobs::{TokenLogprob, TopLogprob};
pub use request::{Message, Request};
