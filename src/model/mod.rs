//! PLM itself: its configuration, its weights, and one forward pass that every backend runs.

mod config;
mod forward;

pub use config::Config;
pub(crate) use forward::run_layer;
pub use forward::{LayerWeights, Weights, forward, forward_all};
