//! What a reply must keep to, such as a grammar.

use crate::Result;

/// Says, token by token, what may come next.
pub trait Constraint {
    /// The tokens that may come next: 32 a word, the first in the lowest bit. There is at least one, and a stop token among them
    /// where the reply may end.
    ///
    /// # Errors
    /// Where that takes too long to find out.
    fn allowed(&mut self) -> Result<Vec<u32>>;

    /// Goes on after a token that was allowed and is no stop token. Tells whether the reply is complete, and nothing may follow.
    ///
    /// # Errors
    /// As [`Constraint::allowed`].
    fn accept(&mut self, id: u32) -> Result<bool>;
}
