//! Names of models on a hub that answers as Hugging Face's does: its listing of a repository, and which files of it a name means.

use super::parts::part_names;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What a name asks for: `owner/model`, `owner/model:FILE`, `owner/model@revision` or `owner/model@revision:FILE`, FILE being a
/// quantisation such as `Q4_K_M`, or a file's whole name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubName {
    repository: String,
    revision: String,
    file: Option<String>,
}

/// A hub's answer about a repository, as far as it is read.
#[derive(Debug, Deserialize)]
pub struct Listing {
    /// The commit that the revision stands for.
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Debug, Deserialize)]
struct Sibling {
    rfilename: String,
    lfs: Option<LargeFile>,
}

#[derive(Debug, Deserialize)]
struct LargeFile {
    sha256: Option<String>,
}

/// What a name means. URLs name the commit, so that what is loaded later is of the same one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// The folder's URL, ending in a slash.
    pub folder: String,
    /// The GGUF, or its parts in order, as paths in the folder; none where the folder's safetensors are meant.
    pub ggufs: Vec<String>,
    /// The paths of all files, each with its SHA-256 in hexadecimal digits where the hub knows it.
    files: HashMap<String, Option<String>>,
}

impl HubName {
    /// # Errors
    /// [`Error::InvalidRequest`] where the text is no such name.
    pub fn parse(text: &str) -> Result<Self> {
        let (rest, file) = match text.split_once(':') {
            Some((rest, file)) => (rest, Some(file)),
            None => (text, None),
        };
        let (repository, revision) = rest.split_once('@').unwrap_or((rest, "main"));
        if !is_repository(repository) || revision.is_empty() || file.is_some_and(str::is_empty) {
            return Err(Error::InvalidRequest(format!(
                "{text:?} is no URL and no name of a model; expected owner/model, owner/model:Q4_K_M or owner/model@revision"
            )));
        }
        let [repository, revision] = [repository, revision].map(str::to_owned);
        Ok(Self { repository, revision, file: file.map(str::to_owned) })
    }

    /// The name that the URL of a page or GGUF on the hub stands for: `HUB/owner/model`, alone or with `/tree/REVISION`,
    /// `/blob/REVISION/FILE` or `/resolve/REVISION/FILE`. `None` for any other URL, which means what it says.
    pub fn from_url(url: &str, hub: &str) -> Option<Self> {
        let path = url.strip_prefix(hub)?.strip_prefix('/')?;
        let path = path.split(['?', '#']).next()?.trim_end_matches('/');
        let mut segments = path.split('/').map(decoded);
        let repository = format!("{}/{}", segments.next()??, segments.next()??);
        if !is_repository(&repository) {
            return None;
        }
        let kind = segments.next();
        let rest = segments.collect::<Option<Vec<_>>>()?;
        let (revision, file) = match (kind, rest.split_first()) {
            (None, _) => ("main".to_owned(), None),
            (Some(Some(kind)), Some((revision, []))) if kind == "tree" => (revision.clone(), None),
            (Some(Some(kind)), Some((revision, file))) if kind == "blob" || kind == "resolve" => {
                (revision.clone(), Some(Some(file.join("/")).filter(|file| is_gguf(file))?))
            }
            _ => return None,
        };
        Some(Self { repository, revision, file })
    }

    /// Where the hub lists the repository's files.
    pub fn listing_url(&self, hub: &str) -> String {
        format!("{hub}/api/models/{}/revision/{}?blobs=true", self.repository, encoded(&self.revision))
    }

    /// The files that the name means.
    ///
    /// # Errors
    /// [`Error::Missing`] where no file fits, and [`Error::InvalidRequest`] where several do; both name what there is.
    pub fn choose(&self, hub: &str, listing: &Listing) -> Result<Chosen> {
        let files: Vec<&str> = listing.siblings.iter().map(|file| file.rfilename.as_str()).collect();
        // Of a file in parts, the first stands for all.
        let ggufs: Vec<&str> = files
            .iter()
            .copied()
            .filter(|file| is_gguf(file) && part_names(file).is_none_or(|parts| parts[0] == *file))
            .collect();
        let has_safetensors = files.contains(&"model.safetensors") || files.contains(&"model.safetensors.index.json");
        let fitting: Vec<&str> = match &self.file {
            None => ggufs.clone(),
            Some(wanted) => match ggufs.iter().copied().find(|file| file == wanted) {
                Some(file) => vec![file],
                None => ggufs.iter().copied().filter(|file| is_quantised(file, wanted)).collect(),
            },
        };
        let repository = &self.repository;
        let ggufs = match fitting[..] {
            [] if self.file.is_none() && has_safetensors => Vec::new(),
            [file] => part_names(file).unwrap_or_else(|| vec![file.to_owned()]),
            [] => {
                let wanted = self.file.as_ref().map_or_else(|| "GGUF".to_owned(), |wanted| format!("{wanted} GGUF"));
                let there = if ggufs.is_empty() { "no GGUF at all".to_owned() } else { ggufs.join(", ") };
                return Err(Error::Missing(format!("{repository} has no {wanted}; there is {there}")));
            }
            _ => {
                return Err(Error::InvalidRequest(format!(
                    "{repository} has several files that fit; name one, as in {repository}:Q4_K_M: {}",
                    fitting.join(", ")
                )));
            }
        };
        let digest = |file: &Sibling| file.lfs.as_ref().and_then(|lfs| lfs.sha256.clone());
        Ok(Chosen {
            folder: format!("{hub}/{repository}/resolve/{}/", encoded(&listing.sha)),
            ggufs,
            files: listing.siblings.iter().map(|file| (file.rfilename.clone(), digest(file))).collect(),
        })
    }

    /// The file that is named, or the quantisation.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }
}

impl Chosen {
    /// The URL of a file in the folder.
    pub fn url(&self, file: &str) -> String {
        let path: Vec<_> = file.split('/').map(encoded).collect();
        format!("{}{}", self.folder, path.join("/"))
    }

    /// Whether the folder has this file.
    pub fn has(&self, file: &str) -> bool {
        self.files.contains_key(file)
    }

    /// A file's SHA-256 in hexadecimal digits, where the hub knows it.
    pub fn sha256(&self, file: &str) -> Option<&str> {
        self.files.get(file)?.as_deref()
    }
}

fn is_repository(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    name.split_once('/').is_some_and(|(owner, model)| plain(owner) && plain(model))
}

fn is_gguf(file: &str) -> bool {
    file.to_ascii_lowercase().ends_with(".gguf")
}

/// Whether a file's name has this quantisation between its separators, as in plm-1.8b-instruct-Q4_K_M.gguf.
fn is_quantised(file: &str, wanted: &str) -> bool {
    let [file, wanted] = [file, wanted].map(str::to_ascii_lowercase);
    let stem = file.trim_end_matches(".gguf");
    let separates = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    stem.match_indices(&wanted).any(|(at, _)| {
        let (before, after) = (stem[..at].chars().next_back(), stem[at + wanted.len()..].chars().next());
        // Some names put an underscore in front of it, none puts one behind it that does not belong to it.
        before.is_none_or(|c| separates(c) || c == '_') && after.is_none_or(separates)
    })
}

/// One segment of a path.
fn encoded(segment: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    segment.bytes().map(byte).collect()
}

/// A segment's text, or `None` where it is badly encoded.
fn decoded(segment: &str) -> Option<String> {
    let mut parts = segment.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUB: &str = "https://hub.example";

    fn listing(files: &[&str]) -> Listing {
        let siblings: Vec<_> = files
            .iter()
            .map(|file| match file.ends_with(".gguf") {
                true => serde_json::json!({ "rfilename": file, "size": 1, "lfs": { "sha256": format!("of {file}"), "size": 1 } }),
                false => serde_json::json!({ "rfilename": file, "size": 1 }),
            })
            .collect();
        serde_json::from_value(serde_json::json!({ "sha": "c0ffee", "siblings": siblings, "gated": false })).unwrap()
    }

    fn chosen(name: &str, files: &[&str]) -> Result<Vec<String>> {
        let chosen = HubName::parse(name)?.choose(HUB, &listing(files))?;
        assert!(chosen.ggufs.iter().all(|file| chosen.sha256(file) == Some(&format!("of {file}"))));
        assert_eq!(chosen.folder, "https://hub.example/a/b/resolve/c0ffee/");
        Ok(chosen.ggufs.iter().map(|file| chosen.url(file).replace(&chosen.folder, "")).collect())
    }

    #[test]
    fn a_name_has_an_owner_a_model_a_revision_and_a_file() {
        let url = |name: &str| HubName::parse(name).unwrap().listing_url(HUB);
        let api = "https://hub.example/api/models";
        assert_eq!(url("PLM-Team/PLM-1.8B"), format!("{api}/PLM-Team/PLM-1.8B/revision/main?blobs=true"));
        assert_eq!(url("a/b@refs/pr/1:Q8_0"), format!("{api}/a/b/revision/refs%2Fpr%2F1?blobs=true"));
        for wrong in ["", "a", "a/", "/b", "a/b/c", "a/b:", "a/b@", "../b", "a/..", "a b/c", "a/b?c", "a/b@:x"] {
            assert_eq!(HubName::parse(wrong).unwrap_err().code(), "invalid_request", "{wrong}");
        }
    }

    #[test]
    fn a_url_of_the_hub_stands_for_a_name() {
        let name = |path: &str| HubName::from_url(&format!("{HUB}/{path}"), HUB);
        for (path, expected) in [
            ("a/b", "a/b"),
            ("a/b/", "a/b"),
            ("a/b/tree/v1", "a/b@v1"),
            ("a/b/blob/main/x.gguf", "a/b:x.gguf"),
            ("a/b/resolve/refs%2Fpr%2F1/sub/x%20y.gguf?download=true", "a/b@refs/pr/1:sub/x y.gguf"),
        ] {
            assert_eq!(name(path), Some(HubName::parse(expected).unwrap()), "{path}");
        }
        for other in [
            "a/b/resolve/main/",
            "a/b/resolve/main/config.json",
            "a/b/tree/main/c",
            "a",
            "a/b/c",
            "a/b/raw/main/x.gguf",
            "a/b/resolve/%",
            "a/..",
            "",
        ] {
            assert_eq!(name(other), None, "{other}");
        }
        assert_eq!(HubName::from_url("https://hub.example.org/a/b", HUB), None);
    }

    #[test]
    fn the_only_gguf_is_chosen_or_the_one_that_is_named() {
        let many = ["README.md", "plm-Q8_0.gguf", "plm-Q4_K_M.gguf", "plm-Q4_K_S.gguf", "sub dir/plm_q6_k.gguf"];
        assert_eq!(chosen("a/b", &["x.gguf", "config.json"]).unwrap(), ["x.gguf"]);
        assert_eq!(chosen("a/b:q8_0", &many).unwrap(), ["plm-Q8_0.gguf"]);
        assert_eq!(chosen("a/b:Q4_K_M", &many).unwrap(), ["plm-Q4_K_M.gguf"]);
        assert_eq!(chosen("a/b:Q6_K", &many).unwrap(), ["sub%20dir/plm_q6_k.gguf"]);
        assert_eq!(chosen("a/b:plm-Q8_0.gguf", &many).unwrap(), ["plm-Q8_0.gguf"]);
        let folder = ["config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors"];
        assert!(chosen("a/b@v1", &folder).unwrap().is_empty());
        let parts = ["plm-Q8_0-00001-of-00002.gguf", "plm-Q8_0-00002-of-00002.gguf"];
        assert_eq!(chosen("a/b", &parts).unwrap(), parts);
        assert_eq!(chosen("a/b:Q8_0", &parts).unwrap(), parts);
    }

    #[test]
    fn what_does_not_fit_is_told_with_what_there_is() {
        let many = ["plm-Q8_0.gguf", "plm-Q4_K_M.gguf"];
        let several = chosen("a/b", &many).unwrap_err();
        assert_eq!(several.code(), "invalid_request");
        assert!(several.to_string().ends_with("plm-Q8_0.gguf, plm-Q4_K_M.gguf"), "{several}");
        // Q4_K is no part of Q4_K_M.
        let none = chosen("a/b:Q4_K", &many).unwrap_err();
        assert_eq!(none.code(), "missing");
        assert!(none.to_string().contains("no Q4_K GGUF; there is plm-Q8_0.gguf"), "{none}");
        assert_eq!(chosen("a/b", &["README.md"]).unwrap_err().code(), "missing");
    }
}
