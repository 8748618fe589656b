//! Options of a deployment that are kept in files of their own.

use std::path::Path;

/// What the name of an option ends with whose value is the path of a file with JSON in it.
const FILE: &str = "_file";

/// Replaces every option `x_file` by `x`, the JSON in that file, which is looked for in `folder`; every file's content is
/// shown. Answers what cannot be read.
pub(super) fn take_in(options: &mut toml::Table, folder: &Path, mut show: impl FnMut(&[u8])) -> Vec<String> {
    let names: Vec<_> = options.keys().filter(|name| name.ends_with(FILE)).cloned().collect();
    let mut mistakes = Vec::new();
    for name in names {
        let Some(toml::Value::String(path)) = options.remove(&name) else {
            mistakes.push(format!("options.{name} must be a path"));
            continue;
        };
        match read(&folder.join(&path)) {
            Ok((content, value)) => {
                show(&content);
                options.insert(name.trim_end_matches(FILE).to_owned(), value);
            }
            Err(error) => mistakes.push(format!("options.{name}: {path}: {error}")),
        }
    }
    mistakes
}

fn read(path: &Path) -> Result<(Vec<u8>, toml::Value), Box<dyn std::error::Error>> {
    let content = std::fs::read(path)?;
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
        let mistakes = take_in(&mut options, folder.path(), |content| shown += content.len());
        assert_eq!(options["graph"]["3"]["inputs"]["seed"].as_integer(), Some(1));
        assert_eq!((options.len(), shown), (2, 27));
        assert_eq!(mistakes.len(), 2, "{mistakes:?}");
        assert!(mistakes[0].contains("missing.json"), "{mistakes:?}");
    }
}
