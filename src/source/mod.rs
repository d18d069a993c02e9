//! Where bytes come from. Every loader works on byte ranges; nothing ever asks for a whole weights file in one buffer.

#[cfg(not(target_arch = "wasm32"))]
mod directory;
mod hub;
mod memory;
mod parts;

#[cfg(not(target_arch = "wasm32"))]
pub use directory::{Directory, FileSource};
pub use hub::{Chosen, HubName, Listing};
pub use memory::{MemoryFolder, MemorySource};
pub use parts::part_names;

use crate::{Error, Result};
use async_trait::async_trait;
use std::{ops::Range, rc::Rc};

/// One file, read by byte ranges.
#[async_trait(?Send)]
pub trait Source {
    /// A name for messages: a path, a URL, a file's name.
    fn name(&self) -> &str;
    /// The file's size in bytes. Never zero-cost to trust: headers are checked against it, not the other way round.
    fn size(&self) -> u64;
    /// Begins to fetch what [`Source::stream`] will give from the file's start, where that takes time.
    fn prefetch(&self) {}
    /// The bytes from `offset`, exactly `length` of them.
    ///
    /// # Errors
    /// [`crate::Error::Truncated`] where the range ends past the end of the file (checked before anything is
    /// allocated); [`crate::Error::Io`] or [`crate::Error::Http`] where reading fails.
    async fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>>;
    /// The bytes of `range` in order, in chunks of the source's own choosing (at most a few MiB each).
    ///
    /// # Errors
    /// As [`Source::read`].
    async fn stream(&self, range: Range<u64>) -> Result<Box<dyn ByteStream + '_>>;
}

/// Checks that a file of `size` bytes has all of a range.
///
/// # Errors
/// [`Error::Truncated`].
pub(crate) fn check_range(name: &str, size: u64, range: &Range<u64>) -> Result<()> {
    if range.start <= range.end && range.end <= size {
        return Ok(());
    }
    let Range { start, end } = range;
    Err(Error::Truncated(format!("{name}: bytes {start}..{end} were expected, but the file has {size} bytes")))
}

/// The bytes of one range, as they arrive.
#[async_trait(?Send)]
pub trait ByteStream {
    /// The next chunk (never empty), or `None` once the whole range has been given out.
    async fn next(&mut self) -> Result<Option<Vec<u8>>>;
}

/// Files that belong together: a Hugging Face folder on disk, on a server, or in memory.
#[async_trait(?Send)]
pub trait Folder {
    /// A name for messages.
    fn name(&self) -> &str;
    /// The file of this name, or `None` where the folder has no such file.
    async fn open(&self, file: &str) -> Result<Option<Rc<dyn Source>>>;
}
