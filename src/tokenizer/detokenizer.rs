//! Text from tokens as they come, never half a character.

use super::Tokenizer;

/// Holds back the bytes of a character until its last one has come.
#[derive(Clone, Debug, Default)]
pub struct DetokenizerStream {
    pending: Vec<u8>,
}

impl DetokenizerStream {
    /// The text that is certain after one more token. Control tokens show nothing; bytes that can never become UTF-8
    /// are U+FFFD.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> String {
        if !tokenizer.is_control(id) {
            self.pending.extend_from_slice(tokenizer.token_bytes(id));
        }
        let mut text = String::new();
        let mut taken = 0;
        for chunk in self.pending.utf8_chunks() {
            let end = taken + chunk.valid().len() + chunk.invalid().len();
            text += chunk.valid();
            taken += chunk.valid().len();
            if chunk.invalid().is_empty() || (end == self.pending.len() && could_continue(chunk.invalid())) {
                break;
            }
            text.push('\u{FFFD}');
            taken = end;
        }
        self.pending.drain(..taken);
        text
    }

    /// What is left when no more tokens come: U+FFFD for a character that was never finished.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }
}

/// Whether more bytes could make a character of these.
fn could_continue(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}
