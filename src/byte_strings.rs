//! Many short strings of bytes in two allocations: a vocabulary has 150,000, and an allocation each would take four times as much.

/// A list of byte strings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByteStrings {
    bytes: Vec<u8>,
    /// Where each string ends.
    ends: Vec<u32>,
}

impl ByteStrings {
    /// Adds a string. Those of one list have at most 4 GiB together.
    pub fn push(&mut self, string: impl IntoIterator<Item = u8>) {
        self.bytes.extend(string);
        self.ends.push(self.bytes.len() as u32);
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)? as usize;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        Some(&self.bytes[start..end])
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}
