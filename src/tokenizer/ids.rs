//! The ids of tokens by their bytes, which the table does not hold a second time.

use crate::byte_strings::ByteStrings;
use hashbrown::{HashTable, hash_table::Entry};
use std::hash::{BuildHasher, RandomState};

/// A table of ids, to be asked together with the tokens that it was made of.
pub(super) struct Ids {
    table: HashTable<u32>,
    hasher: RandomState,
}

impl Ids {
    /// `ids` are those of the tokens that text gives; of several with the same bytes the last one counts.
    pub(super) fn new(ids: &[u32], tokens: &ByteStrings) -> Self {
        let mut found = Self { table: HashTable::with_capacity(ids.len()), hasher: RandomState::new() };
        let Self { table, hasher } = &mut found;
        let bytes = |id: u32| tokens.get(id as usize).unwrap_or_default();
        for &id in ids {
            let hash = hasher.hash_one(bytes(id));
            match table.entry(hash, |other| bytes(*other) == bytes(id), |other| hasher.hash_one(bytes(*other))) {
                Entry::Occupied(mut there) => *there.get_mut() = id,
                Entry::Vacant(vacant) => drop(vacant.insert(id)),
            }
        }
        found
    }

    pub(super) fn get(&self, bytes: &[u8], tokens: &ByteStrings) -> Option<u32> {
        let same = |id: &u32| tokens.get(*id as usize) == Some(bytes);
        self.table.find(self.hasher.hash_one(bytes), same).copied()
    }
}
