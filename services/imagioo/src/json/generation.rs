//! Generations and images.

use std::path::Path;

use imagioo_proto::generation::v1 as wire;
use serde::Serialize;

use super::settings::SettingsAnswer;
use super::{text, word};
use crate::when;

/// A generation.
#[derive(Debug, Serialize)]
pub(crate) struct GenerationAnswer {
    name: String,
    state: String,
    version: i64,
    model: String,
    operation: String,
    prompt: String,
    settings: SettingsAnswer,
    count: i32,
    price: i64,
    charge: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_position: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Progress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimate: Option<Estimate>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<Input>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preset: Option<String>,
    images: Vec<ImageAnswer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    catalogue_version: String,
    deployment: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_source: Option<String>,
    request_id: String,
    create_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<String>,
}

/// On whose key it runs, as a word; nothing from a server that does not say.
fn key_source(source: wire::KeySource) -> Option<String> {
    (source != wire::KeySource::Unspecified).then(|| word(source.as_str_name(), "KEY_SOURCE_"))
}

#[derive(Debug, Serialize)]
struct Input {
    role: String,
    image: String,
}

#[derive(Debug, Serialize)]
struct Progress {
    stage: String,
    percent: i32,
}

/// Seconds from now.
#[derive(Debug, Serialize)]
struct Estimate {
    wait: f64,
    median: f64,
    p90: f64,
    samples: i32,
}

#[derive(Debug, Serialize)]
struct Failure {
    reason: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_policy: Option<ContentPolicy>,
}

#[derive(Debug, Serialize)]
struct ContentPolicy {
    stage: String,
    categories: Vec<String>,
    provider: String,
}

/// An image, with the place where it was saved.
#[derive(Debug, Serialize)]
pub(crate) struct ImageAnswer {
    name: String,
    generation: String,
    index: i32,
    format: String,
    width: i32,
    height: i32,
    size_bytes: i64,
    sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    origin: String,
    create_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

/// The state of a generation as a word.
pub(crate) fn state(generation: &wire::Generation) -> String {
    word(generation.state().as_str_name(), "GENERATION_STATE_")
}

/// The format of an image as a word.
pub(crate) fn format(format: wire::ImageFormat) -> String {
    word(format.as_str_name(), "IMAGE_FORMAT_")
}

impl GenerationAnswer {
    /// A generation whose first images were saved at `places`.
    pub(crate) fn saved_at<P: AsRef<Path>>(generation: &wire::Generation, places: &[P]) -> Self {
        let mut answer = Self::from(generation);
        for (image, place) in answer.images.iter_mut().zip(places) {
            image.path = Some(place.as_ref().display().to_string());
        }
        answer
    }
}

impl From<&wire::Generation> for GenerationAnswer {
    fn from(generation: &wire::Generation) -> Self {
        Self {
            name: generation.name.clone(),
            state: state(generation),
            version: generation.version,
            model: generation.model.clone(),
            operation: word(generation.operation().as_str_name(), "OPERATION_"),
            prompt: generation.prompt.clone(),
            settings: generation.settings.as_ref().map(SettingsAnswer::from).unwrap_or_default(),
            count: generation.count,
            price: generation.price,
            charge: generation.charge,
            queue_position: generation.queue_position,
            progress: generation.progress.as_ref().map(Progress::from),
            estimate: generation.estimate.as_ref().map(Estimate::from),
            inputs: generation.inputs.iter().map(Input::from).collect(),
            parent: text(&generation.parent),
            preset: text(&generation.preset),
            images: generation.images.iter().map(ImageAnswer::from).collect(),
            failure: generation.failure.as_ref().map(Failure::from),
            catalogue_version: generation.catalogue_version.clone(),
            deployment: generation.deployment.clone(),
            key_source: key_source(generation.key_source()),
            request_id: generation.request_id.clone(),
            create_time: when::exact(generation.create_time.as_ref()),
            start_time: when::exact(generation.start_time.as_ref()),
            end_time: when::exact(generation.end_time.as_ref()),
        }
    }
}

impl From<&wire::GenerationInput> for Input {
    fn from(input: &wire::GenerationInput) -> Self {
        Self { role: word(input.role().as_str_name(), "INPUT_ROLE_"), image: input.image.clone() }
    }
}

impl From<&wire::Progress> for Progress {
    fn from(progress: &wire::Progress) -> Self {
        Self { stage: progress.stage.clone(), percent: progress.percent }
    }
}

impl From<&wire::Estimate> for Estimate {
    fn from(estimate: &wire::Estimate) -> Self {
        Self {
            wait: when::seconds(estimate.wait.as_ref()),
            median: when::seconds(estimate.median.as_ref()),
            p90: when::seconds(estimate.p90.as_ref()),
            samples: estimate.samples,
        }
    }
}

impl From<&wire::Failure> for Failure {
    fn from(failure: &wire::Failure) -> Self {
        let content_policy = failure.content_policy.as_ref().map(|policy| ContentPolicy {
            stage: policy.stage.clone(),
            categories: policy.categories.clone(),
            provider: policy.provider.clone(),
        });
        Self { reason: failure.reason.clone(), message: failure.message.clone(), content_policy }
    }
}

impl ImageAnswer {
    /// An image that was saved at `place`.
    pub(crate) fn saved_at(image: &wire::Image, place: &Path) -> Self {
        Self { path: Some(place.display().to_string()), ..Self::from(image) }
    }
}

impl From<&wire::Image> for ImageAnswer {
    fn from(image: &wire::Image) -> Self {
        Self {
            name: image.name.clone(),
            generation: image.generation.clone(),
            index: image.index,
            format: format(image.format()),
            width: image.width,
            height: image.height,
            size_bytes: image.size_bytes,
            sha256: image.sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
            seed: image.seed,
            origin: word(image.origin().as_str_name(), "IMAGE_ORIGIN_"),
            create_time: when::exact(image.create_time.as_ref()),
            path: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_generation_is_one_object_with_words_hashes_and_paths() {
        let image = wire::Image { index: 0, sha256: vec![0, 255].into(), ..wire::Image::default() };
        let mut generation =
            wire::Generation { images: vec![image], charge: 4, ..wire::Generation::default() };
        generation.set_state(wire::GenerationState::Succeeded);
        let answer = GenerationAnswer::saved_at(&generation, &["fox.png"]);
        let read = serde_json::to_value(answer).expect("JSON");
        assert_eq!(read["state"], "succeeded");
        assert_eq!(read["charge"], 4);
        assert_eq!(read["images"][0]["sha256"], "00ff");
        assert_eq!(read["images"][0]["path"], "fox.png");
        assert!(read.get("failure").is_none());
    }
}
