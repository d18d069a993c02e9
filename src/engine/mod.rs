//! Sessions, sampling, stopping and the generation loop.

mod generation;
mod request;
mod sampling;

pub use generation::{Engine, FinishReason, Generation, LoadOptions, Step, Usage};
pub use request::{Message, Request};
pub use sampling::Sampling;
