//! Who a load tells how far it has come: `LoadHost` of pkg-templates/src/runtime.ts.

use crate::{Error, weights::LoadProgress};
use js_sys::{Date, Promise};
use std::{cell::Cell, rc::Rc};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};

/// Milliseconds without a byte after which a request that is made again is worth telling.
pub(super) const SILENCE: f64 = 1000.0;

#[wasm_bindgen]
extern "C" {
    #[derive(Clone)]
    pub type LoadHost;
    #[wasm_bindgen(method, catch)]
    fn progress(this: &LoadHost, loaded: f64, total: f64, fetched: f64) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn retrying(this: &LoadHost, why: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn paused(this: &LoadHost) -> Result<JsValue, JsValue>;
}

/// The host of one load. Where it throws, that does not stop the load.
#[derive(Clone)]
pub(super) struct Host {
    host: LoadHost,
    /// Bytes of files that have come from servers, and when the last of them did.
    received: Rc<Cell<(u64, f64)>>,
}

impl Host {
    pub fn new(host: LoadHost) -> Self {
        Self { host, received: Rc::default() }
    }

    /// So many bytes of a file have come from a server.
    pub fn received(&self, bytes: u32) {
        self.received.set((self.received.get().0 + u64::from(bytes), Date::now()));
    }

    pub fn progress(&self, LoadProgress { loaded, total }: LoadProgress) {
        let _ = self.host.progress(loaded as f64, total as f64, self.received.get().0 as f64);
    }

    /// A request has failed and is made again. Nobody is told as long as others bring something.
    pub fn retrying(&self, why: &Error) {
        if !(0.0..SILENCE).contains(&(Date::now() - self.received.get().1)) {
            let _ = self.host.retrying(&why.to_string());
        }
    }

    /// What to wait for before anything more is downloaded, if there is something.
    pub fn paused(&self) -> Option<Promise> {
        self.host.paused().ok()?.dyn_into().ok()
    }
}
