//! The catalogue: which models there are, what each can do, what it costs and where it runs. Data, not code.

use std::path::Path;

use imagioo_types::Credits;

mod file;
mod request;

pub(crate) use file::CatalogueError;
pub(crate) use request::{Asked, Priced, Unsupported};

/// What is done to make the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operation {
    TextToImage,
}

impl Operation {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::TextToImage => "text_to_image",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::TextToImage].into_iter().find(|operation| operation.as_str() == text)
    }
}

/// File format of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    Png,
    Jpeg,
    Webp,
}

impl Format {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Webp => "webp",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Png, Self::Jpeg, Self::Webp].into_iter().find(|format| format.as_str() == text)
    }
}

/// Settings with every default filled in; what a generation stores.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub(crate) struct Settings {
    pub(crate) size: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) quality: Option<String>,
    pub(crate) format: Format,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) seed: Option<i64>,
}

/// One model.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) operations: Vec<Operation>,
    pub(crate) sizes: Vec<String>,
    pub(crate) qualities: Vec<String>,
    pub(crate) formats: Vec<Format>,
    pub(crate) max_count: i32,
    pub(crate) seed: bool,
    pub(crate) price: Credits,
    quality_prices: Vec<(String, Credits)>,
    pub(crate) deployment: Deployment,
}

impl Model {
    pub(crate) fn name(&self) -> String {
        format!("models/{}", self.id)
    }
}

/// Where a model runs.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deployment {
    pub(crate) id: String,
    pub(crate) provider: String,
    pub(crate) provider_model: String,
    pub(crate) concurrency: i32,
    pub(crate) call_timeout_seconds: u32,
    pub(crate) unknown_outcome: UnknownOutcome,
}

/// What to do when nobody can say whether the provider accepted a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UnknownOutcome {
    Fail,
    Repeat,
}

/// Every model, in the file's order.
#[derive(Debug)]
pub(crate) struct Catalogue {
    pub(crate) version: String,
    pub(crate) models: Vec<Model>,
}

impl Catalogue {
    /// Reads and checks a catalogue file.
    pub(crate) fn load(path: &Path) -> Result<Self, CatalogueError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| CatalogueError::File { path: path.to_owned(), source })?;
        file::parse(&text)
    }

    /// Reads and checks the text of a catalogue file.
    pub(crate) fn parse(text: &str) -> Result<Self, CatalogueError> {
        file::parse(text)
    }

    /// The model with this resource name.
    pub(crate) fn model(&self, name: &str) -> Option<&Model> {
        let id = name.strip_prefix("models/")?;
        self.models.iter().find(|model| model.id == id)
    }

    /// The deployment with this id.
    pub(crate) fn deployment(&self, id: &str) -> Option<&Deployment> {
        self.deployments().find(|deployment| deployment.id == id)
    }

    /// Every deployment.
    pub(crate) fn deployments(&self) -> impl Iterator<Item = &Deployment> {
        self.models.iter().map(|model| &model.deployment)
    }
}
