//! Each part of a request, checked against what the model can do.

use imagioo_picture::{Format, Operation, Settings};

use super::Asked;
use crate::catalogue::{Bounds, Model};

/// Gathers what is wrong with a request.
pub(super) struct Check<'a> {
    pub(super) model: &'a Model,
    pub(super) operation: Operation,
    pub(super) problems: Vec<(&'static str, String)>,
}

impl Check<'_> {
    pub(super) fn wrong(&mut self, field: &'static str, what: impl Into<String>) {
        self.problems.push((field, what.into()));
    }

    pub(super) fn unless(&mut self, is_right: bool, field: &'static str, what: impl FnOnce() -> String) {
        if !is_right {
            self.problems.push((field, what()));
        }
    }

    /// Whether the pictures suit the operation, and the operation the model.
    pub(super) fn pictures(&mut self, asked: &Asked) {
        let (model, operation) = (self.model, self.operation);
        if !model.operations.contains(&operation) {
            let able: Vec<_> = model.operations.iter().map(|operation| operation.as_str()).collect();
            self.wrong(
                "operation",
                format!("{} cannot do {}; it can do {}", model.name(), operation.as_str(), able.join(", ")),
            );
            return;
        }
        let most = if operation.takes_several() { model.max_references as usize } else { 1 };
        match (operation.needs_reference(), asked.references) {
            (true, 0) => {
                self.wrong("references", format!("{} needs a picture to start from", operation.as_str()))
            }
            (true, found) if found > most => self.wrong("references", format!("must be at most {most}")),
            (false, 1..) => self.wrong("references", "text_to_image takes none: ask for image_to_image"),
            _ => {}
        }
        match (operation, asked.mask) {
            (Operation::Inpaint, false) => self.wrong("mask", "inpaint needs a mask: white where to repaint"),
            (Operation::Inpaint, true) | (_, false) => {}
            (_, true) => self.wrong("mask", "only inpaint takes a mask"),
        }
        let margins = asked.settings.margins.is_some_and(|margins| !margins.is_empty());
        match (operation, margins) {
            (Operation::Outpaint, false) => {
                self.wrong("settings.margins", "outpaint needs pixels to add on at least one side");
            }
            (Operation::Outpaint, true) | (_, false) => {}
            (_, true) => self.wrong("settings.margins", "only outpaint takes margins"),
        }
    }

    /// The settings with defaults filled in.
    pub(super) fn settings(&mut self, asked: &Asked) -> Settings {
        let (model, wish) = (self.model, &asked.settings);
        self.size(wish);
        let fresh = self.operation == Operation::TextToImage;
        let quality = self.choose("settings.quality", wish.quality.as_ref(), &model.qualities);
        let resolution = self.choose("settings.resolution", wish.resolution.as_ref(), &model.resolutions);
        let aspect_ratio =
            self.choose("settings.aspect_ratio", wish.aspect_ratio.as_ref(), &model.aspect_ratios);
        let size = wish.size.or_else(|| {
            model.sizes.first().copied().filter(|_| fresh && aspect_ratio.is_none() && resolution.is_none())
        });
        let format = self.format(wish);
        let factor = self.factor(wish);
        self.flag("settings.seed", wish.seed.is_some(), model.seed);
        self.flag("settings.negative_prompt", asked.negative_prompt, model.negative_prompt);
        self.flag("settings.compression", wish.compression.is_some(), model.compression);
        self.unless(wish.compression.is_none() || format != Format::Png, "settings.compression", || {
            "png has none: ask for jpeg or webp".to_owned()
        });
        self.bounds("settings.guidance", wish.guidance, model.guidance);
        self.bounds("settings.steps", wish.steps.map(f64::from), model.steps);
        self.bounds("settings.strength", wish.strength, model.strength);
        self.lacking(asked);
        let has = |setting: &str| !model.lacks(self.operation, setting);
        Settings {
            size,
            aspect_ratio: aspect_ratio.filter(|_| size.is_none() && (fresh || wish.aspect_ratio.is_some())),
            resolution: resolution
                .filter(|_| size.is_none() && !self.operation.keeps_size() && has("resolution")),
            quality: quality.filter(|_| has("quality")),
            format: Some(format),
            upscale_factor: factor,
            ..wish.clone()
        }
    }

    /// Whether the operation has the settings that are asked for. The model may have them for others.
    fn lacking(&mut self, asked: &Asked) {
        let (model, wish) = (self.model, &asked.settings);
        let fields = [
            ("settings.size", wish.size.is_some()),
            ("settings.aspect_ratio", wish.aspect_ratio.is_some()),
            ("settings.resolution", wish.resolution.is_some()),
            ("settings.quality", wish.quality.is_some()),
            ("settings.background", wish.background.is_some()),
            ("settings.compression", wish.compression.is_some()),
            ("settings.seed", wish.seed.is_some()),
            ("settings.negative_prompt", asked.negative_prompt),
            ("settings.guidance", wish.guidance.is_some()),
            ("settings.steps", wish.steps.is_some()),
            ("settings.strength", wish.strength.is_some()),
        ];
        for (field, is_asked) in fields {
            let setting = field.trim_start_matches("settings.");
            if is_asked
                && model.lacks(self.operation, setting)
                && self.problems.iter().all(|(known, _)| *known != field)
            {
                let operation = self.operation.as_str();
                self.wrong(field, format!("{operation} has no such setting here: leave it out"));
            }
        }
    }

    fn size(&mut self, wish: &Settings) {
        let (model, operation) = (self.model, self.operation);
        if operation.keeps_size()
            && (wish.size.is_some() || wish.aspect_ratio.is_some() || wish.resolution.is_some())
        {
            let what = format!("the size of {} follows from the picture: leave it out", operation.as_str());
            return self.wrong("settings.size", what);
        }
        let Some(size) = wish.size else { return };
        if wish.aspect_ratio.is_some() || wish.resolution.is_some() {
            self.wrong("settings.size", "give either a size or an aspect ratio and resolution");
        }
        let fits = model.sizes.contains(&size) || model.custom_size.is_some_and(|custom| custom.allows(size));
        if !fits {
            let sizes: Vec<_> = model.sizes.iter().map(ToString::to_string).collect();
            let what = match (sizes.is_empty(), model.custom_size) {
                (true, None) => "the model has no such setting: leave it out".to_owned(),
                (false, None) => format!("must be one of {}", sizes.join(", ")),
                (_, Some(custom)) => custom.to_string(),
            };
            self.wrong("settings.size", what);
        }
    }

    fn format(&mut self, wish: &Settings) -> Format {
        use imagioo_picture::Background;

        let model = self.model;
        let clear =
            wish.background == Some(Background::Transparent) || self.operation == Operation::RemoveBackground;
        let fitting = model.formats.iter().copied().find(|format| !clear || format.has_alpha());
        let format = wish.format.or(fitting).unwrap_or(Format::Png);
        if !model.formats.contains(&format) {
            let formats: Vec<_> = model.formats.iter().map(|format| format.as_str()).collect();
            self.wrong("settings.format", format!("must be one of {}", formats.join(", ")));
        } else if clear && !format.has_alpha() {
            self.wrong("settings.format", "jpeg cannot be transparent: ask for png or webp");
        }
        if let Some(background) = wish.background
            && !model.backgrounds.contains(&background)
        {
            let known: Vec<_> = model.backgrounds.iter().map(|background| background.as_str()).collect();
            self.wrong("settings.background", one_of(&known));
        }
        format
    }

    fn factor(&mut self, wish: &Settings) -> Option<u32> {
        let factors = &self.model.upscale_factors;
        if self.operation != Operation::Upscale {
            self.unless(wish.upscale_factor.is_none(), "settings.upscale_factor", || {
                "only upscale takes a factor".to_owned()
            });
            return None;
        }
        let factor = wish.upscale_factor.or(factors.first().copied());
        if factor.is_some_and(|factor| !factors.contains(&factor)) {
            let known: Vec<_> = factors.iter().map(ToString::to_string).collect();
            self.wrong("settings.upscale_factor", format!("must be one of {}", known.join(", ")));
        }
        factor
    }

    /// The asked value if the model has it, the default if nothing was asked.
    fn choose(&mut self, field: &'static str, asked: Option<&String>, offered: &[String]) -> Option<String> {
        let Some(asked) = asked else { return offered.first().cloned() };
        self.unless(offered.contains(asked), field, || {
            one_of(&offered.iter().map(String::as_str).collect::<Vec<_>>())
        });
        Some(asked.clone())
    }

    fn flag(&mut self, field: &'static str, is_asked: bool, is_known: bool) {
        let name = self.model.name();
        self.unless(!is_asked || is_known, field, || format!("{name} has no such setting: leave it out"));
    }

    fn bounds(&mut self, field: &'static str, asked: Option<f64>, bounds: Option<Bounds>) {
        match (asked, bounds) {
            (Some(_), None) => self.flag(field, true, false),
            (Some(value), Some(bounds)) => {
                self.unless(bounds.contain(value), field, || {
                    format!("must be {} to {}", bounds.min, bounds.max)
                });
            }
            (None, _) => {}
        }
    }
}

fn one_of(known: &[&str]) -> String {
    if known.is_empty() {
        "the model has no such setting: leave it out".to_owned()
    } else {
        format!("must be one of {}", known.join(", "))
    }
}
