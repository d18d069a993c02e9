//! What JavaScript may name as a model, and where its files are.

use super::{
    blob::BlobSource,
    connection::Connection,
    http::{self, HttpFolder, Wanted},
};
use crate::{
    Error, Result,
    format::Checkpoint,
    source::{HubName, MemoryFolder, Source, part_names},
};
use js_sys::Array;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, File};

/// Opens a model: a name on the hub; the URL of a GGUF or one of its parts, of a folder (ending in a slash), or of a
/// safetensors file or index in it; a Blob of a GGUF; or an array of Files, the parts of a GGUF or those of a folder.
pub(super) async fn open(model: JsValue, connection: &Connection) -> Result<Checkpoint> {
    if let Some(text) = model.as_string() {
        let name = match text.contains("://") {
            true => HubName::from_url(&text, &connection.hub),
            false => Some(HubName::parse(&text)?),
        };
        return match name {
            Some(name) => open_name(&name, connection).await,
            None => open_url(text, connection).await,
        };
    }
    refuse_sha256(connection)?;
    if let Some(blob) = model.dyn_ref::<Blob>() {
        let name = model.dyn_ref::<File>().map_or_else(|| "the given blob".to_owned(), File::name);
        return Checkpoint::open_gguf(Rc::new(BlobSource::new(name, blob.clone()))).await;
    }
    match model.dyn_ref::<Array>() {
        Some(files) => open_files(files).await,
        None => Err(Error::InvalidRequest("the model is neither a URL, a Blob nor a list of files".to_owned())),
    }
}

async fn open_name(name: &HubName, connection: &Connection) -> Result<Checkpoint> {
    let chosen = http::look_up(name, connection).await?;
    if chosen.ggufs.is_empty() {
        refuse_sha256(connection)?;
        let url = chosen.folder.clone();
        return Checkpoint::open_folder(&HttpFolder { chosen: Some(chosen), url, connection }).await;
    }
    let mut parts: Vec<Wanted> = chosen.ggufs.iter().map(|file| Wanted::of(&chosen, file)).collect();
    match (&mut parts[..], &connection.sha256) {
        ([one], Some(sha256)) => one.sha256 = Some(sha256.clone()),
        (_, None) => (),
        _ => refuse_sha256(connection)?,
    }
    open_parts(parts, connection).await
}

/// A digest is never ignored.
fn refuse_sha256(connection: &Connection) -> Result<()> {
    match connection.sha256 {
        Some(_) => Err(Error::InvalidRequest("sha256 is for a model of one file that is downloaded".to_owned())),
        None => Ok(()),
    }
}

async fn open_url(url: String, connection: &Connection) -> Result<Checkpoint> {
    let path = &url[..url.find(['?', '#']).unwrap_or(url.len())];
    let in_folder = path.ends_with(".safetensors") || path.ends_with(".safetensors.index.json");
    if in_folder || url.ends_with('/') {
        refuse_sha256(connection)?;
        let folder = &path[..=path.rfind('/').unwrap_or(0)];
        return Checkpoint::open_folder(&HttpFolder { chosen: None, url: folder.to_owned(), connection }).await;
    }
    let urls = part_names(&url).unwrap_or_else(|| vec![url]);
    if urls.len() > 1 {
        refuse_sha256(connection)?;
    }
    let wanted = |url| Wanted { url, pinned: false, sha256: connection.sha256.clone() };
    open_parts(urls.into_iter().map(wanted).collect(), connection).await
}

async fn open_parts(parts: Vec<Wanted>, connection: &Connection) -> Result<Checkpoint> {
    let mut sources = Vec::new();
    for part in parts {
        let source = http::open(&part, connection).await?;
        sources.push(source.ok_or_else(|| Error::Http(format!("{}: the server answered 404", part.url)))?);
    }
    Checkpoint::open_gguf_parts(sources).await
}

async fn open_files(files: &Array) -> Result<Checkpoint> {
    let mut sources: Vec<(String, Rc<dyn Source>)> = Vec::new();
    for file in files.iter() {
        let Ok(file) = file.dyn_into::<File>() else {
            return Err(Error::InvalidRequest("the list of a model's files has something that is no File".to_owned()));
        };
        let name = file.name();
        sources.push((name.clone(), Rc::new(BlobSource::new(name, file.into()))));
    }
    if sources.iter().all(|(name, _)| name.to_ascii_lowercase().ends_with(".gguf")) {
        // A picker gives files in an order of its own.
        sources.sort_by(|(a, _), (b, _)| a.cmp(b));
        return Checkpoint::open_gguf_parts(sources.into_iter().map(|(_, source)| source).collect()).await;
    }
    let mut folder = MemoryFolder::default();
    for (name, source) in sources {
        folder.insert(name, source);
    }
    Checkpoint::open_folder(&folder).await
}
