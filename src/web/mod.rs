//! The surface that JavaScript sees: the only room that names a JavaScript type. The TypeScript of the npm package wraps
//! it; nothing here is meant to be called by hand.

mod blob;
mod connection;
mod constraint;
mod engine;
mod error;
mod host;
mod http;
mod open;
mod remote;
mod store;
#[cfg(feature = "cpu")]
mod threads;
mod timer;

use wasm_bindgen::prelude::wasm_bindgen;

/// Runs when the module is instantiated: a panic is a bug, and is shown as one.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}
