//! Settings of generations and presets.

use imagioo_proto::generation::v1 as wire;
use serde::Serialize;

use super::{generation, text, word};

/// How images are made.
#[derive(Debug, Default, Serialize)]
pub(crate) struct SettingsAnswer {
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aspect_ratio: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    negative_prompt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    background: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compression: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guidance: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strength: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    margins: Option<Margins>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upscale_factor: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previews: Option<i32>,
}

#[derive(Debug, Serialize)]
struct Margins {
    left: i32,
    top: i32,
    right: i32,
    bottom: i32,
}

/// What is behind the subject, as a word; nothing where the model chooses.
pub(crate) fn background(background: wire::Background) -> Option<String> {
    (background != wire::Background::Unspecified).then(|| word(background.as_str_name(), "BACKGROUND_"))
}

/// An operation as a word; nothing where it is to be found.
pub(crate) fn operation(operation: wire::Operation) -> Option<String> {
    (operation != wire::Operation::Unspecified).then(|| word(operation.as_str_name(), "OPERATION_"))
}

impl From<&wire::GenerationSettings> for SettingsAnswer {
    fn from(settings: &wire::GenerationSettings) -> Self {
        let format = settings.format();
        Self {
            size: text(&settings.size),
            aspect_ratio: text(&settings.aspect_ratio),
            resolution: text(&settings.resolution),
            quality: text(&settings.quality),
            format: (format != wire::ImageFormat::Unspecified).then(|| generation::format(format)),
            seed: settings.seed,
            negative_prompt: text(&settings.negative_prompt),
            background: background(settings.background()),
            compression: settings.compression,
            guidance: settings.guidance,
            steps: settings.steps,
            strength: settings.strength,
            margins: settings.margins.map(Margins::from),
            upscale_factor: settings.upscale_factor,
            previews: settings.previews,
        }
    }
}

impl From<wire::Margins> for Margins {
    fn from(margins: wire::Margins) -> Self {
        let wire::Margins { left, top, right, bottom } = margins;
        Self { left, top, right, bottom }
    }
}

/// The same as people read it: each setting that is not the model's choice, in a few words.
pub(crate) fn words(settings: &wire::GenerationSettings) -> Vec<String> {
    let answer = SettingsAnswer::from(settings);
    let named = |name: &str, value: Option<String>| value.map(|value| format!("{name} {value}"));
    let margins = answer.margins.map(|margins| {
        let Margins { left, top, right, bottom } = margins;
        format!("margins {left},{top},{right},{bottom}")
    });
    let all = [
        answer.size,
        answer.aspect_ratio,
        answer.resolution,
        answer.quality,
        answer.format,
        named("seed", answer.seed.map(|seed| seed.to_string())),
        named("background", answer.background),
        named("compression", answer.compression.map(|compression| compression.to_string())),
        named("guidance", answer.guidance.map(|guidance| guidance.to_string())),
        named("steps", answer.steps.map(|steps| steps.to_string())),
        named("strength", answer.strength.map(|strength| strength.to_string())),
        margins,
        answer.upscale_factor.map(|factor| format!("{factor} times larger")),
        named("previews", answer.previews.map(|previews| previews.to_string())),
        answer.negative_prompt.map(|without| format!("without: {without}")),
    ];
    all.into_iter().flatten().collect()
}
