//! Options of a deployment that are kept in files of their own.

use std::path::Path;

/// What the name of an option ends with whose value is the path of a file with JSON in it.
const FILE: &str = "_file";

/// Where the files are that options name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Files<'a> {
    /// Beside the catalogue.
    In(&'a Path),
    /// Compiled in, as the catalogue is.
    BuiltIn,
}

impl Files<'_> {
    fn read(self, path: &str) -> std::io::Result<Vec<u8>> {
        match (self, path) {
            (Self::In(folder), path) => std::fs::read(folder.join(path)),
            (Self::BuiltIn, "comfyui/text-to-image.json") => Ok(TEXT_TO_IMAGE.to_vec()),
            (Self::BuiltIn, _) => Err(std::io::ErrorKind::NotFound.into()),
        }
    }
}

const TEXT_TO_IMAGE: &[u8] = include_bytes!("../../../../deploy/config/comfyui/text-to-image.json");

/// Replaces every option `x_file` by `x`, the JSON in that file; every file's content is shown. Answers what cannot be
/// read.
pub(super) fn take_in(
    options: &mut toml::Table,
    files: Files<'_>,
    mut show: impl FnMut(&[u8]),
) -> Vec<String> {
    let names: Vec<_> = options.keys().filter(|name| name.ends_with(FILE)).cloned().collect();
    let mut mistakes = Vec::new();
    for name in names {
        let Some(toml::Value::String(path)) = options.remove(&name) else {
            mistakes.push(format!("options.{name} must be a path"));
            continue;
        };
        match read(files, &path) {
            Ok((content, value)) => {
                show(&content);
                options.insert(name.trim_end_matches(FILE).to_owned(), value);
            }
            Err(error) => mistakes.push(format!("options.{name}: {path}: {error}")),
        }
    }
    mistakes
}

/// The paths of the files that options name.
pub(super) fn named(options: &toml::Table) -> Vec<String> {
    let files = options.iter().filter(|(name, _)| name.ends_with(FILE));
    files.filter_map(|(_, path)| path.as_str().map(str::to_owned)).collect()
}

fn read(files: Files<'_>, path: &str) -> Result<(Vec<u8>, toml::Value), Box<dyn std::error::Error>> {
    let content = files.read(path)?;
    let value = serde_json::from_slice(&content)?;
    Ok((content, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_becomes_an_option_and_what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("graph.json"), r#"{"3":{"inputs":{"seed":1}}}"#).expect("written");
        let mut options = toml::toml! {
            steps = 4
            graph_file = "graph.json"
            other_file = "missing.json"
            third_file = 3
        };
        let mut shown = 0;
        let mistakes = take_in(&mut options, Files::In(folder.path()), |content| shown += content.len());
        assert_eq!(options["graph"]["3"]["inputs"]["seed"].as_integer(), Some(1));
        assert_eq!((options.len(), shown), (2, 27));
        assert_eq!(mistakes.len(), 2, "{mistakes:?}");
        assert!(mistakes[0].contains("missing.json"), "{mistakes:?}");
    }
}
