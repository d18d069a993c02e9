//! The store that pkg-templates/src/store.ts keeps: files from the network in blocks, on the visitor's disk.

use super::error::text;
use crate::{Error, Result};
use js_sys::{Reflect, Uint8Array};
use twox_hash::XxHash64;
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};

/// Bytes of a block, the last of a file excepted: what is asked for, checked and kept as one. As in store.ts.
pub(super) const BLOCK: u64 = 1 << 20;

/// What the store knows a block by, never 0: XXH64. `seed` is another for each version of a file.
#[wasm_bindgen]
#[must_use]
pub fn checksum(bytes: &[u8], seed: u64) -> u64 {
    XxHash64::oneshot(seed, bytes).max(1)
}

#[wasm_bindgen]
extern "C" {
    /// `Store` of store.ts.
    #[derive(Clone)]
    pub type Store;
    #[wasm_bindgen(method, catch)]
    async fn open(this: &Store, key: &str, url: &str) -> std::result::Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    async fn note(this: &Store, name: &str, text: &str) -> std::result::Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    async fn noted(this: &Store, name: &str) -> std::result::Result<JsValue, JsValue>;

    type StoredFile;
    #[wasm_bindgen(method, getter)]
    fn version(this: &StoredFile) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn size(this: &StoredFile) -> Option<f64>;
    #[wasm_bindgen(method, getter)]
    fn sha256(this: &StoredFile) -> Option<String>;
    #[wasm_bindgen(method)]
    fn has(this: &StoredFile, block: u32) -> bool;
    #[wasm_bindgen(method, catch)]
    async fn begin(this: &StoredFile, version: &str, size: f64) -> std::result::Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    async fn read(this: &StoredFile, block: u32, into: &Uint8Array) -> std::result::Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    async fn write(this: &StoredFile, block: u32, bytes: &Uint8Array) -> std::result::Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    async fn verified(this: &StoredFile, sha256: &str) -> std::result::Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    async fn clear(this: &StoredFile) -> std::result::Result<JsValue, JsValue>;
    #[wasm_bindgen(method)]
    fn close(this: &StoredFile);
}

/// A file of the store, held until it is dropped: nobody else loads it meanwhile.
pub(super) struct Kept(StoredFile);

impl Drop for Kept {
    fn drop(&mut self) {
        self.close();
    }
}

fn failed(thrown: &JsValue) -> Error {
    let name = Reflect::get(thrown, &"name".into()).ok().and_then(|name| name.as_string());
    match name.as_deref() {
        Some("QuotaExceededError") => Error::Quota(text(thrown)),
        Some("AbortError") => Error::Aborted,
        _ => Error::Io(format!("the store: {}", text(thrown))),
    }
}

impl Store {
    /// Opens a file's place in the store; waits while another tab loads the same file. `None` where the store does not work.
    ///
    /// # Errors
    /// [`Error::Aborted`].
    pub(super) async fn keep(&self, key: &str, url: &str) -> Result<Option<Kept>> {
        match self.open(key, url).await.map_err(|thrown| failed(&thrown)) {
            Ok(file) => Ok(Some(Kept(file.unchecked_into()))),
            Err(Error::Aborted) => Err(Error::Aborted),
            Err(_) => Ok(None),
        }
    }

    /// Keeps a text under a name. Where that fails it is not there later.
    pub(super) async fn keep_note(&self, name: &str, text: &str) {
        let _ = self.note(name, text).await;
    }

    /// The text that was kept under a name.
    pub(super) async fn kept_note(&self, name: &str) -> Option<String> {
        self.noted(name).await.ok()?.as_string()
    }
}

impl Kept {
    /// What the server called the version that is kept, and its size.
    pub fn version(&self) -> Option<(String, u64)> {
        Some((self.0.version()?, self.0.size()? as u64))
    }

    /// The SHA-256 that the whole file was found to have.
    pub fn sha256(&self) -> Option<String> {
        self.0.sha256()
    }

    pub fn has(&self, block: u32) -> bool {
        self.0.has(block)
    }

    /// Lets others load the file, though downloads may still hold this. It may be called again.
    pub fn close(&self) {
        self.0.close();
    }

    /// Forgets what is there, and makes room for this version.
    ///
    /// # Errors
    /// [`Error::Quota`] where there is too little room.
    pub async fn begin(&self, version: &str, size: u64) -> Result<()> {
        self.0.begin(version, size as f64).await.map(drop).map_err(|thrown| failed(&thrown))
    }

    /// A block, or `None` where it is not there or not what was written; then [`Kept::has`] says so from now on. `into` has
    /// room for it, which may be used.
    pub async fn read(&self, block: u32, into: &Uint8Array) -> Option<Uint8Array> {
        self.0.read(block, into).await.ok()?.dyn_into().ok()
    }

    /// # Errors
    /// [`Error::Quota`] where the disk is full, [`Error::Io`] where it fails.
    pub async fn write(&self, block: u32, bytes: &Uint8Array) -> Result<()> {
        self.0.write(block, bytes).await.map(drop).map_err(|thrown| failed(&thrown))
    }

    /// The whole file was found to have this SHA-256.
    pub async fn set_verified(&self, sha256: &str) {
        let _ = self.0.verified(sha256).await;
    }

    /// Forgets what is there.
    pub async fn forget(&self) {
        let _ = self.0.clear().await;
    }
}
