//! The files of lists: what is in them, and everything that is wrong with them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::Mistakes;
use crate::screening::verdict::Severity;

/// Most bytes of one file.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// What the files hold at one moment, each with its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source(Vec<(PathBuf, Result<String, String>)>);

/// One list as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    pub(super) category: String,
    #[serde(default = "deny")]
    pub(super) decision: Severity,
    #[serde(default)]
    pub(super) terms: Vec<String>,
    #[serde(default)]
    pub(super) patterns: Vec<String>,
    #[serde(default)]
    pub(super) allow: Vec<String>,
    #[serde(default = "yes")]
    pub(super) negative_prompt: bool,
    /// Where it is written, for mistakes.
    #[serde(skip)]
    pub(super) place: String,
}

const fn deny() -> Severity {
    Severity::Deny
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    lists: Vec<toml::Value>,
}

impl Source {
    pub(super) fn read(files: &[PathBuf]) -> Self {
        Self(files.iter().map(|path| (path.clone(), text(path))).collect())
    }

    /// Twelve digits that follow the content.
    pub(super) fn version(&self) -> String {
        let mut hash = Sha256::new();
        for (_, text) in &self.0 {
            let text = text.as_deref().unwrap_or_default();
            hash.update(text.len().to_le_bytes());
            hash.update(text);
        }
        hash.finalize().iter().take(6).fold(String::new(), |mut version, byte| {
            let _ = write!(version, "{byte:02x}");
            version
        })
    }

    /// Every list of every file.
    ///
    /// # Errors
    /// [`Mistakes`] names the file of each.
    pub(super) fn lists(&self) -> Result<Vec<List>, Mistakes> {
        let (mut lists, mut mistakes) = (Vec::new(), Vec::new());
        for (path, text) in &self.0 {
            let name = path.display();
            match text.as_deref().map_err(Clone::clone).and_then(parse) {
                Ok(found) if found.is_empty() => mistakes.push(format!("{name}: holds no [[lists]]")),
                Ok(found) => {
                    for (number, list) in (1..).zip(found) {
                        let place = format!("{name}: list {number}");
                        match list.try_into::<List>() {
                            Ok(list) => lists.push(List { place, ..list }),
                            Err(error) => mistakes.push(format!("{place}: {}", error.message())),
                        }
                    }
                }
                Err(error) => mistakes.push(format!("{name}: {error}")),
            }
        }
        if mistakes.is_empty() {
            return Ok(lists);
        }
        // What the readable lists get wrong is told together with the rest.
        if let Err(Mistakes(more)) = super::Rules::compile(lists, String::new()) {
            mistakes.extend(more);
        }
        Err(Mistakes(mistakes))
    }
}

fn text(path: &Path) -> Result<String, String> {
    let length = fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if length > MAX_BYTES {
        return Err(format!("is longer than {MAX_BYTES} bytes"));
    }
    fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))
}

fn parse(text: &str) -> Result<Vec<toml::Value>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string().trim_end().replace('\n', " "))?;
    Ok(file.lists)
}
