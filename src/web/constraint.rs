//! A constraint that JavaScript keeps.

use super::error::text;
use crate::{Error, Result, engine::Constraint};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

#[wasm_bindgen]
extern "C" {
    /// An object with the methods of [`Constraint`].
    pub type JsConstraint;
    #[wasm_bindgen(method, catch)]
    fn allowed(this: &JsConstraint) -> std::result::Result<Vec<u32>, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn accept(this: &JsConstraint, token: u32) -> std::result::Result<bool, JsValue>;
}

fn failed(thrown: JsValue) -> Error {
    let message = text(&thrown);
    Error::InvalidRequest(message.strip_prefix("invalid request: ").unwrap_or(&message).to_owned())
}

impl Constraint for JsConstraint {
    fn allowed(&mut self) -> Result<Vec<u32>> {
        JsConstraint::allowed(self).map_err(failed)
    }

    fn accept(&mut self, id: u32) -> Result<bool> {
        JsConstraint::accept(self, id).map_err(failed)
    }
}
