//! Layered configuration: documented defaults, files, environment. Unknown keys are errors.
//!
//! Later layers win key by key. Wherever a text value `x` is expected, a file or the environment may give
//! `x_file` instead, the path of a file whose content (without trailing white space) is the value; that is
//! how secrets arrive. A key that the defaults themselves call `…_file` is an ordinary path and is left
//! alone.

mod layer;
mod secret;

use std::fmt;
use std::path::{Path, PathBuf};

use config::{Config, Value, ValueKind};
use serde::de::DeserializeOwned;

use layer::{Layer, Table};
pub use secret::RequiredSecret;

/// The sections that belong to the process, not to its service.
const OWN_SECTIONS: [&str; 2] = ["telemetry", "shutdown"];

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file of the configuration cannot be read.
    #[error("cannot read the configuration file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A layer is not well-formed TOML.
    #[error("{origin} is not valid TOML")]
    Syntax {
        /// Which layer.
        origin: String,
        /// Where and why.
        source: Box<config::ConfigError>,
    },
    /// An environment variable begins like a list but is none.
    #[error("the environment variable {variable} is not a list such as [\"a\", \"b\"]")]
    List {
        /// The variable.
        variable: String,
        /// Where and why.
        source: toml::de::Error,
    },
    /// The file that holds a value cannot be read.
    #[error("cannot read {path}, which should hold the value of `{key}`")]
    ValueFile {
        /// The key whose value is in the file.
        key: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A value and its file are both given in one place.
    #[error("both `{key}` and `{key}_file` are given: keep one of them")]
    ValueAndFile {
        /// The key that is given twice.
        key: String,
    },
    /// A key is unknown, missing, or its value does not fit.
    #[error("the configuration of {service} is not usable")]
    Invalid {
        /// The service whose configuration it is.
        service: String,
        /// The key and why.
        source: Box<config::ConfigError>,
    },
    /// A number lies where its type allows it and its meaning does not.
    #[error("{key} must lie between {least} and {most}")]
    OutOfBounds {
        /// The key.
        key: &'static str,
        /// The least that makes sense.
        least: u64,
        /// The most that makes sense.
        most: u64,
    },
    /// Values do not make sense, as the service says.
    #[error(transparent)]
    Senseless(Box<dyn std::error::Error + Send + Sync>),
}

/// Checks that a number lies within its bounds, both included.
///
/// # Errors
/// [`ConfigError::OutOfBounds`]
pub fn bounded(key: &'static str, value: u64, least: u64, most: u64) -> Result<(), ConfigError> {
    if (least..=most).contains(&value) { Ok(()) } else { Err(ConfigError::OutOfBounds { key, least, most }) }
}

/// The merged configuration of one service. Debugging shows whose it is, never its values.
#[derive(Clone)]
pub struct Settings {
    service: String,
    declared: Table,
    merged: Config,
}

impl Settings {
    /// The documented `defaults` (TOML) with `overrides` on top; no file, no environment.
    ///
    /// # Errors
    /// [`ConfigError`] when the defaults are malformed or an `x_file` of the overrides cannot be read.
    pub fn from_parts(service: &str, defaults: &str, overrides: toml::Table) -> Result<Self, ConfigError> {
        let declared = layer::parse(defaults, &format!("the default configuration of {service}"))?;
        let merged = merge(Config::default(), declared.clone(), service)?;
        Self { service: service.to_owned(), declared, merged }.overridden(&overrides)
    }

    /// The documented `defaults`, then `files`, then the environment variables
    /// `IMAGIOO_<SERVICE>__SECTION__KEY`.
    ///
    /// # Errors
    /// [`ConfigError`] when a layer is malformed, or a file cannot be read.
    pub fn load(service: &str, defaults: &str, files: &[PathBuf]) -> Result<Self, ConfigError> {
        files
            .iter()
            .try_fold(Self::from_parts(service, defaults, toml::Table::new())?, |settings, path| {
                settings.with_file(path)
            })?
            .with_variables(
                std::env::vars_os()
                    .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
            )
    }

    /// These values on top.
    ///
    /// # Errors
    /// [`ConfigError`] when an `x_file` among them cannot be read.
    pub fn overridden(self, overrides: &toml::Table) -> Result<Self, ConfigError> {
        let table = layer::parse(&overrides.to_string(), "an overriding value")?;
        self.with(table)
    }

    /// The service's own part: everything but `[telemetry]` and `[shutdown]`, which belong to the runtime.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] names the key that is unknown, missing or misfit.
    pub fn read<C: DeserializeOwned>(&self) -> Result<C, ConfigError> {
        let mut root = self.root();
        root.retain(|key, _| !OWN_SECTIONS.contains(&key.as_str()));
        self.deserialize(Value::from(root))
    }

    /// One of the runtime's own sections, with its default when it is absent.
    pub(crate) fn section<C: DeserializeOwned + Default>(&self, name: &str) -> Result<C, ConfigError> {
        self.root().remove(name).map_or_else(|| Ok(C::default()), |section| self.deserialize(section))
    }

    /// One section by itself, for a command that needs no more.
    pub(crate) fn required_section<C: DeserializeOwned>(&self, name: &str) -> Result<C, ConfigError> {
        self.deserialize(self.root().remove(name).unwrap_or_else(|| Value::from(Table::new())))
    }

    fn with_file(self, path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
        let table = layer::parse(&text, &path.display().to_string())?;
        self.with(table)
    }

    fn with_variables(self, variables: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let table = layer::from_variables(&self.service, variables)?;
        self.with(table)
    }

    fn with(self, table: Table) -> Result<Self, ConfigError> {
        let table = layer::resolve_files(table, Some(&self.declared))?;
        let merged = merge(self.merged, table, &self.service)?;
        Ok(Self { merged, ..self })
    }

    fn root(&self) -> Table {
        match &self.merged.cache.kind {
            ValueKind::Table(root) => root.clone(),
            _ => Table::new(),
        }
    }

    fn deserialize<C: DeserializeOwned>(&self, value: Value) -> Result<C, ConfigError> {
        value.try_deserialize().map_err(|source| ConfigError::Invalid {
            service: self.service.clone(),
            source: Box::new(source),
        })
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("service", &self.service).finish_non_exhaustive()
    }
}

fn merge(below: Config, above: Table, service: &str) -> Result<Config, ConfigError> {
    Config::builder()
        .add_source(below)
        .add_source(Layer(above))
        .build()
        .map_err(|source| ConfigError::Invalid { service: service.to_owned(), source: Box::new(source) })
}

#[cfg(test)]
mod tests;
