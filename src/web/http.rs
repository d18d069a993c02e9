//! Files on a server, read by range requests. A connection that breaks, stalls or meets a busy server is made again, and goes on
//! where it stopped.

use super::connection::{Body, Connection, Failure, Patience, header};
use crate::{
    Error, Result,
    source::{ByteStream, Chosen, Folder, HubName, Listing, MemorySource, Source},
};
use async_trait::async_trait;
use std::{ops::Range, rc::Rc};
use web_sys::Response;

/// The largest file that is taken whole from a server that gives no ranges: it is held in memory.
const LARGEST_WHOLE: usize = 1 << 30;

/// The most bytes of a hub's listing.
const LARGEST_LISTING: usize = 16 << 20;

/// What a name means at the connection's hub.
///
/// # Errors
/// [`Error::Missing`] where the hub has no such model or file; as [`HubName::choose`], and where the hub cannot be asked.
pub(super) async fn look_up(name: &HubName, connection: &Connection) -> Result<Chosen> {
    let url = name.listing_url(&connection.hub);
    let mut patience = Patience::new(connection);
    let listing = loop {
        match whole(&url, connection).await {
            Ok(bytes) => break bytes,
            Err(failure) => patience.after(failure).await?,
        }
    };
    let listing: Listing = serde_json::from_slice(&listing)
        .map_err(|error| Error::Http(format!("{url}: the hub's listing cannot be read: {error}")))?;
    name.choose(&connection.hub, &listing)
}

/// All of a small file.
async fn whole(url: &str, connection: &Connection) -> std::result::Result<Vec<u8>, Failure> {
    let response = connection.fetch(url, None).await?;
    match response.status() {
        200 => (),
        404 => return Err(Error::Missing(format!("{url}: the hub has no such model or revision")).into()),
        status => {
            return Err(Error::Http(format!("{url}: the server answered {status} {}", response.status_text())).into());
        }
    }
    let mut body = Body::new(&response, url, connection)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await? {
        if bytes.len() + chunk.len() > LARGEST_LISTING {
            return Err(Error::Http(format!("{url}: the listing has over {LARGEST_LISTING} bytes")).into());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// A file on a server that answers range requests.
pub(super) struct HttpSource {
    url: String,
    size: u64,
    version: Option<String>,
    connection: Connection,
}

/// What a server calls this version of a file, where it says so.
fn version(response: &Response) -> Option<String> {
    header(response, "etag").or_else(|| header(response, "last-modified"))
}

/// Opens a file, or gives `None` for a 404.
///
/// # Errors
/// [`Error::Http`] for any other status than success; [`Error::Io`] where the server cannot be reached.
pub(super) async fn open(url: &str, connection: &Connection) -> Result<Option<Rc<dyn Source>>> {
    let mut patience = Patience::new(connection);
    loop {
        match try_open(url, connection).await {
            Ok(source) => return Ok(source),
            Err(failure) => patience.after(failure).await?,
        }
    }
}

async fn try_open(url: &str, connection: &Connection) -> std::result::Result<Option<Rc<dyn Source>>, Failure> {
    let response = connection.fetch(url, Some(0..1)).await?;
    match response.status() {
        404 => Ok(None),
        206 => {
            let (given, size) = content_range(&response, url)?;
            if given != (0..1) {
                return Err(Error::Http(format!("{url}: bytes 0..1 were asked for, the server gave {given:?}")).into());
            }
            let version = version(&response);
            Ok(Some(Rc::new(HttpSource { url: url.to_owned(), size, version, connection: connection.clone() })))
        }
        // An empty file has no first byte.
        416 => Ok(Some(Rc::new(MemorySource::new(url, Vec::new())))),
        // The server ignores ranges. Its one answer is kept, since it cannot be asked for a part again.
        200 => {
            let mut body = Body::new(&response, url, connection)?;
            let length = header(&response, "content-length").and_then(|length| length.parse::<usize>().ok());
            let encoded = header(&response, "content-encoding").is_some();
            let mut bytes = Vec::new();
            while let Some(chunk) = body.next().await? {
                if bytes.len() + chunk.len() > LARGEST_WHOLE {
                    return Err(Error::Http(format!(
                        "{url}: the server gives no byte ranges, which a file of over {LARGEST_WHOLE} bytes needs"
                    ))
                    .into());
                }
                bytes.extend_from_slice(&chunk);
            }
            match length.filter(|length| !encoded && *length > bytes.len()) {
                Some(length) => {
                    let text = format!("{url}: {length} bytes were expected, the server gave {}", bytes.len());
                    Err(Failure::Passing(Error::Truncated(text), None))
                }
                None => Ok(Some(Rc::new(MemorySource::new(url, bytes)))),
            }
        }
        status => Err(Error::Http(format!("{url}: the server answered {status} {}", response.status_text())).into()),
    }
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

impl HttpSource {
    async fn request(&self, range: Range<u64>) -> std::result::Result<Body<'_>, Failure> {
        let response = self.connection.fetch(&self.url, Some(range.clone())).await?;
        let url = &self.url;
        if response.status() != 206 {
            return Err(Error::Http(format!(
                "{url}: the server answered {} to a request for bytes {}..{}; 206 was expected",
                response.status(),
                range.start,
                range.end
            ))
            .into());
        }
        let (given, size) = content_range(&response, url)?;
        if size != self.size || version(&response) != self.version {
            return Err(Error::Http(format!("{url}: the file changed while it was loading; load it again")).into());
        }
        if given != range {
            return Err(Error::Http(format!("{url}: bytes {range:?} were asked for, the server gave {given:?}")).into());
        }
        Ok(Body::new(&response, url, &self.connection)?)
    }
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
        Ok(Box::new(Resumed { source: self, left: range, body: None, patience: Patience::new(&self.connection) }))
    }
}

/// A range that is asked for again, from where it stopped, until all of it has come.
struct Resumed<'a> {
    source: &'a HttpSource,
    left: Range<u64>,
    body: Option<Body<'a>>,
    patience: Patience<'a>,
}

impl Resumed<'_> {
    async fn try_next(&mut self) -> std::result::Result<Vec<u8>, Failure> {
        let body = match &mut self.body {
            Some(body) => body,
            None => self.body.insert(self.source.request(self.left.clone()).await?),
        };
        let expected = self.left.end - self.left.start;
        let told = |given| {
            let url = &self.source.url;
            Error::Truncated(format!("{url}: {expected} more bytes were expected, the server gave {given}"))
        };
        match body.next().await? {
            Some(chunk) if chunk.len() as u64 > expected => Err(Failure::Lasting(told(chunk.len()))),
            Some(chunk) => Ok(chunk),
            None => Err(Failure::Passing(told(0), None)),
        }
    }
}

#[async_trait(?Send)]
impl ByteStream for Resumed<'_> {
    async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        while !self.left.is_empty() {
            match self.try_next().await {
                Ok(chunk) => {
                    self.left.start += chunk.len() as u64;
                    self.patience.renew();
                    return Ok(Some(chunk));
                }
                Err(failure) => {
                    self.body = None;
                    self.patience.after(failure).await?;
                }
            }
        }
        Ok(None)
    }
}

/// A folder on a server; its URL ends in a slash.
pub(super) struct HttpFolder {
    pub url: String,
    pub connection: Connection,
}

#[async_trait(?Send)]
impl Folder for HttpFolder {
    fn name(&self) -> &str {
        &self.url
    }

    async fn open(&self, file: &str) -> Result<Option<Rc<dyn Source>>> {
        open(&format!("{}{file}", self.url), &self.connection).await
    }
}
