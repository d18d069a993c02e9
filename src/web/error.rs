//! Errors across the boundary, both ways.

use crate::Error;
use js_sys::Reflect;
use wasm_bindgen::{JsCast, JsValue};

/// A JavaScript `Error` with `name` and a stable `code`; an abort is named as the platform names it.
pub(super) fn to_js(error: &Error) -> JsValue {
    let thrown = js_sys::Error::new(&error.to_string());
    thrown.set_name(if *error == Error::Aborted { "AbortError" } else { "PlumeError" });
    // Setting a property on a plain, new object cannot fail.
    let _ = Reflect::set(&thrown, &"code".into(), &error.code().into());
    thrown.into()
}

/// As [`text`], with what caused it: Node's fetch says no more than "fetch failed" itself.
pub(super) fn with_cause(thrown: &JsValue) -> String {
    let cause = Reflect::get(thrown, &"cause".into()).ok().filter(JsValue::is_object);
    cause.map_or_else(|| text(thrown), |cause| format!("{} ({})", text(thrown), text(&cause)))
}

/// What a rejected promise or a thrown value says.
pub(super) fn text(thrown: &JsValue) -> String {
    match thrown.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => thrown.as_string().unwrap_or_else(|| format!("{thrown:?}")),
    }
}
