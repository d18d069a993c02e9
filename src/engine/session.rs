//! Conversations with caches of their own, and as bytes.
//!
//! A saved session is a head and then each layer: a checksum (u64) and its entries, as [`Backend::read_cache`] gives them. The head, all numbers with the
//! lowest byte first: "PLUMEses", a version (u32), the fingerprint of the weights (u64), the format of the entries (4 bytes),
//! the number of layers (u32), the number of tokens (u32), and the tokens (u32 each).

use super::Engine;
use crate::{Error, Result, backend::Backend};

const MAGIC: [u8; 8] = *b"PLUMEses";
const VERSION: u32 = 1;

impl<B: Backend> Engine<B> {
    /// Reserves a cache for a conversation of its own, and gives its number, which requests name.
    ///
    /// # Errors
    /// [`Error::OutOfDeviceMemory`] where it does not fit.
    pub async fn open_session(&mut self) -> Result<usize> {
        let cache = self.backend.try_create_cache(&self.config, self.prompts.context_length).await?;
        Ok(self.slots.add(cache))
    }

    /// Frees a session's cache. Its replies under way end with an error.
    pub fn close_session(&mut self, session: usize) {
        if let Some(slot) = self.slots.remove(session) {
            self.backend.release_cache(slot.cache);
        }
    }

    /// The head of a saved session.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] where there is no such session.
    pub fn session_head(&self, session: usize) -> Result<Vec<u8>> {
        let tokens = &self.slots.get(session)?.cached;
        let mut head = MAGIC.to_vec();
        head.extend(VERSION.to_le_bytes());
        head.extend(self.weights.fingerprint.to_le_bytes());
        head.extend(self.backend.cache_format());
        head.extend((self.config.num_hidden_layers as u32).to_le_bytes());
        head.extend((tokens.len() as u32).to_le_bytes());
        head.extend(tokens.iter().flat_map(|token| token.to_le_bytes()));
        Ok(head)
    }

    /// A layer of a saved session.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] where there is no such session or layer; else what the backend gives.
    pub async fn session_layer(&mut self, session: usize, layer: usize) -> Result<Vec<u8>> {
        if layer >= self.config.num_hidden_layers {
            return Err(Error::InvalidRequest(format!("there is no layer {layer}")));
        }
        let slot = self.slots.get(session)?;
        let entries = self.backend.read_cache(&slot.cache, layer, slot.cached.len()).await?;
        Ok([&checksum(&entries).to_le_bytes(), &entries[..]].concat())
    }

    /// Opens a session with the head of a saved one, whose layers [`Engine::restore_layer`] is to be given next. Gives its number
    /// and how many layers are wanted: none where they were saved by another kind of device, and are to be computed again.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] where these are not the bytes of a session of this model; else as [`Engine::open_session`].
    pub async fn restore_session(&mut self, head: &[u8]) -> Result<(usize, usize)> {
        let invalid = |what: &str| Error::InvalidRequest(format!("these are not the bytes of a session: {what}"));
        let mut rest = head;
        if take(&mut rest) != Some(MAGIC) {
            return Err(invalid("they begin otherwise"));
        }
        let cut = || invalid("they are cut");
        let version = take(&mut rest).map(u32::from_le_bytes).ok_or_else(cut)?;
        if version != VERSION {
            return Err(invalid(&format!("their version is {version}; expected {VERSION}")));
        }
        let fingerprint = take(&mut rest).map(u64::from_le_bytes).ok_or_else(cut)?;
        let format: [u8; 4] = take(&mut rest).ok_or_else(cut)?;
        let layers = take(&mut rest).map(u32::from_le_bytes).ok_or_else(cut)?;
        if fingerprint != self.weights.fingerprint || layers as usize != self.config.num_hidden_layers {
            return Err(Error::InvalidRequest("this session was saved from another model".to_owned()));
        }
        let count = take(&mut rest).map(u32::from_le_bytes).ok_or_else(cut)? as usize;
        if count > self.context_length() {
            let room = self.context_length();
            return Err(Error::ContextFull(format!("the session has {count} tokens and the context holds {room}")));
        }
        if rest.len() != count * 4 {
            return Err(cut());
        }
        let tokens: Vec<u32> = std::iter::from_fn(|| take(&mut rest).map(u32::from_le_bytes)).collect();
        if let Some(token) = tokens.iter().find(|token| **token as usize >= self.config.vocab_size) {
            return Err(invalid(&format!("token {token} is none of the model's")));
        }
        let session = self.open_session().await?;
        if format != self.backend.cache_format() {
            return Ok((session, 0));
        }
        self.slots.get_mut(session)?.restoring = Some((tokens, 0));
        Ok((session, layers as usize))
    }

    /// Writes the next layer of a session that is being restored.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] where that is not so, or the bytes are not as many as they should be.
    pub fn restore_layer(&mut self, session: usize, bytes: &[u8]) -> Result<()> {
        let slot = self.slots.get_mut(session)?;
        let Some((tokens, layer)) = slot.restoring.take() else {
            return Err(Error::InvalidRequest("this session is not being restored".to_owned()));
        };
        let mut entries = bytes;
        if take(&mut entries).map(u64::from_le_bytes) != Some(checksum(entries)) {
            return Err(Error::InvalidRequest(
                "these are not the bytes of a session: a layer is not what was saved".to_owned(),
            ));
        }
        self.backend.write_cache(&mut slot.cache, layer, tokens.len(), entries)?;
        if layer + 1 < self.config.num_hidden_layers {
            slot.restoring = Some((tokens, layer + 1));
        } else {
            slot.cached = tokens;
        }
        Ok(())
    }
}

/// FNV-1a of words of 64 bits, of which the last may be cut: against accidents, not against people.
fn checksum(bytes: &[u8]) -> u64 {
    let word = |chunk: &[u8]| chunk.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    bytes.chunks(8).fold(0xcbf2_9ce4_8422_2325, |hash, chunk| (hash ^ word(chunk)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The next bytes, if there are so many.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*first)
}
