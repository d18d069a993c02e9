//! Byte-pair merging: the best-ranked pair of neighbours is merged, leftmost first, until none is left.

use super::read::Pair;
use crate::{Error, Result};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

/// The merges of a vocabulary, by pairs of ids.
pub(super) struct BytePair {
    /// (left, right) -> (rank, merged)
    merges: HashMap<(u32, u32), (u32, u32)>,
    /// The token of each single byte.
    bytes: [u32; 256],
}

const NONE: usize = usize::MAX;

struct Symbol {
    id: u32,
    previous: usize,
    next: usize,
    /// Cleared once the symbol has been merged into its left neighbour.
    alive: bool,
}

impl BytePair {
    /// `merges` are pairs of token bytes, best first; `ids` gives a token's id.
    pub(super) fn new(ids: impl Fn(&[u8]) -> Option<u32>, merges: impl Iterator<Item = Result<Pair>>) -> Result<Self> {
        let mut bytes = [0; 256];
        for byte in 0..=u8::MAX {
            bytes[byte as usize] = ids(&[byte]).ok_or_else(|| {
                Error::Tokenizer(format!("no token for byte {byte:#04x}; a byte-level vocabulary has all 256"))
            })?;
        }
        let mut table = HashMap::with_capacity(merges.size_hint().0);
        for (rank, merge) in merges.enumerate() {
            let (left, right) = merge?;
            let id = |token: &[u8]| {
                ids(token).ok_or_else(|| {
                    Error::Tokenizer(format!(
                        "merge {rank} names {:?}, which is not in the vocabulary",
                        String::from_utf8_lossy(token)
                    ))
                })
            };
            let merged = id(&[left.as_slice(), &right].concat())?;
            table.entry((id(&left)?, id(&right)?)).or_insert((rank as u32, merged));
        }
        Ok(Self { merges: table, bytes })
    }

    /// Appends the ids of one piece. Takes n log n steps for n bytes.
    pub(super) fn encode(&self, piece: &[u8], ids: &mut Vec<u32>) {
        let last = piece.len().wrapping_sub(1);
        let mut symbols: Vec<Symbol> = piece
            .iter()
            .enumerate()
            .map(|(at, byte)| Symbol {
                id: self.bytes[*byte as usize],
                previous: at.wrapping_sub(1),
                next: if at == last { NONE } else { at + 1 },
                alive: true,
            })
            .collect();
        let mut queue = BinaryHeap::new();
        for left in 0..symbols.len() {
            self.propose(&symbols, left, &mut queue);
        }
        while let Some(Reverse((_, left, pair, merged))) = queue.pop() {
            let right = symbols[left].next;
            // A proposal is stale once either neighbour has been merged away or changed.
            if !symbols[left].alive || right == NONE || (symbols[left].id, symbols[right].id) != pair {
                continue;
            }
            symbols[left].id = merged;
            symbols[right].alive = false;
            let after = symbols[right].next;
            symbols[left].next = after;
            if after != NONE {
                symbols[after].previous = left;
            }
            self.propose(&symbols, left, &mut queue);
            if symbols[left].previous != NONE {
                self.propose(&symbols, symbols[left].previous, &mut queue);
            }
        }
        ids.extend(symbols.iter().filter(|symbol| symbol.alive).map(|symbol| symbol.id));
    }

    #[expect(clippy::type_complexity, reason = "the tuple's order is the queue's order: rank, then position")]
    fn propose(&self, symbols: &[Symbol], left: usize, queue: &mut BinaryHeap<Reverse<(u32, usize, (u32, u32), u32)>>) {
        let right = symbols[left].next;
        if right == NONE {
            return;
        }
        let pair = (symbols[left].id, symbols[right].id);
        if let Some((rank, merged)) = self.merges.get(&pair) {
            queue.push(Reverse((*rank, left, pair, *merged)));
        }
    }
}
