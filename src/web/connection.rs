//! One request and its answer over `fetch`, and how long it pays to ask again.

use super::{
    error::with_cause,
    host::{Host, SILENCE},
    remote::RemoteFile,
    store::Store,
    timer::{global, pause, within},
};
use crate::{Error, Result};
use js_sys::{Array, Promise, Reflect, Uint8Array};
use std::{cell::RefCell, collections::HashSet, ops::Range, rc::Rc};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, AbortSignal, Headers, ReadableStreamByobReader, ReadableStreamDefaultReader, RequestCache,
    RequestInit, Response,
};

/// Milliseconds before a request is made again, doubled each time that nothing has come in between.
const FIRST_PAUSE: f64 = 250.0;
const LONGEST_PAUSE: f64 = 15_000.0;
/// The share of the patience after which a connection that gives nothing is given up.
const STALL: f64 = 1.0 / 8.0;

/// How a load talks to servers.
#[derive(Clone)]
pub(super) struct Connection {
    pub signal: Option<AbortSignal>,
    /// Milliseconds for which requests are made again while no byte arrives.
    pub patience: f64,
    /// Where models are looked up by name, without a slash at its end.
    pub hub: String,
    /// Shown to the hub, and to nobody else.
    pub token: Option<String>,
    /// What the one file is to have that is loaded from a URL, in hexadecimal digits.
    pub sha256: Option<String>,
    /// Where files are kept.
    pub store: Option<Store>,
    pub host: Host,
    /// What the load holds of the store.
    pub held: Rc<RefCell<HashSet<String>>>,
    /// The files of the load, as they were opened.
    pub opened: Rc<RefCell<Vec<Rc<RemoteFile>>>>,
}

/// Why a request has given nothing.
pub(super) enum Failure {
    /// The same request may succeed later, and not before so many milliseconds, where the server says so.
    Passing(Error, Option<f64>),
    Lasting(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Lasting(error)
    }
}

impl Connection {
    fn aborted(&self) -> bool {
        self.signal.as_ref().is_some_and(AbortSignal::aborted)
    }

    /// Waits while the caller has paused. Tells whether it had to.
    pub async fn resumed(&self) -> bool {
        let mut waited = false;
        while let Some(promise) = self.host.paused() {
            waited = true;
            let _ = JsFuture::from(promise).await;
        }
        waited
    }

    /// What a promise settles to; a stall is a failure.
    async fn settled(&self, promise: &Promise, url: &str, broken: &str) -> std::result::Result<JsValue, Failure> {
        let stall = self.patience * STALL;
        match within(promise, stall).await {
            Some(Ok(value)) => Ok(value),
            _ if self.aborted() => Err(Error::Aborted.into()),
            Some(Err(thrown)) => {
                Err(Failure::Passing(Error::Io(format!("{url}: {broken}{}", with_cause(&thrown))), None))
            }
            None => {
                let error = Error::Io(format!("{url}: the server has sent nothing for {} s", stall / 1000.0));
                Err(Failure::Passing(error, None))
            }
        }
    }

    /// Asks for a file, or for some of its bytes. Redirects are followed anew each time, since what they lead to may expire.
    pub async fn fetch(&self, url: &str, range: Option<Range<u64>>) -> std::result::Result<Response, Failure> {
        if self.aborted() {
            return Err(Error::Aborted.into());
        }
        let failed = |thrown: JsValue| Failure::Lasting(Error::Io(format!("{url}: {}", with_cause(&thrown))));
        let init = RequestInit::new();
        // A request that is given up must not keep a connection that others wait for.
        let own = AbortController::new().map_err(failed)?;
        let signals = [Some(own.signal()), self.signal.clone()].into_iter().flatten().collect::<Array>();
        init.set_signal(Some(&AbortSignal::any(&signals)));
        if self.store.is_some() {
            // What is kept once need not be kept twice.
            init.set_cache(RequestCache::NoStore);
        }
        let headers = Headers::new().map_err(failed)?;
        if let Some(range) = range {
            headers.set("range", &format!("bytes={}-{}", range.start, range.end - 1)).map_err(failed)?;
        }
        // `fetch` itself leaves this header out where a redirect leads to another origin.
        let at_hub = url.strip_prefix(&self.hub).is_some_and(|path| path.starts_with('/'));
        if let Some(token) = self.token.as_ref().filter(|_| at_hub) {
            headers.set("authorization", &format!("Bearer {token}")).map_err(failed)?;
        }
        init.set_headers(&headers);
        let function = global("fetch").ok_or_else(|| Error::Io("this environment has no fetch".to_owned()))?;
        let promise: Promise =
            function.call2(&JsValue::UNDEFINED, &url.into(), &init).map_err(failed)?.unchecked_into();
        let settled = self.settled(&promise, url, "").await;
        let response: Response = settled.inspect_err(|_| own.abort())?.unchecked_into();
        match response.status() {
            status @ (408 | 425 | 429 | 500 | 502..=504) => {
                let error = Error::Http(format!("{url}: the server answered {status} {}", response.status_text()));
                // The other form, a date, is as good as none.
                let seconds = header(&response, "retry-after").and_then(|value| value.trim().parse::<u32>().ok());
                Err(Failure::Passing(error, seconds.map(|seconds| f64::from(seconds) * 1000.0)))
            }
            status @ (401 | 403) if at_hub => {
                let advice = match self.token {
                    Some(_) => "the token is not allowed to read it, or its terms have to be accepted first",
                    None => "there is no such model, or it is gated: accept its terms on the hub, and give a token",
                };
                Err(Error::Http(format!("{url}: the server answered {status} {}; {advice}", response.status_text()))
                    .into())
            }
            _ => Ok(response),
        }
    }
}

pub(super) fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).ok().flatten()
}

/// What is left of a load's patience: all of it after every byte.
pub(super) struct Patience<'a> {
    connection: &'a Connection,
    /// When the last byte came, by the clock of `Date`.
    since: f64,
    attempts: i32,
}

impl<'a> Patience<'a> {
    pub fn new(connection: &'a Connection) -> Self {
        Self { connection, since: js_sys::Date::now(), attempts: 0 }
    }

    /// Something has come.
    pub fn renew(&mut self) {
        *self = Self::new(self.connection);
    }

    /// Waits until the request may be made again.
    ///
    /// # Errors
    /// What has failed, where that lasts or patience ends before; [`Error::Aborted`].
    pub async fn after(&mut self, failure: Failure) -> Result<()> {
        let (error, least) = match failure {
            Failure::Lasting(error) => return Err(error),
            Failure::Passing(error, least) => (error, least.unwrap_or(0.0)),
        };
        // Clients that have lost one server at once must not come back at once.
        let chance = 0.5 + js_sys::Math::random() / 2.0;
        let wait = (FIRST_PAUSE * 2f64.powi(self.attempts)).min(LONGEST_PAUSE) * chance;
        self.attempts = self.attempts.saturating_add(1).min(30);
        let wait = wait.max(least);
        // A clock that was set back gives no more than the patience once more.
        let waited = (js_sys::Date::now() - self.since).max(0.0);
        if waited + wait > self.connection.patience {
            return Err(given_up(error, waited));
        }
        // In a long wait others may stop bringing something.
        let first = wait.min(SILENCE * 1.1);
        for part in [first, wait - first].into_iter().filter(|part| *part > 0.0) {
            self.connection.host.retrying(&error);
            pause(part, self.connection.signal.as_ref()).await?;
        }
        Ok(())
    }
}

/// The error that was the last of several, with how long it has been so.
fn given_up(error: Error, waited: f64) -> Error {
    let tried = |text: String| format!("{text}; given up after {:.0} s without a byte", waited / 1000.0);
    match error {
        Error::Http(text) => Error::Http(tried(text)),
        Error::Io(text) => Error::Io(tried(text)),
        Error::Truncated(text) => Error::Truncated(tried(text)),
        other => other,
    }
}

/// A response's body as it arrives.
pub(super) struct Body<'a> {
    reader: Reader,
    url: &'a str,
    connection: &'a Connection,
}

enum Reader {
    /// Always into the same room: fresh memory for every chunk costs more than all else that is done with it.
    Into(ReadableStreamByobReader, Uint8Array),
    /// Where the platform has no such reader.
    Chunks(ReadableStreamDefaultReader),
}

/// Bytes that are read at once.
const ROOM: u32 = 1 << 18;

impl<'a> Body<'a> {
    pub fn new(response: &Response, url: &'a str, connection: &'a Connection) -> Result<Self> {
        let stream = response.body().ok_or_else(|| Error::Http(format!("{url}: the answer has no body")))?;
        let reader = match ReadableStreamByobReader::new(&stream) {
            Ok(reader) => Reader::Into(reader, Uint8Array::new_with_length(ROOM)),
            Err(_) => Reader::Chunks(stream.get_reader().unchecked_into()),
        };
        Ok(Self { reader, url, connection })
    }

    /// The next chunk, never empty and there until the one after it is asked for; `None` after the last.
    pub async fn next(&mut self) -> std::result::Result<Option<Uint8Array>, Failure> {
        loop {
            let promise = match &self.reader {
                Reader::Into(reader, room) => reader.read_with_array_buffer_view(room),
                Reader::Chunks(reader) => reader.read(),
            };
            let step = self.connection.settled(&promise, self.url, "the connection broke: ").await?;
            let field = |name: &str| Reflect::get(&step, &name.into()).unwrap_or(JsValue::UNDEFINED);
            if field("done").is_truthy() {
                return Ok(None);
            }
            let chunk: Uint8Array = field("value").unchecked_into();
            if let Reader::Into(_, room) = &mut self.reader {
                // What was given is detached; the same memory comes back as another object.
                *room = Uint8Array::new(&chunk.buffer());
            }
            if chunk.length() > 0 {
                return Ok(Some(chunk));
            }
        }
    }
}

impl Drop for Body<'_> {
    /// Ends the download where nobody reads on; a body read to its end does not mind.
    fn drop(&mut self) {
        let ignored = JsFuture::from(match &self.reader {
            Reader::Into(reader, _) => reader.cancel(),
            Reader::Chunks(reader) => reader.cancel(),
        });
        wasm_bindgen_futures::spawn_local(async move {
            let _ = ignored.await;
        });
    }
}
