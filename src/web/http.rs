//! Asking servers for files: what a name means at the hub, whether a file is there and which version of it, and its bytes.

use super::{
    connection::{Body, Connection, Failure, Patience, header},
    remote::{Identity, RemoteFile, Started},
    store::{BLOCK, Kept},
};
use crate::{
    Error, Result,
    source::{Chosen, Folder, HubName, Listing, MemorySource, Source},
};
use async_trait::async_trait;
use js_sys::Uint8Array;
use std::{ops::Range, rc::Rc};
use web_sys::Response;

/// The largest file that is taken from a server that tells neither ranges nor a length: it is held in memory.
const LARGEST_UNMEASURED: u64 = 1 << 30;
/// The largest file, in blocks: a tebibyte.
const MOST_BLOCKS: u64 = 1 << 20;
/// The most bytes of a hub's listing.
const LARGEST_LISTING: usize = 16 << 20;

/// What a name means at the connection's hub; where that cannot be reached, what it meant the last time.
///
/// # Errors
/// [`Error::Missing`] where the hub has no such model or file; as [`HubName::choose`], and where the hub cannot be asked.
pub(super) async fn look_up(name: &HubName, connection: &Connection) -> Result<Chosen> {
    let url = name.listing_url(&connection.hub);
    let note = format!("{url} {}", name.file().unwrap_or_default());
    let mut patience = Patience::new(connection);
    let listing = loop {
        match whole(&url, connection).await {
            Ok(bytes) => break bytes,
            Err(failure) => {
                if let (Failure::Passing(..), Some(store)) = (&failure, &connection.store)
                    && let Some(chosen) = store.kept_note(&note).await
                    && let Ok(chosen) = serde_json::from_str(&chosen)
                {
                    return Ok(chosen);
                }
                patience.after(failure).await?;
            }
        }
    };
    let listing: Listing = serde_json::from_slice(&listing)
        .map_err(|error| Error::Http(format!("{url}: the hub's listing cannot be read: {error}")))?;
    let chosen = name.choose(&connection.hub, &listing)?;
    if let (Some(store), Ok(text)) = (&connection.store, serde_json::to_string(&chosen)) {
        store.keep_note(&note, &text).await;
    }
    Ok(chosen)
}

/// All of a small file.
async fn whole(url: &str, connection: &Connection) -> std::result::Result<Vec<u8>, Failure> {
    let response = connection.fetch(url, None).await?;
    match response.status() {
        200 => (),
        404 => return Err(Error::Missing(format!("{url}: the hub has no such model or revision")).into()),
        _ => return Err(refused(url, &response).into()),
    }
    let mut body = Body::new(&response, url, connection)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await? {
        if bytes.len() + chunk.length() as usize > LARGEST_LISTING {
            return Err(Error::Http(format!("{url}: the listing has over {LARGEST_LISTING} bytes")).into());
        }
        bytes.extend(chunk.to_vec());
    }
    Ok(bytes)
}

fn refused(url: &str, response: &Response) -> Error {
    Error::Http(format!("{url}: the server answered {} {}", response.status(), response.status_text()))
}

/// A file that is to be opened.
pub(super) struct Wanted {
    pub url: String,
    /// Whether the URL always means the same bytes.
    pub pinned: bool,
    /// What the file is to have, in hexadecimal digits.
    pub sha256: Option<String>,
}

/// Opens a file, or gives `None` for a 404. What the store has all of is taken from there, if the server says that it is the same
/// still, or cannot be asked.
///
/// # Errors
/// [`Error::Http`] for any other status than success; [`Error::Io`] where the server cannot be reached; [`Error::Quota`] where
/// the store has too little room.
pub(super) async fn open(wanted: &Wanted, connection: &Connection) -> Result<Option<Rc<dyn Source>>> {
    let mut kept = match &connection.store {
        // One file has many URLs where a hub names revisions.
        Some(store) => {
            let key = wanted.sha256.as_ref().map_or_else(|| wanted.url.clone(), |sha256| format!("sha256:{sha256}"));
            // Nobody waits for what the load itself holds.
            let free = connection.held.borrow_mut().insert(key.clone());
            if free { store.keep(&key, &wanted.url).await? } else { None }
        }
        None => None,
    };
    let mut patience = Patience::new(connection);
    loop {
        if wanted.pinned
            && let Some(file) = all_kept(&mut kept, wanted, connection)
        {
            return Ok(Some(Found::File(file).note(connection)));
        }
        match try_open(wanted, connection, &mut kept).await {
            Ok(found) => return Ok(found.map(|found| found.note(connection))),
            Err(failure) => {
                if let Failure::Passing(..) = failure
                    && let Some(file) = all_kept(&mut kept, wanted, connection)
                {
                    return Ok(Some(Found::File(file).note(connection)));
                }
                patience.after(failure).await?;
            }
        }
    }
}

/// The file, where the store has all of it.
fn all_kept(kept: &mut Option<Kept>, wanted: &Wanted, connection: &Connection) -> Option<RemoteFile> {
    let (version, size) = kept.as_ref()?.version()?;
    if !(0..size.div_ceil(BLOCK)).all(|block| kept.as_ref().is_some_and(|kept| kept.has(block as u32))) {
        return None;
    }
    let identity = Identity { url: wanted.url.clone(), size, version: Some(version) };
    Some(RemoteFile::new(identity, connection, kept.take(), true, wanted.sha256.clone()))
}

/// What a server has under a URL.
enum Found {
    File(RemoteFile),
    Empty(String),
}

impl Found {
    /// The file, which the connection knows of from now on.
    fn note(self, connection: &Connection) -> Rc<dyn Source> {
        match self {
            Self::File(file) => {
                let file = Rc::new(file);
                connection.opened.borrow_mut().push(file.clone());
                file
            }
            Self::Empty(url) => Rc::new(MemorySource::new(url, Vec::new())),
        }
    }
}

async fn try_open(
    wanted: &Wanted,
    connection: &Connection,
    kept: &mut Option<Kept>,
) -> std::result::Result<Option<Found>, Failure> {
    let url = &wanted.url;
    let asked = if kept.as_ref().is_some_and(|kept| kept.has(0)) { 0..1 } else { 0..BLOCK };
    let response = connection.fetch(url, Some(asked.clone())).await?;
    let version = version(&response);
    let (size, ranges) = match response.status() {
        404 => return Ok(None),
        206 => {
            let (given, size) = content_range(&response, url)?;
            if given != (0..asked.end.min(size)) {
                let text = format!("{url}: bytes {asked:?} were asked for, the server gave {given:?}");
                return Err(Error::Http(text).into());
            }
            (size, true)
        }
        // An empty file has no first byte.
        416 => return Ok(Some(Found::Empty(url.clone()))),
        200 => match length(&response) {
            Some(size) => (size, false),
            None => return Ok(Some(unmeasured(wanted, &response, connection).await?)),
        },
        _ => return Err(refused(url, &response).into()),
    };
    if size == 0 {
        return Ok(Some(Found::Empty(url.clone())));
    }
    if size.div_ceil(BLOCK) > MOST_BLOCKS {
        return Err(Error::Http(format!("{url}: a file of {size} bytes")).into());
    }
    // Without a name for the version nobody could say later whether it is the same.
    match (kept.as_ref(), &version) {
        (None, _) => (),
        (Some(there), Some(version)) if there.version().as_ref() == Some(&(version.clone(), size)) => (),
        (Some(there), Some(version)) => there.begin(version, size).await?,
        (Some(_), None) => *kept = None,
    }
    let identity = Identity { url: url.clone(), size, version };
    let file = RemoteFile::new(identity, connection, kept.take(), ranges, wanted.sha256.clone());
    if !file.is_kept() && (!ranges || asked.end == BLOCK) {
        file.take_up(response, if ranges { 0..1 } else { 0..file.blocks() });
    } else {
        drop(Body::new(&response, url, connection)); // It ends the download.
    }
    Ok(Some(Found::File(file)))
}

/// A file whose size only its end tells, held in memory.
async fn unmeasured(
    wanted: &Wanted,
    response: &Response,
    connection: &Connection,
) -> std::result::Result<Found, Failure> {
    let url = &wanted.url;
    let mut body = Body::new(response, url, connection)?;
    let mut blocks = Vec::new();
    let mut size = 0;
    while let Some(mut chunk) = body.next().await? {
        size += u64::from(chunk.length());
        if size > LARGEST_UNMEASURED {
            let text = "the server tells neither ranges nor a length, which a file of over a gigabyte needs";
            return Err(Error::Http(format!("{url}: {text}")).into());
        }
        connection.host.received(chunk.length());
        while chunk.length() > 0 {
            if blocks.last().is_none_or(|block: &Started| u64::from(block.filled) == BLOCK) {
                blocks.push(Started::new(Uint8Array::new_with_length(BLOCK as u32)));
            }
            let block = blocks.last_mut().expect("a block was begun");
            chunk = block.fill(&chunk);
        }
    }
    if size == 0 {
        return Ok(Found::Empty(url.clone()));
    }
    let identity = Identity { url: url.clone(), size, version: version(response) };
    let file = RemoteFile::new(identity, connection, None, false, wanted.sha256.clone());
    for (index, block) in blocks.into_iter().enumerate() {
        file.put(index as u32, block.bytes.subarray(0, block.filled));
    }
    Ok(Found::File(file))
}

/// What a server calls this version of a file, where it says so.
fn version(response: &Response) -> Option<String> {
    header(response, "etag").or_else(|| header(response, "last-modified"))
}

/// The size of a file that is given whole. What is sent compressed has another length than the file.
fn length(response: &Response) -> Option<u64> {
    let length = header(response, "content-length")?.parse().ok()?;
    header(response, "content-encoding").is_none().then_some(length)
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

/// Asks for a part of a file; it must be the same file still.
pub(super) async fn part(
    identity: &Identity,
    range: Range<u64>,
    connection: &Connection,
) -> std::result::Result<Response, Failure> {
    let url = &identity.url;
    let response = connection.fetch(url, Some(range.clone())).await?;
    if response.status() != 206 {
        let status = response.status();
        let text = format!("{url}: the server answered {status} to a request for bytes {range:?}; 206 was expected");
        return Err(Error::Http(text).into());
    }
    let (given, size) = content_range(&response, url)?;
    check_version(identity, size, &response)?;
    if given != range {
        return Err(Error::Http(format!("{url}: bytes {range:?} were asked for, the server gave {given:?}")).into());
    }
    Ok(response)
}

/// Asks for all of a file; it must be the same file still.
pub(super) async fn all(identity: &Identity, connection: &Connection) -> std::result::Result<Response, Failure> {
    let response = connection.fetch(&identity.url, None).await?;
    if response.status() != 200 {
        return Err(refused(&identity.url, &response).into());
    }
    check_version(identity, length(&response).unwrap_or(identity.size), &response)?;
    Ok(response)
}

fn check_version(identity: &Identity, size: u64, response: &Response) -> Result<()> {
    if size == identity.size && version(response) == identity.version {
        return Ok(());
    }
    Err(Error::Http(format!("{}: the file changed while it was loading; load it again", identity.url)))
}

/// A folder on a server.
pub(super) struct HttpFolder<'a> {
    /// Its files' URLs, where the hub has listed them; else `url` ends in a slash.
    pub chosen: Option<Chosen>,
    pub url: String,
    pub connection: &'a Connection,
}

#[async_trait(?Send)]
impl Folder for HttpFolder<'_> {
    fn name(&self) -> &str {
        &self.url
    }

    async fn open(&self, file: &str) -> Result<Option<Rc<dyn Source>>> {
        let wanted = match &self.chosen {
            Some(chosen) if !chosen.has(file) => return Ok(None),
            Some(chosen) => Wanted::of(chosen, file),
            None => Wanted { url: format!("{}{file}", self.url), pinned: false, sha256: None },
        };
        open(&wanted, self.connection).await
    }
}

impl Wanted {
    /// A file of those that the hub has listed.
    pub fn of(chosen: &Chosen, file: &str) -> Self {
        Self { url: chosen.url(file), pinned: true, sha256: chosen.sha256(file).map(str::to_owned) }
    }
}
