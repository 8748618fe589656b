//! What is to be done, for commands that leave it open: the operation by name, and the settings that only one has.

use imagioo_proto::generation::v1::{self as wire, GenerationSettings};

use super::margins::margins;

/// What is to be done.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Operation")]
pub(crate) struct Purpose {
    /// What to do; found from pictures, mask and margins when left out
    #[arg(long, value_name = "NAME")]
    operation: Option<Operation>,
    /// Outpaint: pixels to add at the left, top, right and bottom, such as 256,0,256,0
    #[arg(long, value_name = "L,T,R,B", value_parser = margins)]
    margins: Option<wire::Margins>,
    /// Upscale: how many times wider and higher
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=16))]
    factor: Option<i32>,
}

/// What can be done.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(in crate::commands) enum Operation {
    TextToImage,
    ImageToImage,
    Inpaint,
    Outpaint,
    Upscale,
    RemoveBackground,
    Variation,
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

impl Purpose {
    /// The operation; unspecified when the server is to find it.
    pub(in crate::commands) fn operation(&self) -> wire::Operation {
        match self.operation {
            None if self.factor.is_some() => wire::Operation::Upscale,
            None => wire::Operation::Unspecified,
            Some(named) => named.into(),
        }
    }

    /// The settings that only one operation has.
    pub(in crate::commands) fn settings(&self) -> GenerationSettings {
        GenerationSettings {
            margins: self.margins,
            upscale_factor: self.factor,
            ..GenerationSettings::default()
        }
    }
}
