//! Files on disk (native builds).

use super::{ByteStream, Folder, Source, check_range};
use crate::{Error, Result};
use async_trait::async_trait;
use std::{
    cell::RefCell,
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
    rc::Rc,
};

const CHUNK: u64 = 1 << 20;

/// A file on disk.
pub struct FileSource {
    name: String,
    size: u64,
    file: RefCell<File>,
}

impl FileSource {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let name = path.as_ref().display().to_string();
        let failed = |e| Error::Io(format!("{name}: {e}"));
        let file = File::open(&path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        Ok(Self { name, size, file: RefCell::new(file) })
    }

    fn read_range(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        let end = offset.saturating_add(length);
        check_range(&self.name, self.size, &(offset..end))?;
        let mut file = self.file.borrow_mut();
        let mut bytes = vec![0; length as usize];
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|e| Error::Io(format!("{}: {e}", self.name)))?;
        Ok(bytes)
    }
}

#[async_trait(?Send)]
impl Source for FileSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.size
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        self.read_range(offset, length as u64)
    }

    async fn stream(&self, range: Range<u64>) -> Result<Box<dyn ByteStream + '_>> {
        Ok(Box::new(Chunks { file: self, range }))
    }
}

struct Chunks<'a> {
    file: &'a FileSource,
    range: Range<u64>,
}

#[async_trait(?Send)]
impl ByteStream for Chunks<'_> {
    async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let length = self.range.end.saturating_sub(self.range.start).min(CHUNK);
        if length == 0 {
            return Ok(None);
        }
        let chunk = self.file.read_range(self.range.start, length)?;
        self.range.start += length;
        Ok(Some(chunk))
    }
}

/// A folder on disk.
pub struct Directory {
    path: PathBuf,
    name: String,
}

impl Directory {
    /// The folder at `path`; it is looked at only when a file is opened.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { name: path.display().to_string(), path }
    }
}

#[async_trait(?Send)]
impl Folder for Directory {
    fn name(&self) -> &str {
        &self.name
    }

    async fn open(&self, file: &str) -> Result<Option<Rc<dyn Source>>> {
        let path = self.path.join(file);
        match std::fs::metadata(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            _ => Ok(Some(Rc::new(FileSource::open(path)?))),
        }
    }
}
