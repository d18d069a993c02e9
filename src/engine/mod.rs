//! Requests, replies in the making, stopping and the generation loop.

mod activity;
mod constraint;
mod generation;
mod head_start;
mod loading;
mod logprobs;
mod prompt;
mod rehearsal;
mod request;
mod session;
mod slots;
#[cfg(test)]
mod tests;

pub use activity::Activity;
pub use constraint::Constraint;
pub use generation::{Engine, FinishReason, Generation, Step, Usage};
pub use loading::LoadOptions;
pub use logprobs::{TokenLogprob, TopLogprob};
pub use request::{Message, Request};
