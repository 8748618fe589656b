//! What a preset adds to a request: everything that the request leaves out and that can go with what it says.

use imagioo_picture::{Background, Format, Operation, Settings};

use crate::catalogue::Asked;
use crate::preset::Content;

/// Fills in what the request leaves out; answers the fields that the preset filled, as errors name them.
pub(crate) fn fill(content: &Content, model: &mut String, asked: &mut Asked) -> Vec<&'static str> {
    let mut filled = Vec::new();
    if let Some(named) = content.model.as_ref().filter(|_| model.is_empty()) {
        model.clone_from(named);
        filled.push("model");
    }
    take(&mut filled, "operation", &mut asked.operation, content.operation);
    let suits = fitting(&content.settings, &asked.settings, asked.operation);
    fill_settings(&mut filled, &mut asked.settings, suits);
    if !asked.negative_prompt && content.words.negative.is_some() {
        asked.negative_prompt = true;
        filled.push("settings.negative_prompt");
    }
    filled
}

fn take<T>(filled: &mut Vec<&'static str>, field: &'static str, asked: &mut Option<T>, preset: Option<T>) {
    if asked.is_none() && preset.is_some() {
        *asked = preset;
        filled.push(field);
    }
}

fn fill_settings(filled: &mut Vec<&'static str>, asked: &mut Settings, preset: Settings) {
    take(filled, "settings.size", &mut asked.size, preset.size);
    take(filled, "settings.aspect_ratio", &mut asked.aspect_ratio, preset.aspect_ratio);
    take(filled, "settings.resolution", &mut asked.resolution, preset.resolution);
    take(filled, "settings.quality", &mut asked.quality, preset.quality);
    take(filled, "settings.format", &mut asked.format, preset.format);
    take(filled, "settings.seed", &mut asked.seed, preset.seed);
    take(filled, "settings.background", &mut asked.background, preset.background);
    take(filled, "settings.compression", &mut asked.compression, preset.compression);
    take(filled, "settings.guidance", &mut asked.guidance, preset.guidance);
    take(filled, "settings.steps", &mut asked.steps, preset.steps);
    take(filled, "settings.strength", &mut asked.strength, preset.strength);
    take(filled, "settings.margins", &mut asked.margins, preset.margins);
    take(filled, "settings.upscale_factor", &mut asked.upscale_factor, preset.upscale_factor);
    take(filled, "settings.previews", &mut asked.previews, preset.previews);
}

/// The preset's settings without those that contradict what the request says: it goes before.
fn fitting(preset: &Settings, asked: &Settings, operation: Option<Operation>) -> Settings {
    let mut suits = preset.clone();
    if asked.size.is_some() {
        suits.aspect_ratio = None;
        suits.resolution = None;
    }
    if asked.aspect_ratio.is_some() || asked.resolution.is_some() {
        suits.size = None;
    }
    match asked.format {
        Some(Format::Png) => suits.compression = None,
        Some(Format::Jpeg) => suits.background = suits.background.filter(|it| *it != Background::Transparent),
        _ => {}
    }
    if asked.background == Some(Background::Transparent) {
        suits.format = suits.format.filter(|format| format.has_alpha());
    }
    if let Some(operation) = operation {
        suits.margins = suits.margins.filter(|_| operation == Operation::Outpaint);
        suits.upscale_factor = suits.upscale_factor.filter(|_| operation == Operation::Upscale);
        if operation.keeps_size() {
            (suits.size, suits.aspect_ratio, suits.resolution) = (None, None, None);
        }
    }
    suits
}

#[cfg(test)]
mod tests {
    use imagioo_picture::{Margins, Size};

    use super::*;

    fn preset() -> Content {
        Content {
            model: Some("models/sketch".to_owned()),
            settings: Settings {
                aspect_ratio: Some("16:9".to_owned()),
                resolution: Some("2K".to_owned()),
                format: Some(Format::Webp),
                compression: Some(80),
                seed: Some(7),
                margins: Some(Margins { left: 8, ..Margins::default() }),
                ..Settings::default()
            },
            ..Content::default()
        }
    }

    #[test]
    fn the_request_goes_before_and_what_it_leaves_out_is_filled() {
        let (mut model, mut asked) = (String::new(), Asked::default());
        asked.settings.seed = Some(1);
        let filled = fill(&preset(), &mut model, &mut asked);
        assert_eq!((model.as_str(), asked.settings.seed), ("models/sketch", Some(1)));
        assert_eq!(asked.settings.aspect_ratio.as_deref(), Some("16:9"));
        assert!(filled.contains(&"model") && !filled.contains(&"settings.seed"), "{filled:?}");
    }

    #[test]
    fn what_contradicts_the_request_stays_out() {
        let (mut model, mut asked) = ("models/other".to_owned(), Asked::default());
        asked.operation = Some(Operation::TextToImage);
        asked.settings.size = Some(Size { width: 512, height: 512 });
        asked.settings.format = Some(Format::Png);
        let filled = fill(&preset(), &mut model, &mut asked);
        assert_eq!(model, "models/other");
        assert_eq!(filled, ["settings.seed"]);
        assert_eq!((asked.settings.aspect_ratio, asked.settings.margins), (None, None));
    }
}
