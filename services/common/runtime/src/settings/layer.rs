//! One layer of the configuration: where its values come from and how `x_file` becomes `x`.

use std::path::PathBuf;

use config::{File, FileFormat, Map, Source, Value, ValueKind};

use super::ConfigError;

/// Keys and values of one level.
pub(super) type Table = Map<String, Value>;

/// How a key says that its value is in a file.
const FILE_SUFFIX: &str = "_file";

/// A finished layer.
#[derive(Debug, Clone)]
pub(super) struct Layer(pub(super) Table);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Table, config::ConfigError> {
        Ok(self.0.clone())
    }
}

/// Reads TOML. `origin` says in an error whose text it was.
pub(super) fn parse(text: &str, origin: &str) -> Result<Table, ConfigError> {
    File::from_str(text, FileFormat::Toml)
        .collect()
        .map_err(|source| ConfigError::Syntax { origin: origin.to_owned(), source: Box::new(source) })
}

/// `IMAGIOO_BILLING__DATABASE__URL=…` becomes `database.url` for the service `billing`.
pub(super) fn from_variables(
    service: &str,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<Table, ConfigError> {
    let prefix = format!("IMAGIOO_{}__", service.to_uppercase());
    let mut root = Table::new();
    for (variable, text) in variables {
        let Some(path) = variable.strip_prefix(&prefix) else { continue };
        let path = path.to_lowercase();
        let value = variable_value(&variable, text)?;
        insert(&mut root, path.split("__"), value);
    }
    Ok(root)
}

fn insert<'a>(table: &mut Table, mut path: impl Iterator<Item = &'a str>, value: Value) {
    let Some(key) = path.next() else { return };
    let mut rest = path.peekable();
    if rest.peek().is_none() {
        table.insert(key.to_owned(), value);
        return;
    }
    let below = table.entry(key.to_owned()).or_insert_with(|| Table::new().into());
    if !matches!(below.kind, ValueKind::Table(_)) {
        *below = Table::new().into();
    }
    if let ValueKind::Table(below) = &mut below.kind {
        insert(below, &mut rest as &mut dyn Iterator<Item = &str>, value);
    }
}

/// Texts stay texts, so that a password of digits keeps its zeros; only a list has to be taken apart here.
fn variable_value(variable: &str, text: String) -> Result<Value, ConfigError> {
    let origin = format!("the environment variable {variable}");
    if !(text.starts_with('[') && text.ends_with(']')) {
        return Ok(Value::new(Some(&origin), text));
    }
    let list = toml::from_str::<toml::Table>(&format!("value = {text}"))
        .map_err(|source| ConfigError::List { variable: variable.to_owned(), source })?;
    let list = parse(&list.to_string(), &origin)?.remove("value");
    Ok(list.unwrap_or_else(|| Value::new(Some(&origin), text)))
}

/// Replaces every `x_file` by `x`, except where the default configuration declares a key of that very name.
pub(super) fn resolve_files(table: Table, declared: Option<&Table>) -> Result<Table, ConfigError> {
    let mut resolved = Table::new();
    for (key, value) in table {
        let default = declared.and_then(|declared| declared.get(&key));
        let name = match key.strip_suffix(FILE_SUFFIX) {
            Some(name) if default.is_none() && matches!(value.kind, ValueKind::String(_)) => name.to_owned(),
            _ => {
                let value = resolve_below(value, default)?;
                keep(&mut resolved, key, value)?;
                continue;
            }
        };
        let value = read_value(&name, value)?;
        keep(&mut resolved, name, value)?;
    }
    Ok(resolved)
}

fn resolve_below(value: Value, default: Option<&Value>) -> Result<Value, ConfigError> {
    let origin = value.origin().map(ToOwned::to_owned);
    let kind = match value.kind {
        ValueKind::Table(below) => {
            let declared = default.and_then(|default| match &default.kind {
                ValueKind::Table(declared) => Some(declared),
                _ => None,
            });
            ValueKind::Table(resolve_files(below, declared)?)
        }
        ValueKind::Array(items) => ValueKind::Array(
            items.into_iter().map(|item| resolve_below(item, None)).collect::<Result<_, _>>()?,
        ),
        other => other,
    };
    Ok(Value::new(origin.as_ref(), kind))
}

fn read_value(key: &str, file: Value) -> Result<Value, ConfigError> {
    let path = PathBuf::from(file.to_string());
    let mut text = std::fs::read_to_string(&path).map_err(|source| ConfigError::ValueFile {
        key: key.to_owned(),
        path: path.clone(),
        source,
    })?;
    text.truncate(text.trim_end().len());
    Ok(Value::new(Some(&path.display().to_string()), text))
}

fn keep(table: &mut Table, key: String, value: Value) -> Result<(), ConfigError> {
    if table.contains_key(&key) {
        return Err(ConfigError::ValueAndFile { key });
    }
    table.insert(key, value);
    Ok(())
}
