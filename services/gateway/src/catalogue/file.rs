//! The catalogue's file form, with every mistake in it reported at once.

use std::collections::BTreeMap;
use std::path::PathBuf;

use imagioo_picture::Size;
use serde::{Deserialize, Deserializer, de};
use sha2::{Digest as _, Sha256};

use super::options::{self, Files};
use super::{Catalogue, Model, OwnKeyRule, rules};

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
    #[serde(default)]
    own_keys: BTreeMap<String, OwnKeyRule>,
    models: Vec<Model>,
}

/// Reads and checks a catalogue. Its version is the file's own with a hash of its content, that of the files its options
/// name included.
pub(super) fn parse(text: &str, files: Files<'_>) -> Result<Catalogue, CatalogueError> {
    let File { version, own_keys, mut models } = toml::from_str(text).map_err(CatalogueError::Syntax)?;
    let mut mistakes = rules::mistakes(&models);
    mistakes.extend(rules::wrong_with_own_keys(&own_keys, &models));
    let mut content = Sha256::new_with_prefix(text);
    for deployment in models.iter_mut().flat_map(|model| &mut model.deployments) {
        let wrong = options::take_in(&mut deployment.options, files, |file| content.update(file));
        mistakes.extend(wrong.into_iter().map(|what| format!("deployment {}: {what}", deployment.id)));
    }
    if !mistakes.is_empty() {
        return Err(CatalogueError::Mistakes(mistakes));
    }
    let hash: String = content.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    Ok(Catalogue { version: format!("{version}+{hash}"), own_keys, models })
}

/// The paths in the options of a catalogue, whatever else is wrong with it.
pub(super) fn named(text: &str) -> Vec<String> {
    #[derive(Default, Deserialize)]
    struct Loose {
        #[serde(default)]
        models: Vec<LooseModel>,
    }
    #[derive(Deserialize)]
    struct LooseModel {
        #[serde(default)]
        deployments: Vec<LooseDeployment>,
    }
    #[derive(Deserialize)]
    struct LooseDeployment {
        #[serde(default)]
        options: toml::Table,
    }
    let models = toml::from_str::<Loose>(text).unwrap_or_default().models;
    let deployments = models.into_iter().flat_map(|model| model.deployments);
    deployments.flat_map(|deployment| options::named(&deployment.options)).collect()
}

/// Sizes as they are written, such as `1024x1024`.
pub(super) fn sizes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Size>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts
        .iter()
        .map(|text| text.parse().map_err(|error| de::Error::custom(format!("`{text}`: {error}"))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../../../deploy/config/catalogue.toml");

    #[test]
    fn the_shipped_catalogue_is_valid_and_its_version_follows_its_content() {
        let shipped = parse(SHIPPED, Files::BuiltIn).expect("valid");
        assert!(shipped.model("models/sketch").is_some());
        let changed = parse(&SHIPPED.replace("credits = 1 ", "credits = 2 "), Files::BuiltIn).expect("valid");
        assert_ne!(shipped.version, changed.version);
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let broken = SHIPPED
            .replacen("max_count = 4", "max_count = 0", 1)
            .replacen("{ credits = 1 },", "{ credits = -1 },", 1)
            .replacen("openai = { credits", "nobody = { credits", 1)
            .replacen("fal = { credits = 1", "fal = { credits = -1", 1)
            .replace("concurrency = 8\nprefetch", "concurrency = 0\nprefetch");
        let Err(CatalogueError::Mistakes(mistakes)) = parse(&broken, Files::BuiltIn) else {
            panic!("five mistakes")
        };
        assert_eq!(mistakes.len(), 5, "{mistakes:?}");
    }

    #[test]
    fn what_references_add_is_checked_and_the_files_that_options_name_are_found_despite_mistakes() {
        let flux = "credits_per_input_megapixel = 1.5";
        assert!(SHIPPED.contains(flux));
        let broken = SHIPPED.replacen(flux, "credits_per_input_megapixel = -1.5", 1);
        let Err(CatalogueError::Mistakes(mistakes)) = parse(&broken, Files::BuiltIn) else {
            panic!("a mistake")
        };
        assert!(mistakes[0].contains("adds for references"), "{mistakes:?}");
        assert_eq!(named(&broken), ["comfyui/text-to-image.json"]);
        assert!(named("models = 3").is_empty() && named("[").is_empty());
    }

    #[test]
    fn an_unknown_key_and_a_size_that_is_none_are_refused() {
        for broken in
            [SHIPPED.replace("seed = true", "seeds = true"), SHIPPED.replace("\"512x512\"", "\"512\"")]
        {
            assert!(matches!(parse(&broken, Files::BuiltIn), Err(CatalogueError::Syntax(_))));
        }
    }
}
