//! Plume runs PLM language models (multi-head latent attention, squared-ReLU feed-forward) in web pages and Node.
//!
//! The rooms of the house, in the order in which data flows:
//!
//! - [`source`]: where bytes come from: ranges of an http URL, a `File`, a path, or memory.
//! - [`format`]: what the bytes say: GGUF and safetensors headers become a [`format::Checkpoint`].
//! - [`weights`]: from file tensors to a backend's own layout, a few rows at a time.
//! - [`tokenizer`]: text to ids and back, and the chat template.
//! - [`model`]: PLM itself: its configuration and the one forward pass.
//! - [`backend`]: the operations that the forward pass needs, as one trait; `gpu` and `cpu` are the product, `reference`
//!   the oracle.
//! - [`engine`]: requests, replies in the making, stopping, and the generation loop.
//! - `web`: the surface that JavaScript sees (wasm only).
//!
//! `src/grammar` is a crate of its own, for a WebAssembly module of its own: what constrains a reply to a schema.

pub mod backend;
pub mod byte_strings;
pub mod engine;
pub mod error;
pub mod format;
pub mod model;
pub mod source;
pub mod tokenizer;
#[cfg(target_arch = "wasm32")]
pub mod web;
pub mod weights;

pub use error::{Error, Result};
