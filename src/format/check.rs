//! What every format's tensors must satisfy before anything is loaded.

use super::{TensorInfo, TensorName};
use crate::{Error, Result, model::Config, source::Source};
use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

/// A tensor as a file lists it: `None` for the name of one that PLM does not have.
pub(super) type Listed = (Option<TensorName>, TensorInfo);

/// Checks the configuration, and that every tensor it calls for is listed once, has the right shape, and lies inside
/// its file apart from all others. Tensors that PLM does not have are dropped.
pub(super) fn tensors(
    config: &Config,
    listed: Vec<Listed>,
    sources: &[Rc<dyn Source>],
) -> Result<HashMap<TensorName, TensorInfo>> {
    config.validate()?;
    places(&listed, sources)?;
    let mut tensors = HashMap::new();
    for (name, info) in listed {
        if let Some(name) = name {
            tensors.insert(name, info);
        }
    }
    let mut needed = HashMap::new();
    for name in TensorName::all(config) {
        let Some(info) = tensors.remove(&name) else {
            return Err(Error::Missing(format!("tensor {name}")));
        };
        let expected = name.shape(config);
        if info.shape != expected {
            return Err(Error::Malformed(format!(
                "{} has shape {:?}; the configuration asks for {expected:?}",
                info.name, info.shape
            )));
        }
        needed.insert(name, info);
    }
    Ok(needed)
}

/// Names are unique, lengths follow from shapes, and ranges lie inside their files without overlap.
fn places(listed: &[Listed], sources: &[Rc<dyn Source>]) -> Result<()> {
    let mut names = HashSet::new();
    for (_, info) in listed {
        if !names.insert(info.name.as_str()) {
            return Err(Error::Malformed(format!("tensor {} is listed twice", info.name)));
        }
        let expected = byte_length(info)?;
        if info.byte_length != expected {
            return Err(Error::Malformed(format!(
                "{} has {} bytes; {} of shape {:?} takes {expected}",
                info.name, info.byte_length, info.element_type, info.shape
            )));
        }
        let source = &sources[info.source];
        let end = info.offset.checked_add(info.byte_length);
        if end.is_none_or(|end| end > source.size()) {
            return Err(Error::Truncated(format!(
                "{}: {} takes {} bytes from offset {}, but the file has {} bytes",
                source.name(),
                info.name,
                info.byte_length,
                info.offset,
                source.size()
            )));
        }
    }
    let mut order: Vec<&TensorInfo> = listed.iter().map(|(_, info)| info).filter(|info| info.byte_length > 0).collect();
    order.sort_by_key(|info| (info.source, info.offset));
    for pair in order.windows(2) {
        if pair[0].source == pair[1].source && pair[0].offset + pair[0].byte_length > pair[1].offset {
            return Err(Error::Malformed(format!("tensors {} and {} overlap", pair[0].name, pair[1].name)));
        }
    }
    Ok(())
}

/// The bytes that a tensor of this type and shape takes. Blocks never span rows.
pub(super) fn byte_length(info: &TensorInfo) -> Result<u64> {
    let block = info.element_type.block_elements();
    let row = info.shape.last().copied().unwrap_or(1);
    if !row.is_multiple_of(block) {
        return Err(Error::Malformed(format!(
            "{} has rows of {row} elements, which is no whole number of {} blocks of {block}",
            info.name, info.element_type
        )));
    }
    let elements = info.shape.iter().try_fold(1u64, |product, &length| product.checked_mul(length as u64));
    elements.and_then(|elements| info.element_type.byte_length(elements)).ok_or_else(|| {
        Error::Malformed(format!("{} has shape {:?}, which is too large to be true", info.name, info.shape))
    })
}

/// What a file that is no model seems to be, by its first bytes.
pub(super) fn describe(start: &[u8]) -> String {
    let text = String::from_utf8_lossy(start);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let lower: String = text.chars().take(64).flat_map(char::to_lowercase).collect();
    if start.is_empty() {
        "an empty file".into()
    } else if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
        "an HTML page".into()
    } else if lower.starts_with('<') {
        "an XML or HTML page".into()
    } else if lower.starts_with("version https://git-lfs") {
        "a Git LFS pointer, not the file that it points to".into()
    } else if start.starts_with(b"PK\x03\x04") {
        "a ZIP archive".into()
    } else if start.starts_with(b"GGUF") {
        "a GGUF file".into()
    } else if start.get(8) == Some(&b'{') && start.get(4..8) == Some(&[0; 4]) {
        "a safetensors file".into()
    } else if lower.starts_with('{') {
        "JSON".into()
    } else {
        format!("a file that starts with {:?}", text.chars().take(16).collect::<String>())
    }
}
