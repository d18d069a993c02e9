//! The byte-level alphabet of GPT-2: every byte as one printable character, so that vocabularies can be kept as text.
//! Printable Latin-1 bytes stand for themselves; the other 68 are U+0100, U+0101, and so on, in order.

fn stands_for_itself(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

/// The bytes that `text` spells, or `None` where a character is not of the alphabet.
pub(super) fn bytes_of(text: &str) -> Option<Vec<u8>> {
    text.chars().map(byte_of).collect()
}

fn byte_of(c: char) -> Option<u8> {
    let code = u32::from(c);
    match u8::try_from(code) {
        Ok(byte) => stands_for_itself(byte).then_some(byte),
        Err(_) => (0..=u8::MAX).filter(|byte| !stands_for_itself(*byte)).nth((code - 0x100) as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_is_gpt_2s() {
        assert_eq!(bytes_of("Ġthe"), Some(b" the".to_vec()));
        assert_eq!(bytes_of("Ċ"), Some(b"\n".to_vec()));
        assert_eq!(bytes_of("Ń"), Some(vec![0xAD]));
        assert_eq!(bytes_of("Ã©"), Some("é".as_bytes().to_vec()));
        assert_eq!(bytes_of("ń"), None);
        assert_eq!(bytes_of(" "), None);
    }
}
