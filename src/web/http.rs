//! Files on a server, read by range requests over `fetch`, in a page, a worker or Node.

use super::error::{text, with_cause};
use crate::{
    Error, Result,
    source::{ByteStream, Folder, MemorySource, Source},
};
use async_trait::async_trait;
use js_sys::{Function, Promise, Reflect, Uint8Array};
use std::{ops::Range, rc::Rc};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Headers, ReadableStreamDefaultReader, RequestInit, Response};

/// The largest file that is taken whole from a server that gives no ranges: it is held in memory.
const LARGEST_WHOLE: usize = 1 << 30;

/// A file on a server that answers range requests.
pub(super) struct HttpSource {
    url: String,
    size: u64,
    /// What the server calls this version of the file, where it says so.
    etag: Option<String>,
    signal: Option<AbortSignal>,
}

/// Opens a file, or gives `None` for a 404.
///
/// # Errors
/// [`Error::Http`] for any other status than success; [`Error::Io`] where the server cannot be reached.
pub(super) async fn open(url: &str, signal: Option<AbortSignal>) -> Result<Option<Rc<dyn Source>>> {
    let response = fetch(url, Some(0..1), signal.as_ref()).await?;
    match response.status() {
        404 => Ok(None),
        206 => {
            let (given, size) = content_range(&response, url)?;
            if given != (0..1) {
                return Err(Error::Http(format!("{url}: bytes 0..1 were asked for, the server gave {given:?}")));
            }
            let etag = header(&response, "etag");
            Ok(Some(Rc::new(HttpSource { url: url.to_owned(), size, etag, signal })))
        }
        // An empty file has no first byte.
        416 => Ok(Some(Rc::new(MemorySource::new(url, Vec::new())))),
        // The server ignores ranges. Its one answer is kept, since it cannot be asked for a part again.
        200 => {
            let mut body = Body::new(&response, url, signal)?;
            let mut bytes = Vec::new();
            while let Some(chunk) = body.next().await? {
                if bytes.len() + chunk.len() > LARGEST_WHOLE {
                    return Err(Error::Http(format!(
                        "{url}: the server gives no byte ranges, which a file of over {LARGEST_WHOLE} bytes needs"
                    )));
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(Some(Rc::new(MemorySource::new(url, bytes))))
        }
        status => Err(Error::Http(format!("{url}: the server answered {status} {}", response.status_text()))),
    }
}

fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).ok().flatten()
}

/// The range that a 206 says it gives, and the size of the whole file.
fn content_range(response: &Response, url: &str) -> Result<(Range<u64>, u64)> {
    let value = header(response, "content-range").unwrap_or_default();
    let parse = || {
        let (range, size) = value.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let end = last.parse::<u64>().ok()?.checked_add(1)?;
        Some((first.parse().ok()?..end, size.parse().ok()?))
    };
    parse().ok_or_else(|| {
        Error::Http(format!(
            "{url}: content-range is {value:?}; expected a range and the file's size, and a server of another origin must \
             expose that header"
        ))
    })
}

async fn fetch(url: &str, range: Option<Range<u64>>, signal: Option<&AbortSignal>) -> Result<Response> {
    let failed = |thrown: JsValue| match signal.is_some_and(AbortSignal::aborted) {
        true => Error::Aborted,
        false => Error::Io(format!("{url}: {}", with_cause(&thrown))),
    };
    let init = RequestInit::new();
    init.set_signal(signal);
    if let Some(range) = range {
        let headers = Headers::new().map_err(failed)?;
        headers.set("range", &format!("bytes={}-{}", range.start, range.end - 1)).map_err(failed)?;
        init.set_headers(&headers);
    }
    // A page, a worker and Node all have this function, on global objects of different types.
    let global = js_sys::global();
    let function = Reflect::get(&global, &"fetch".into()).ok().and_then(|f| f.dyn_into::<Function>().ok());
    let function = function.ok_or_else(|| Error::Io("this environment has no fetch".to_owned()))?;
    let promise: Promise = function.call2(&global, &url.into(), &init).map_err(failed)?.unchecked_into();
    Ok(JsFuture::from(promise).await.map_err(failed)?.unchecked_into())
}

#[async_trait(?Send)]
impl Source for HttpSource {
    fn name(&self) -> &str {
        &self.url
    }

    fn size(&self) -> u64 {
        self.size
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut stream = self.stream(offset..offset.saturating_add(length as u64)).await?;
        let mut bytes = Vec::with_capacity(length);
        while let Some(chunk) = stream.next().await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    async fn stream(&self, range: Range<u64>) -> Result<Box<dyn ByteStream + '_>> {
        if range.end > self.size {
            return Err(Error::Truncated(format!(
                "{}: bytes {}..{} were expected, but the file has {} bytes",
                self.url, range.start, range.end, self.size
            )));
        }
        if range.is_empty() {
            return Ok(Box::new(Empty));
        }
        let response = fetch(&self.url, Some(range.clone()), self.signal.as_ref()).await?;
        if response.status() != 206 {
            return Err(Error::Http(format!(
                "{}: the server answered {} to a request for bytes {}..{}; 206 was expected",
                self.url,
                response.status(),
                range.start,
                range.end
            )));
        }
        let (given, size) = content_range(&response, &self.url)?;
        if size != self.size || header(&response, "etag") != self.etag {
            return Err(Error::Http(format!("{}: the file changed while it was loading; load it again", self.url)));
        }
        if given != range {
            return Err(Error::Http(format!(
                "{}: bytes {range:?} were asked for, the server gave {given:?}",
                self.url
            )));
        }
        let body = Body::new(&response, &self.url, self.signal.clone())?;
        Ok(Box::new(Exactly { body, left: range.end - range.start }))
    }
}

/// A response's body as it arrives.
struct Body {
    reader: ReadableStreamDefaultReader,
    url: String,
    signal: Option<AbortSignal>,
}

impl Body {
    fn new(response: &Response, url: &str, signal: Option<AbortSignal>) -> Result<Self> {
        let stream = response.body().ok_or_else(|| Error::Http(format!("{url}: the answer has no body")))?;
        Ok(Self { reader: stream.get_reader().unchecked_into(), url: url.to_owned(), signal })
    }
}

#[async_trait(?Send)]
impl ByteStream for Body {
    async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            let step = JsFuture::from(self.reader.read()).await.map_err(|thrown| {
                if self.signal.as_ref().is_some_and(AbortSignal::aborted) {
                    return Error::Aborted;
                }
                Error::Io(format!("{}: the connection broke: {}", self.url, text(&thrown)))
            })?;
            let field = |name: &str| Reflect::get(&step, &name.into()).unwrap_or(JsValue::UNDEFINED);
            if field("done").is_truthy() {
                return Ok(None);
            }
            let chunk = Uint8Array::new(&field("value")).to_vec();
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
        }
    }
}

impl Drop for Body {
    /// Ends the download where nobody reads on; a body read to its end does not mind.
    fn drop(&mut self) {
        let ignored = JsFuture::from(self.reader.cancel());
        wasm_bindgen_futures::spawn_local(async move {
            let _ = ignored.await;
        });
    }
}

/// A body that must have exactly the length that was asked for.
struct Exactly {
    body: Body,
    left: u64,
}

#[async_trait(?Send)]
impl ByteStream for Exactly {
    async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let chunk = self.body.next().await?;
        let length = chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if length > self.left || (chunk.is_none() && self.left > 0) {
            let (url, left) = (&self.body.url, self.left);
            return Err(Error::Truncated(format!("{url}: {left} more bytes were expected, the server gave {length}")));
        }
        self.left -= length;
        Ok(chunk)
    }
}

struct Empty;

#[async_trait(?Send)]
impl ByteStream for Empty {
    async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }
}

/// A folder on a server; its URL ends in a slash.
pub(super) struct HttpFolder {
    pub url: String,
    pub signal: Option<AbortSignal>,
}

#[async_trait(?Send)]
impl Folder for HttpFolder {
    fn name(&self) -> &str {
        &self.url
    }

    async fn open(&self, file: &str) -> Result<Option<Rc<dyn Source>>> {
        open(&format!("{}{file}", self.url), self.signal.clone()).await
    }
}
