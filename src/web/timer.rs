//! Waiting, in a page, a worker or Node.

use crate::{Error, Result};
use js_sys::{Array, Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortSignal;

/// How often a wait looks whether the caller has aborted, in milliseconds.
const GLANCE: f64 = 100.0;

/// What a promise settles to, or `None` where it has not after so many milliseconds.
pub(super) async fn within(promise: &Promise, milliseconds: f64) -> Option<std::result::Result<JsValue, JsValue>> {
    // Where this thread or the whole machine stood still, the timer is late, and so may be what has settled long before.
    for milliseconds in [milliseconds, GLANCE] {
        let (timer, id) = timer(milliseconds);
        let settled = JsFuture::from(Promise::race(&Array::of2(promise, &timer))).await;
        if let Some(clear) = global("clearTimeout") {
            let _ = clear.call1(&JsValue::UNDEFINED, &id);
        }
        // Nothing that is waited for settles to undefined, as the timer does.
        if !settled.as_ref().is_ok_and(JsValue::is_undefined) {
            return Some(settled);
        }
    }
    None
}

/// Waits so many milliseconds.
///
/// # Errors
/// [`Error::Aborted`] as soon as the caller aborts.
pub(super) async fn pause(milliseconds: f64, signal: Option<&AbortSignal>) -> Result<()> {
    let mut left = milliseconds;
    while left > 0.0 {
        if signal.is_some_and(AbortSignal::aborted) {
            return Err(Error::Aborted);
        }
        let _ = JsFuture::from(timer(left.min(GLANCE)).0).await;
        left -= GLANCE;
    }
    Ok(())
}

/// A promise of undefined after so many milliseconds, and the timer's id. At once where there are no timers.
fn timer(milliseconds: f64) -> (Promise, JsValue) {
    let mut id = JsValue::UNDEFINED;
    let promise = Promise::new(&mut |resolve, _| match global("setTimeout") {
        Some(set) => id = set.call2(&JsValue::UNDEFINED, &resolve, &milliseconds.into()).unwrap_or_default(),
        None => drop(resolve.call0(&JsValue::UNDEFINED)),
    });
    (promise, id)
}

/// A function that pages, workers and Node all have, on global objects of different types.
pub(super) fn global(name: &str) -> Option<Function> {
    Reflect::get(&js_sys::global(), &name.into()).ok().and_then(|function| function.dyn_into().ok())
}
