//! Bytes that are already in memory.

use super::{ByteStream, Folder, Source, check_range};
use crate::Result;
use async_trait::async_trait;
use std::{collections::HashMap, ops::Range, rc::Rc};

/// A file held in memory.
pub struct MemorySource {
    name: String,
    bytes: Vec<u8>,
}

impl MemorySource {
    /// `name` is what messages call it.
    pub fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), bytes }
    }

    fn slice(&self, range: Range<u64>) -> Result<&[u8]> {
        check_range(&self.name, self.size(), &range)?;
        Ok(&self.bytes[range.start as usize..range.end as usize])
    }
}

#[async_trait(?Send)]
impl Source for MemorySource {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        Ok(self.slice(offset..offset.saturating_add(length as u64))?.to_vec())
    }

    async fn stream(&self, range: Range<u64>) -> Result<Box<dyn ByteStream + '_>> {
        Ok(Box::new(Chunks { rest: self.slice(range)? }))
    }
}

struct Chunks<'a> {
    rest: &'a [u8],
}

#[async_trait(?Send)]
impl ByteStream for Chunks<'_> {
    async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let (chunk, rest) = self.rest.split_at(self.rest.len().min(1 << 20));
        self.rest = rest;
        Ok((!chunk.is_empty()).then(|| chunk.to_vec()))
    }
}

/// Named files held in memory.
#[derive(Default)]
pub struct MemoryFolder {
    files: HashMap<String, Rc<dyn Source>>,
}

impl MemoryFolder {
    /// Adds a file, or replaces the one of the same name.
    pub fn insert(&mut self, file: impl Into<String>, source: Rc<dyn Source>) {
        self.files.insert(file.into(), source);
    }
}

#[async_trait(?Send)]
impl Folder for MemoryFolder {
    fn name(&self) -> &str {
        "the given files"
    }

    async fn open(&self, file: &str) -> Result<Option<Rc<dyn Source>>> {
        Ok(self.files.get(file).cloned())
    }
}
