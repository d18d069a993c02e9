//! Caches, each with what it holds: one for requests that name no session, and one for each session.

use super::generation::common_length;
use crate::{Error, Result, backend::Backend};

/// A cache and the tokens in it.
pub(super) struct Slot<B: Backend> {
    pub cache: B::Cache,
    /// The tokens whose entries the cache holds, in order, as far as they are known. Past them there may be entries of
    /// tokens that are under way, or that turned out to lie beyond a reply's end; who comes next writes over those.
    pub cached: Vec<u32>,
    /// The generation that used the cache last.
    pub last_used_by: usize,
    /// The tokens of a saved session whose entries are being written, and how many layers have been.
    pub restoring: Option<(Vec<u32>, usize)>,
}

/// Caches by number. Number 0 is always there.
pub(super) struct Slots<B: Backend>(Vec<Option<Slot<B>>>);

impl<B: Backend> Slots<B> {
    pub fn new(cache: B::Cache, cached: Vec<u32>) -> Self {
        Self(vec![Some(Slot { cache, cached, last_used_by: 0, restoring: None })])
    }

    /// Adds an empty cache, and gives its number, which no other has had.
    pub fn add(&mut self, cache: B::Cache) -> usize {
        self.0.push(Some(Slot { cache, cached: Vec::new(), last_used_by: 0, restoring: None }));
        self.0.len() - 1
    }

    /// Takes a cache out, but for the one that is always there.
    pub fn remove(&mut self, number: usize) -> Option<Slot<B>> {
        if number > 0 { self.0.get_mut(number)?.take() } else { None }
    }

    /// # Errors
    /// [`Error::InvalidRequest`] where there is none of that number.
    pub fn get(&self, number: usize) -> Result<&Slot<B>> {
        self.0.get(number).and_then(Option::as_ref).ok_or_else(|| missing(number))
    }

    /// # Errors
    /// As [`Slots::get`].
    pub fn get_mut(&mut self, number: usize) -> Result<&mut Slot<B>> {
        self.0.get_mut(number).and_then(Option::as_mut).ok_or_else(|| missing(number))
    }

    /// Of all caches the one that holds most of the beginning of these tokens, that of `number` where others hold no more; and
    /// how many tokens it holds.
    pub fn holder(&self, number: usize, tokens: &[u32]) -> (usize, usize) {
        let held = |slot: &Option<Slot<B>>| slot.as_ref().map_or(0, |slot| common_length(&slot.cached, tokens));
        let mut best = (number, self.0.get(number).map_or(0, held));
        for (other, slot) in self.0.iter().enumerate() {
            if held(slot) > best.1 {
                best = (other, held(slot));
            }
        }
        best
    }

    /// Has a cache take over from another one what that holds of the beginning of these tokens, if that is more.
    ///
    /// # Errors
    /// As [`Slots::get`].
    pub fn share(&mut self, backend: &mut B, number: usize, tokens: &[u32]) -> Result<()> {
        let (holder, held) = self.holder(number, tokens);
        if holder != number
            && let Ok([Some(from), Some(to)]) = self.0.get_disjoint_mut([holder, number])
        {
            backend.copy_cache(&from.cache, &mut to.cache, held);
            to.cached.clear();
            to.cached.extend_from_slice(&tokens[..held]);
        }
        Ok(())
    }

    /// Forgets what the caches hold: where one was found to be wrong, others may have it from there.
    pub fn forget(&mut self) {
        for slot in self.0.iter_mut().flatten() {
            slot.cached.clear();
            slot.last_used_by = 0;
        }
    }

    /// Tokens in all caches.
    pub fn tokens(&self) -> usize {
        self.0.iter().flatten().map(|slot| slot.cached.len()).sum()
    }
}

fn missing(number: usize) -> Error {
    Error::InvalidRequest(format!("there is no session {number}; it may have been disposed of"))
}
