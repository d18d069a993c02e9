//! A file on a server, in blocks: several are asked for at once ahead of the reader, and kept in the store as they come, from which
//! they are read the next time.

use super::{
    connection::{Body, Connection, Failure, Patience},
    http,
    store::{BLOCK, Kept},
};
use crate::{
    Error, Result,
    source::{ByteStream, Source, check_range},
};
use async_trait::async_trait;
use js_sys::Uint8Array;
use sha2::{Digest, Sha256};
use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    ops::Range,
    rc::Rc,
    task::{Poll, Waker},
};
use wasm_bindgen_futures::spawn_local;
use web_sys::Response;

/// Blocks that one request asks for, until the link's speed is known.
const REQUEST: u32 = 4;
/// The most, where what comes early need not wait in memory.
const LONGEST_REQUEST: u32 = 8;
/// Milliseconds that a request should take, so that what it takes to make one, a redirect among it, does not count.
const WORTH_ASKING: f64 = 2000.0;
/// Requests at once.
const MOST_REQUESTS: usize = 4;
/// Blocks ahead of the reader that may wait in memory.
const MOST_WAITING: u32 = 24;
/// Milliseconds over which the link's speed is measured.
const MEASURED: f64 = 1000.0;

/// Which file it is.
#[derive(Clone)]
pub(super) struct Identity {
    pub url: String,
    pub size: u64,
    /// What the server calls this version of the file, where it says so.
    pub version: Option<String>,
}

/// A file on a server, or in the store.
pub(super) struct RemoteFile {
    state: Rc<State>,
    /// What it is to have, in hexadecimal digits.
    sha256: Option<String>,
    /// Whether the store has all of it, and it was found to have that.
    verified: bool,
}

struct State {
    identity: Identity,
    connection: Connection,
    kept: Option<Kept>,
    /// Whether the server gives ranges; else one request gives all, in order.
    ranges: bool,
    /// Blocks that nobody has read yet. They are JavaScript's, so that the core's own memory stays small.
    waiting: RefCell<HashMap<u32, Uint8Array>>,
    /// Room for blocks, to be used again: what a platform gives afresh it first has to make and to clear.
    spare: RefCell<Vec<Uint8Array>>,
    under_way: RefCell<HashSet<u32>>,
    requests: Cell<usize>,
    /// Where the reader is.
    reader: Cell<u32>,
    pace: RefCell<Pace>,
    /// Whether anybody reads on.
    dropped: Cell<bool>,
    failure: RefCell<Option<Error>>,
    wakers: RefCell<Vec<Waker>>,
    /// Whether a block in the store was not what was written there.
    spoilt: Cell<bool>,
}

/// How many requests are made at once: more as long as more make it faster.
struct Pace {
    requests: usize,
    /// When the measurement began, and bytes since.
    since: f64,
    bytes: u64,
    /// Bytes a millisecond, as last measured.
    rate: Option<f64>,
    /// The same with one request less, while one more is tried.
    before: Option<f64>,
    /// Measurements to wait before the next try.
    rest: u32,
}

impl Pace {
    /// Takes note of bytes that have come.
    fn note(&mut self, bytes: u64, now: f64) {
        self.bytes += bytes;
        let elapsed = now - self.since;
        if !(0.0..MEASURED).contains(&elapsed) {
            let rate = self.bytes as f64 / elapsed.max(1.0);
            self.rate = Some(rate);
            match self.before.take() {
                // What brings less than a tenth is not worth a connection.
                Some(before) if rate < before * 1.1 => {
                    self.requests -= 1;
                    self.rest = 10;
                }
                _ if self.rest > 0 => self.rest -= 1,
                _ if self.requests < MOST_REQUESTS => {
                    self.before = Some(rate);
                    self.requests += 1;
                }
                _ => (),
            }
            (self.since, self.bytes) = (now, 0);
        }
    }

    /// Blocks that one request should ask for.
    fn blocks(&self) -> u32 {
        let each = self.rate.unwrap_or(0.0) / self.requests as f64;
        ((each * WORTH_ASKING / BLOCK as f64) as u32).clamp(REQUEST, LONGEST_REQUEST)
    }
}

impl RemoteFile {
    /// `sha256` is what the file is to have.
    pub fn new(
        identity: Identity,
        connection: &Connection,
        kept: Option<Kept>,
        ranges: bool,
        sha256: Option<String>,
    ) -> Self {
        let found = kept.as_ref().and_then(Kept::sha256);
        let state = State {
            identity,
            connection: connection.clone(),
            kept,
            ranges,
            waiting: RefCell::default(),
            spare: RefCell::default(),
            under_way: RefCell::default(),
            requests: Cell::new(0),
            reader: Cell::new(0),
            pace: RefCell::new(Pace {
                requests: 2,
                since: js_sys::Date::now(),
                bytes: 0,
                rate: None,
                before: None,
                rest: 0,
            }),
            dropped: Cell::new(false),
            failure: RefCell::new(None),
            wakers: RefCell::default(),
            spoilt: Cell::new(false),
        };
        let mut file = Self { state: Rc::new(state), sha256, verified: false };
        file.verified = found.is_some() && found == file.sha256 && file.is_kept();
        file
    }

    /// Goes on with an answer that has begun: that of a server without ranges, or of the first block.
    pub fn take_up(&self, response: Response, blocks: Range<u32>) {
        self.state.under_way.borrow_mut().extend(blocks.clone());
        self.state.requests.set(1);
        spawn_local(self.state.clone().download(blocks, Some(response)));
    }

    pub fn blocks(&self) -> u32 {
        self.state.blocks()
    }

    /// Whether all of it is in the store.
    pub fn is_kept(&self) -> bool {
        (0..self.blocks()).all(|block| self.state.is_kept(block))
    }

    /// Forgets what was kept of it, unless it was found to be the right file.
    pub async fn forget(&self) {
        if let Some(kept) = self.state.kept.as_ref().filter(|kept| kept.sha256().is_none()) {
            kept.forget().await;
        }
    }

    /// Puts the bytes of a block where the reader finds them.
    pub fn put(&self, block: u32, bytes: Uint8Array) {
        self.state.waiting.borrow_mut().insert(block, bytes);
    }
}

impl Drop for RemoteFile {
    fn drop(&mut self) {
        self.state.dropped.set(true);
        if let Some(kept) = &self.state.kept {
            kept.close();
        }
        self.state.wake();
    }
}

impl State {
    fn blocks(&self) -> u32 {
        self.identity.size.div_ceil(BLOCK) as u32
    }

    /// The bytes of some blocks.
    fn bytes(&self, blocks: &Range<u32>) -> Range<u64> {
        u64::from(blocks.start) * BLOCK..(u64::from(blocks.end) * BLOCK).min(self.identity.size)
    }

    fn is_kept(&self, block: u32) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.has(block))
    }

    fn wake(&self) {
        self.wakers.take().into_iter().for_each(Waker::wake);
    }

    /// Waits until something has changed.
    async fn change(&self) {
        let mut asked = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut asked, true) {
                return Poll::Ready(());
            }
            self.wakers.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Room for so many bytes, at most a block.
    fn room(&self, length: u32) -> Uint8Array {
        let spare = if u64::from(length) == BLOCK { self.spare.borrow_mut().pop() } else { None };
        spare.unwrap_or_else(|| Uint8Array::new_with_length(length))
    }

    /// Takes back room that nobody else has.
    fn spare(&self, room: Uint8Array) {
        let mut spare = self.spare.borrow_mut();
        if u64::from(room.length()) == BLOCK && spare.len() < MOST_WAITING as usize {
            spare.push(room);
        }
    }

    /// A block's bytes. It stays where it is, unless it is `taken`.
    async fn block(self: &Rc<Self>, block: u32, taken: bool) -> Result<Uint8Array> {
        if self.reader.replace(block) != block {
            self.wake();
        }
        loop {
            let waiting = match taken {
                true => self.waiting.borrow_mut().remove(&block),
                false => self.waiting.borrow().get(&block).cloned(),
            };
            let kept = self.kept.as_ref().filter(|kept| kept.has(block));
            let found = match (waiting, kept) {
                (Some(bytes), _) => Some(bytes),
                (None, Some(kept)) => kept.read(block, &self.room(BLOCK as u32)).await,
                (None, None) => None,
            };
            if let Some(bytes) = found {
                if taken {
                    // It is not to be asked for again.
                    self.reader.set(block + 1);
                }
                self.wake();
                return Ok(bytes);
            }
            if kept.is_some() {
                self.spoilt.set(true);
                continue;
            }
            if let Some(error) = self.failure.borrow().clone() {
                return Err(error);
            }
            if !self.under_way.borrow().contains(&block) {
                self.request(block, 1);
            }
            self.change().await;
        }
    }

    /// Asks for what a reader at this block will read next.
    fn read_ahead(self: &Rc<Self>, reader: u32) {
        let missing = |block: &u32| {
            !self.is_kept(*block)
                && !self.waiting.borrow().contains_key(block)
                && !self.under_way.borrow().contains(block)
        };
        // What the store keeps need not wait in memory.
        let (end, most) = match self.kept {
            Some(_) => (self.blocks(), self.pace.borrow().blocks()),
            None => (self.blocks().min(reader + MOST_WAITING), REQUEST),
        };
        while self.requests.get() < self.pace.borrow().requests {
            let Some(first) = (reader..end).find(missing) else { return };
            let count = (first..end.min(first + most)).take_while(missing).count() as u32;
            self.request(first, count);
        }
    }

    /// Asks for some blocks; the server without ranges for all of them.
    fn request(self: &Rc<Self>, first: u32, count: u32) {
        let blocks = if self.ranges { first..first + count } else { 0..self.blocks() };
        self.under_way.borrow_mut().extend(blocks.clone());
        self.requests.set(self.requests.get() + 1);
        spawn_local(self.clone().download(blocks, None));
    }

    /// Downloads some blocks, and goes on where it stopped until all have come.
    async fn download(self: Rc<Self>, blocks: Range<u32>, begun: Option<Response>) {
        let result = self.try_download(blocks.clone(), begun).await;
        for block in blocks {
            self.under_way.borrow_mut().remove(&block);
        }
        self.requests.set(self.requests.get() - 1);
        match result {
            Ok(()) if !self.dropped.get() => self.read_ahead(self.reader.get()),
            Ok(()) => (),
            Err(error) => drop(self.failure.borrow_mut().get_or_insert(error)),
        }
        self.wake();
    }

    async fn try_download(&self, blocks: Range<u32>, mut begun: Option<Response>) -> Result<()> {
        let mut patience = Patience::new(&self.connection);
        let mut left = Left { next: blocks.start, end: blocks.end, started: None };
        loop {
            match self.attempt(&mut left, begun.take(), &mut patience).await {
                Ok(()) => return Ok(()),
                Err(_) if self.dropped.get() => return Ok(()),
                Err(failure) => patience.after(failure).await?,
            }
        }
    }

    /// One request for what is left.
    async fn attempt(
        &self,
        left: &mut Left,
        begun: Option<Response>,
        patience: &mut Patience<'_>,
    ) -> std::result::Result<(), Failure> {
        if self.connection.resumed().await {
            patience.renew();
        }
        let Range { start, end } = self.bytes(&(left.next..left.end));
        let start = start + left.started.as_ref().map_or(0, |started| u64::from(started.filled));
        let (response, mut skip) = match begun {
            Some(response) => (response, 0),
            None if self.ranges => (http::part(&self.identity, start..end, &self.connection).await?, 0),
            // Such a server begins at the first byte again.
            None => (http::all(&self.identity, &self.connection).await?, start),
        };
        let url = &self.identity.url;
        let mut body = Body::new(&response, url, &self.connection)?;
        while left.next < left.end {
            if self.connection.resumed().await {
                patience.renew();
            }
            let Some(mut chunk) = body.next().await? else {
                let text = format!("{url}: bytes {start}..{end} were asked for, the server gave fewer");
                return Err(Failure::Passing(Error::Http(text), None));
            };
            if self.dropped.get() {
                return Ok(());
            }
            let skipped = skip.min(u64::from(chunk.length()));
            skip -= skipped;
            chunk = chunk.subarray(skipped as u32, chunk.length());
            if chunk.length() > 0 {
                patience.renew();
                self.connection.host.received(chunk.length());
                self.pace.borrow_mut().note(u64::from(chunk.length()), js_sys::Date::now());
            }
            while chunk.length() > 0 {
                if left.next == left.end {
                    return Err(Error::Http(format!("{url}: the server gave more bytes than were asked for")).into());
                }
                let block = self.bytes(&(left.next..left.next + 1));
                let length = (block.end - block.start) as u32;
                let started = left.started.get_or_insert_with(|| Started::new(self.room(length)));
                chunk = started.fill(&chunk);
                if started.filled == length {
                    let Some(Started { bytes, .. }) = left.started.take() else { continue };
                    self.deliver(left.next, bytes).await?;
                    patience.renew();
                    left.next += 1;
                }
            }
        }
        Ok(())
    }

    /// A block has come: it goes to the store, and to the reader if that will soon be there.
    async fn deliver(&self, block: u32, bytes: Uint8Array) -> Result<()> {
        if let Some(kept) = &self.kept {
            kept.write(block, &bytes).await?;
        }
        // A server without ranges cannot be asked later.
        while !self.is_kept(block) && block > self.reader.get() + MOST_WAITING && !self.dropped.get() {
            self.change().await;
        }
        let soon = self.reader.get()..self.reader.get() + MOST_WAITING / 2;
        if !self.is_kept(block) || soon.contains(&block) {
            self.waiting.borrow_mut().insert(block, bytes);
        } else {
            self.spare(bytes);
        }
        self.under_way.borrow_mut().remove(&block);
        self.wake();
        Ok(())
    }
}

/// What a request is still to bring.
struct Left {
    next: u32,
    end: u32,
    started: Option<Started>,
}

/// A block of which some bytes have come.
pub(super) struct Started {
    pub bytes: Uint8Array,
    pub filled: u32,
}

impl Started {
    pub fn new(bytes: Uint8Array) -> Self {
        Self { bytes, filled: 0 }
    }

    /// Takes what still fits, and gives the rest.
    pub fn fill(&mut self, chunk: &Uint8Array) -> Uint8Array {
        let taken = chunk.length().min(self.bytes.length() - self.filled);
        self.bytes.set(&chunk.subarray(0, taken), self.filled);
        self.filled += taken;
        chunk.subarray(taken, chunk.length())
    }
}

#[async_trait(?Send)]
impl Source for RemoteFile {
    fn name(&self) -> &str {
        &self.state.identity.url
    }

    fn size(&self) -> u64 {
        self.state.identity.size
    }

    fn prefetch(&self) {
        self.state.read_ahead(0);
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let range = offset..offset.saturating_add(length as u64);
        check_range(self.name(), self.size(), &range)?;
        let whole = range == (0..self.size());
        let mut blocks = Blocks { file: self, left: range, check: self.check().filter(|_| whole), last: false };
        let mut bytes = Vec::with_capacity(length);
        while let Some(block) = blocks.next().await? {
            bytes.extend_from_slice(&block);
        }
        Ok(bytes)
    }

    async fn stream(&self, range: Range<u64>) -> Result<Box<dyn ByteStream + '_>> {
        check_range(self.name(), self.size(), &range)?;
        let whole = range == (0..self.size());
        Ok(Box::new(Blocks { file: self, left: range, check: self.check().filter(|_| whole), last: true }))
    }
}

impl RemoteFile {
    /// What is to be found out of a whole file while it is read.
    fn check(&self) -> Option<Check<'_>> {
        let expected = self.sha256.as_ref().filter(|_| !self.verified)?;
        Some(Check { hasher: Sha256::new(), expected })
    }

    /// Checks a file that was found right before, but of which a block had to be downloaded again.
    async fn check_again(&self) -> Result<()> {
        let Some(expected) = &self.sha256 else { return Ok(()) };
        let mut hasher = Sha256::new();
        for block in 0..self.blocks() {
            hasher.update(self.state.block(block, true).await?.to_vec());
        }
        self.finish(Check { hasher, expected }).await
    }

    async fn finish(&self, check: Check<'_>) -> Result<()> {
        let found: String = check.hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let kept = self.state.kept.as_ref();
        if found.eq_ignore_ascii_case(check.expected) {
            if let Some(kept) = kept {
                kept.set_verified(check.expected).await;
            }
            return Ok(());
        }
        if let Some(kept) = kept {
            kept.forget().await;
        }
        Err(Error::Corrupt(format!(
            "{}: its SHA-256 is {found}; expected {}. Nothing of it was kept: load it again, and if that fails too, the file on \
             the server is another one",
            self.name(),
            check.expected
        )))
    }
}

struct Check<'a> {
    hasher: Sha256,
    expected: &'a str,
}

/// A range of a file, a block or a part of one at a time.
struct Blocks<'a> {
    file: &'a RemoteFile,
    left: Range<u64>,
    check: Option<Check<'a>>,
    /// Whether nobody will read this range again.
    last: bool,
}

#[async_trait(?Send)]
impl ByteStream for Blocks<'_> {
    async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        if self.left.is_empty() {
            if self.last {
                self.file.state.spare.borrow_mut().clear();
            }
            if let Some(check) = self.check.take() {
                self.file.finish(check).await?;
            } else if self.last && self.file.verified && self.file.state.spoilt.take() {
                self.file.check_again().await?;
            }
            return Ok(None);
        }
        let block = (self.left.start / BLOCK) as u32;
        let first = u64::from(block) * BLOCK;
        let end = (first + BLOCK).min(self.left.end);
        if self.last {
            self.file.state.read_ahead(block);
        }
        let state = &self.file.state;
        let taken = self.last && end.is_multiple_of(BLOCK);
        let room = state.block(block, taken).await?;
        let bytes = room.subarray((self.left.start - first) as u32, (end - first) as u32).to_vec();
        // It may have come to wait while it was read from the store.
        let other = if taken { state.waiting.borrow_mut().remove(&block) } else { None };
        if let Some(other) = other {
            state.spare(other);
        }
        if taken || !state.waiting.borrow().contains_key(&block) {
            state.spare(room);
        }
        if let Some(check) = &mut self.check {
            check.hasher.update(&bytes);
        }
        self.left.start = end;
        Ok(Some(bytes))
    }
}
