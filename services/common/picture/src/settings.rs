//! How images are to be made: every setting that a request, a row and a job share.

use imagioo_proto::generation::v1 as wire;
use serde::{Deserialize, Serialize};

use crate::{Format, InvalidSize, Size};

/// What is behind the subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Background {
    /// Transparent pixels.
    Transparent,
    /// Something.
    Opaque,
}

impl Background {
    /// Its name in catalogues and at most providers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transparent => "transparent",
            Self::Opaque => "opaque",
        }
    }
}

/// Pixels to add on each side of an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Margins {
    /// To the left.
    pub left: u32,
    /// Above.
    pub top: u32,
    /// To the right.
    pub right: u32,
    /// Below.
    pub bottom: u32,
}

impl Margins {
    /// Whether nothing would be added.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// An image of this size with its margins.
    #[must_use]
    pub fn around(self, inner: Size) -> Size {
        Size {
            width: inner.width.saturating_add(self.left).saturating_add(self.right),
            height: inner.height.saturating_add(self.top).saturating_add(self.bottom),
        }
    }
}

/// How images are to be made; what is absent is the model's choice.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Settings {
    /// Width and height in pixels.
    #[serde(skip_serializing_if = "Option::is_none", with = "size_text")]
    pub size: Option<Size>,
    /// Such as `16:9`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aspect_ratio: Option<String>,
    /// Such as `2K`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// A quality by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<String>,
    /// File format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// The seed of the first image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// What is behind the subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background: Option<Background>,
    /// Quality of a JPEG or WebP file, 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<u32>,
    /// How closely the prompt is followed, in the model's scale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance: Option<f64>,
    /// Steps of the sampler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
    /// How far the result may go from its reference, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strength: Option<f64>,
    /// Pixels to add around the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margins: Option<Margins>,
    /// How many times wider and higher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upscale_factor: Option<u32>,
    /// Previews to be shown while an image is made, if the provider has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previews: Option<u32>,
}

impl Settings {
    /// The settings of a message, but for the negative prompt, which is a text to be screened.
    ///
    /// # Errors
    /// [`InvalidSize`] when `size` is neither empty nor a size.
    pub fn of_message(message: &wire::GenerationSettings) -> Result<Self, InvalidSize> {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let number = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok());
        let pixels = |value: i32| u32::try_from(value).unwrap_or_default();
        Ok(Self {
            size: text(&message.size).map(|size| size.parse()).transpose()?,
            aspect_ratio: text(&message.aspect_ratio),
            resolution: text(&message.resolution),
            quality: text(&message.quality),
            format: Format::of_message(message.format()),
            seed: message.seed,
            background: match message.background() {
                wire::Background::Unspecified => None,
                wire::Background::Transparent => Some(Background::Transparent),
                wire::Background::Opaque => Some(Background::Opaque),
            },
            compression: number(message.compression),
            guidance: message.guidance,
            steps: number(message.steps),
            strength: message.strength,
            margins: message.margins.map(|margins| Margins {
                left: pixels(margins.left),
                top: pixels(margins.top),
                right: pixels(margins.right),
                bottom: pixels(margins.bottom),
            }),
            upscale_factor: number(message.upscale_factor),
            previews: number(message.previews),
        })
    }

    /// The same as a message, with the negative prompt.
    #[must_use]
    pub fn to_message(&self, negative_prompt: &str) -> wire::GenerationSettings {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
        wire::GenerationSettings {
            size: self.size.map(|size| size.to_string()).unwrap_or_default(),
            quality: text(&self.quality),
            format: self.format.map(wire::ImageFormat::from).unwrap_or_default().into(),
            seed: self.seed,
            negative_prompt: negative_prompt.to_owned(),
            aspect_ratio: text(&self.aspect_ratio),
            resolution: text(&self.resolution),
            background: self.background.map(wire::Background::from).unwrap_or_default().into(),
            compression: self.compression.map(number),
            guidance: self.guidance,
            steps: self.steps.map(number),
            strength: self.strength,
            margins: self.margins.map(|margins| wire::Margins {
                left: number(margins.left),
                top: number(margins.top),
                right: number(margins.right),
                bottom: number(margins.bottom),
            }),
            upscale_factor: self.upscale_factor.map(number),
            previews: self.previews.map(number),
        }
    }
}

impl From<Background> for wire::Background {
    fn from(background: Background) -> Self {
        match background {
            Background::Transparent => Self::Transparent,
            Background::Opaque => Self::Opaque,
        }
    }
}

/// Sizes are stored as they are written; an empty text is no size.
mod size_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    use crate::Size;

    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub(super) fn serialize<S: Serializer>(size: &Option<Size>, serializer: S) -> Result<S::Ok, S::Error> {
        match size {
            Some(size) => serializer.collect_str(size),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Size>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty());
        text.map(|text| text.parse().map_err(de::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Settings {
        Settings {
            size: Some(Size { width: 640, height: 480 }),
            aspect_ratio: Some("16:9".to_owned()),
            resolution: Some("2K".to_owned()),
            quality: Some("high".to_owned()),
            format: Some(Format::Webp),
            seed: Some(7),
            background: Some(Background::Transparent),
            compression: Some(80),
            guidance: Some(3.5),
            steps: Some(28),
            strength: Some(0.6),
            margins: Some(Margins { left: 1, top: 2, right: 3, bottom: 4 }),
            upscale_factor: Some(2),
            previews: Some(3),
        }
    }

    #[test]
    fn settings_read_back_from_messages_and_from_rows() {
        for settings in [full(), Settings::default()] {
            let message = settings.to_message("no text");
            assert_eq!(message.negative_prompt, "no text");
            assert_eq!(Settings::of_message(&message).as_ref(), Ok(&settings));
            let row = serde_json::to_value(&settings).expect("JSON");
            assert_eq!(serde_json::from_value::<Settings>(row).expect("settings"), settings);
        }
    }

    #[test]
    fn what_is_absent_is_not_stored() {
        assert_eq!(serde_json::to_string(&Settings::default()).expect("JSON"), "{}");
    }

    #[test]
    fn rows_of_the_first_version_still_open() {
        let row = r#"{"size":"1024x1024","format":"png","seed":3}"#;
        let settings: Settings = serde_json::from_str(row).expect("settings");
        assert_eq!((settings.size, settings.seed), (Some(Size { width: 1024, height: 1024 }), Some(3)));
    }

    #[test]
    fn a_size_that_is_none_is_refused() {
        let message = wire::GenerationSettings { size: "big".to_owned(), ..Default::default() };
        assert_eq!(Settings::of_message(&message), Err(InvalidSize));
    }

    #[test]
    fn margins_grow_an_image() {
        let inner = Size { width: 100, height: 50 };
        let margins = Margins { left: 1, top: 2, right: 3, bottom: 4 };
        assert_eq!(margins.around(inner), Size { width: 104, height: 56 });
        assert!(Margins::default().is_empty() && !margins.is_empty());
    }
}
