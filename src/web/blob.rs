//! A `File` from a picker or a drop, or any `Blob`: its bytes stay where the platform keeps them until they are asked for.

use super::error::text;
use crate::{
    Error, Result,
    source::{ByteStream, Source, check_range},
};
use async_trait::async_trait;
use js_sys::Uint8Array;
use std::ops::Range;
use wasm_bindgen_futures::JsFuture;

const CHUNK: u64 = 1 << 20;

/// A blob, read by slices.
pub(super) struct BlobSource {
    name: String,
    blob: web_sys::Blob,
}

impl BlobSource {
    pub fn new(name: String, blob: web_sys::Blob) -> Self {
        Self { name, blob }
    }

    async fn slice(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        let end = offset.saturating_add(length);
        check_range(&self.name, self.size(), &(offset..end))?;
        let failed = |thrown| Error::Io(format!("{}: {}", self.name, text(&thrown)));
        let slice = self.blob.slice_with_f64_and_f64(offset as f64, end as f64).map_err(failed)?;
        let bytes = Uint8Array::new(&JsFuture::from(slice.array_buffer()).await.map_err(failed)?);
        // Node's own are wrong beyond 2 GiB.
        match u64::from(bytes.length()) == length {
            true => Ok(bytes.to_vec()),
            false => Err(Error::Io(format!(
                "{}: {length} bytes were asked for from {offset}, the Blob gave {}",
                self.name,
                bytes.length()
            ))),
        }
    }
}

#[async_trait(?Send)]
impl Source for BlobSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.blob.size() as u64
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        self.slice(offset, length as u64).await
    }

    async fn stream(&self, range: Range<u64>) -> Result<Box<dyn ByteStream + '_>> {
        Ok(Box::new(Slices { blob: self, range }))
    }
}

struct Slices<'a> {
    blob: &'a BlobSource,
    range: Range<u64>,
}

#[async_trait(?Send)]
impl ByteStream for Slices<'_> {
    async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let length = self.range.end.saturating_sub(self.range.start).min(CHUNK);
        if length == 0 {
            return Ok(None);
        }
        let chunk = self.blob.slice(self.range.start, length).await?;
        self.range.start += length;
        Ok(Some(chunk))
    }
}
