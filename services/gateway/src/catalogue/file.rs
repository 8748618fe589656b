//! The catalogue's file form, with every mistake in it reported at once.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use imagioo_types::Credits;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{Catalogue, Deployment, Format, Model, Operation};

/// Why a catalogue cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogueError {
    #[error("cannot read the catalogue {path}")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the catalogue is not valid TOML")]
    Syntax(#[source] toml::de::Error),
    #[error("the catalogue has mistakes: {}", .0.join("; "))]
    Mistakes(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    models: Vec<FileModel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileModel {
    id: String,
    title: String,
    operations: Vec<Operation>,
    sizes: Vec<String>,
    #[serde(default)]
    qualities: Vec<String>,
    formats: Vec<Format>,
    max_count: i32,
    #[serde(default)]
    seed: bool,
    price: i64,
    #[serde(default)]
    quality_prices: BTreeMap<String, i64>,
    deployments: Vec<Deployment>,
}

pub(super) fn parse(text: &str) -> Result<Catalogue, CatalogueError> {
    let file: File = toml::from_str(text).map_err(CatalogueError::Syntax)?;
    let mistakes = mistakes(&file);
    if !mistakes.is_empty() {
        return Err(CatalogueError::Mistakes(mistakes));
    }
    let hash: String = Sha256::digest(text).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let models = file.models.into_iter().filter_map(model).collect();
    Ok(Catalogue { version: format!("{}+{hash}", file.version), models })
}

fn model(model: FileModel) -> Option<Model> {
    Some(Model {
        deployment: model.deployments.into_iter().next()?,
        id: model.id,
        title: model.title,
        operations: model.operations,
        sizes: model.sizes,
        qualities: model.qualities,
        formats: model.formats,
        max_count: model.max_count,
        seed: model.seed,
        price: Credits::new(model.price),
        quality_prices: model
            .quality_prices
            .into_iter()
            .map(|(quality, price)| (quality, Credits::new(price)))
            .collect(),
    })
}

fn mistakes(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    let mut ids = HashSet::new();
    let mut queues = HashSet::new();
    if file.models.is_empty() {
        found.push("there is no model".to_owned());
    }
    for model in &file.models {
        let id = &model.id;
        let mut wrong = |is_wrong: bool, what: &str| {
            if is_wrong {
                found.push(format!("model {id}: {what}"));
            }
        };
        wrong(!is_id(id), "the id may have lower-case letters, digits, dots and hyphens only");
        wrong(!ids.insert(id.clone()), "the id is used twice");
        wrong(model.operations.is_empty(), "it has no operation");
        wrong(model.sizes.is_empty(), "it has no size");
        wrong(model.sizes.iter().any(|size| !is_size(size)), "a size is not of the form 1024x1024");
        wrong(model.formats.is_empty(), "it has no format");
        wrong(!(1..=100).contains(&model.max_count), "max_count must be 1 to 100");
        wrong(
            model.price < 0 || model.quality_prices.values().any(|price| *price < 0),
            "a price is negative",
        );
        wrong(
            model.quality_prices.keys().any(|quality| !model.qualities.contains(quality)),
            "quality_prices names a quality that the model lacks",
        );
        wrong(model.deployments.len() != 1, "it must have exactly one deployment");
        for deployment in &model.deployments {
            wrong(
                !is_id(&deployment.id),
                "the deployment's id has characters that a queue name may not have",
            );
            wrong(!queues.insert(deployment.id.clone()), "the deployment's id is used twice");
            wrong(deployment.concurrency < 1, "the deployment's concurrency must be at least 1");
            wrong(deployment.call_timeout_seconds < 1, "call_timeout_seconds must be at least 1");
        }
    }
    found
}

fn is_id(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_size(text: &str) -> bool {
    let side = |side: &str| side.parse::<u32>().is_ok_and(|pixels| (1..=16_384).contains(&pixels));
    text.split_once('x').is_some_and(|(width, height)| side(width) && side(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../../../deploy/config/catalogue.toml");

    #[test]
    fn the_shipped_catalogue_is_valid_and_its_version_follows_its_content() {
        let shipped = parse(SHIPPED).expect("valid");
        assert!(shipped.model("models/sketch").is_some());
        let changed = parse(&SHIPPED.replace("price = 1", "price = 2")).expect("valid");
        assert_ne!(shipped.version, changed.version);
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let broken = SHIPPED
            .replace("max_count = 4", "max_count = 0")
            .replace("\"512x512\"", "\"512\"")
            .replace("price = 1\n", "price = -1\n");
        let Err(CatalogueError::Mistakes(mistakes)) = parse(&broken) else { panic!("three mistakes") };
        assert_eq!(mistakes.len(), 3, "{mistakes:?}");
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let broken = SHIPPED.replace("seed = true", "seeds = true");
        assert!(matches!(parse(&broken), Err(CatalogueError::Syntax(_))));
    }
}
