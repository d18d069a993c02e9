//! Qwen2's pre-tokenizer, by hand: the alternatives of its regular expression, tried in order at each position.
//!
//! ```text
//! (?i:'s|'t|'re|'ve|'m|'ll|'d) | [^\r\n\p{L}\p{N}]?\p{L}+ | \p{N} | ?[^\s\p{L}\p{N}]+[\r\n]* | \s*[\r\n]+ | \s+(?!\S) | \s+
//! ```

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// The expression as tokenizer.json writes it; any other is refused.
pub(super) const QWEN2_PATTERN: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Splits `text` into pieces that byte-pair merging never crosses; together they are the whole text.
pub(super) fn pre_tokenize(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let length = match_length(rest)?;
        let (piece, after) = rest.split_at(length);
        rest = after;
        Some(piece)
    })
}

fn letter(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Letter
}

fn number(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Number
}

fn line_break(c: char) -> bool {
    matches!(c, '\r' | '\n')
}

fn other(c: char) -> bool {
    !c.is_whitespace() && !letter(c) && !number(c)
}

/// Bytes of the longest prefix of `text` whose characters all satisfy `keep`.
fn run(text: &str, keep: impl Fn(char) -> bool) -> usize {
    text.find(|c| !keep(c)).unwrap_or(text.len())
}

fn match_length(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    if let Some(length) = contraction(text) {
        return Some(length);
    }
    let after_first = &text[first.len_utf8()..];
    if letter(first) {
        return Some(run(text, letter));
    }
    if !line_break(first) && !number(first) && after_first.starts_with(letter) {
        return Some(first.len_utf8() + run(after_first, letter));
    }
    if number(first) {
        return Some(first.len_utf8());
    }
    let space = usize::from(first == ' ');
    let symbols = run(&text[space..], other);
    if symbols > 0 {
        let end = space + symbols;
        return Some(end + run(&text[end..], line_break));
    }
    Some(white_space(text))
}

/// A run of white space: up to its last line break; without one all of it, but for a last character that a word
/// could claim.
fn white_space(text: &str) -> usize {
    let length = run(text, char::is_whitespace);
    let blank = &text[..length];
    if let Some(at) = blank.rfind(line_break) {
        return at + 1;
    }
    if length == text.len() {
        return length;
    }
    let last = blank.chars().next_back().map_or(0, char::len_utf8);
    if length > last { length - last } else { length }
}

/// 's, 't, 're, 've, 'm, 'll, 'd in any case. Case folding makes U+017F an s.
fn contraction(text: &str) -> Option<usize> {
    let mut folded =
        text.strip_prefix('\'')?.chars().map(|c| if c == '\u{17f}' { 's' } else { c.to_ascii_lowercase() });
    let (one, two) = (folded.next()?, folded.next());
    let length = match (one, two) {
        ('s' | 't' | 'm' | 'd', _) => text[1..].chars().next()?.len_utf8(),
        ('r' | 'v', Some('e')) | ('l', Some('l')) => 2,
        _ => return None,
    };
    Some(1 + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_follow_the_expression() {
        let pieces = |text| pre_tokenize(text).collect::<Vec<_>>();
        assert_eq!(pieces("Hello, world! 12345"), ["Hello", ",", " world", "!", " ", "1", "2", "3", "4", "5"]);
        assert_eq!(pieces("  spaced  text\n"), [" ", " spaced", " ", " text", "\n"]);
        assert_eq!(pieces("I'LL don't"), ["I", "'LL", " don", "'t"]);
        assert_eq!(pieces(" \n \r\n  x"), [" \n \r\n", " ", " x"]);
        assert_eq!(pieces("a  1"), ["a", " ", " ", "1"]);
    }
}
