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
    fn retrying(this: &LoadHost, why: Option<&str>) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn paused(this: &LoadHost) -> Result<JsValue, JsValue>;
}

/// The host of one load. Where it throws, that does not stop the load.
#[derive(Clone)]
pub(super) struct Host {
    host: LoadHost,
    received: Rc<Cell<Received>>,
}

#[derive(Clone, Copy, Default)]
struct Received {
    /// Bytes of files that have come from servers.
    bytes: u64,
    /// When the last of them did.
    at: f64,
    /// Whether it was told since that nothing comes.
    missed: bool,
}

impl Host {
    pub fn new(host: LoadHost) -> Self {
        Self { host, received: Rc::default() }
    }

    /// So many bytes of a file have come from a server.
    pub fn received(&self, bytes: u32) {
        let before = self.received.get();
        self.received.set(Received { bytes: before.bytes + u64::from(bytes), at: Date::now(), missed: false });
        if before.missed {
            let _ = self.host.retrying(None);
        }
    }

    pub fn progress(&self, LoadProgress { loaded, total }: LoadProgress) {
        let _ = self.host.progress(loaded as f64, total as f64, self.received.get().bytes as f64);
    }

    /// A request has failed and is made again. Nobody is told as long as others bring something.
    pub fn retrying(&self, why: &Error) {
        let received = self.received.get();
        if !(0.0..SILENCE).contains(&(Date::now() - received.at)) {
            self.received.set(Received { missed: true, ..received });
            let _ = self.host.retrying(Some(&why.to_string()));
        }
    }

    /// What to wait for before anything more is downloaded, if there is something.
    pub fn paused(&self) -> Option<Promise> {
        self.host.paused().ok()?.dyn_into().ok()
    }
}
