//! Every kernel of the backends against the plain reference backend, on random inputs.

#[cfg(feature = "gpu")]
#[path = "../adapter/mod.rs"]
mod adapter;
mod cases;
mod cpu;
#[cfg(feature = "gpu")]
mod gpu;
