//! What is done to make images.

use imagioo_proto::generation::v1 as wire;

/// What is done to make the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Images from a prompt alone.
    TextToImage,
    /// New images after references and an instruction.
    ImageToImage,
    /// Repaints the white part of a mask.
    Inpaint,
    /// Continues an image beyond its borders.
    Outpaint,
    /// The same image with more pixels.
    Upscale,
    /// The subject of an image on a transparent ground.
    RemoveBackground,
    /// Images that resemble one.
    Variation,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 7] = [
        Self::TextToImage,
        Self::ImageToImage,
        Self::Inpaint,
        Self::Outpaint,
        Self::Upscale,
        Self::RemoveBackground,
        Self::Variation,
    ];

    /// Its name in catalogues, rows and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TextToImage => "text_to_image",
            Self::ImageToImage => "image_to_image",
            Self::Inpaint => "inpaint",
            Self::Outpaint => "outpaint",
            Self::Upscale => "upscale",
            Self::RemoveBackground => "remove_background",
            Self::Variation => "variation",
        }
    }

    /// The operation with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.as_str() == name)
    }

    /// Whether there is nothing to do without a prompt.
    #[must_use]
    pub const fn needs_prompt(self) -> bool {
        matches!(self, Self::TextToImage | Self::ImageToImage | Self::Inpaint)
    }

    /// Whether it starts from a picture.
    #[must_use]
    pub const fn needs_reference(self) -> bool {
        !matches!(self, Self::TextToImage)
    }

    /// Whether it takes more references than one.
    #[must_use]
    pub const fn takes_several(self) -> bool {
        matches!(self, Self::ImageToImage | Self::Inpaint)
    }

    /// Whether the size of the result follows from the picture alone.
    #[must_use]
    pub const fn keeps_size(self) -> bool {
        matches!(self, Self::Outpaint | Self::Upscale | Self::RemoveBackground)
    }

    /// The operation of a message; nothing when it is to be found from the request.
    #[must_use]
    pub const fn of_message(operation: wire::Operation) -> Option<Self> {
        match operation {
            wire::Operation::Unspecified => None,
            wire::Operation::TextToImage => Some(Self::TextToImage),
            wire::Operation::ImageToImage => Some(Self::ImageToImage),
            wire::Operation::Inpaint => Some(Self::Inpaint),
            wire::Operation::Outpaint => Some(Self::Outpaint),
            wire::Operation::Upscale => Some(Self::Upscale),
            wire::Operation::RemoveBackground => Some(Self::RemoveBackground),
            wire::Operation::Variation => Some(Self::Variation),
        }
    }
}

impl From<Operation> for wire::Operation {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::TextToImage => Self::TextToImage,
            Operation::ImageToImage => Self::ImageToImage,
            Operation::Inpaint => Self::Inpaint,
            Operation::Outpaint => Self::Outpaint,
            Operation::Upscale => Self::Upscale,
            Operation::RemoveBackground => Self::RemoveBackground,
            Operation::Variation => Self::Variation,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_reads_back_from_its_name_and_its_message() {
        for operation in Operation::ALL {
            assert_eq!(Operation::parse(operation.as_str()), Some(operation));
            assert_eq!(Operation::of_message(operation.into()), Some(operation));
        }
        assert_eq!(Operation::parse("draw"), None);
        assert_eq!(Operation::of_message(wire::Operation::Unspecified), None);
    }
}
