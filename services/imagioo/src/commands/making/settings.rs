//! How images are to be made: the options that become settings of any operation.

use imagioo_proto::generation::v1::{self as wire, GenerationSettings, ImageFormat};

/// How images are to be made.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Style {
    /// Width and height in pixels, such as 1024x1024
    #[arg(long)]
    size: Option<String>,
    /// One of the model's aspect ratios, such as 16:9
    #[arg(long, value_name = "W:H")]
    aspect_ratio: Option<String>,
    /// One of the model's resolutions, such as 2K
    #[arg(long)]
    resolution: Option<String>,
    /// One of the model's qualities
    #[arg(long)]
    quality: Option<String>,
    /// Repeats a result, where the model can
    #[arg(long)]
    seed: Option<u32>,
    /// What should not be in the image
    #[arg(long, visible_alias = "negative-prompt", value_name = "TEXT")]
    negative: Option<String>,
    /// What is behind the subject
    #[arg(long)]
    background: Option<Background>,
    /// Quality of a JPEG or WebP file, 0 to 100
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..=100))]
    compression: Option<i32>,
    /// How closely the prompt is followed, in the model's scale
    #[arg(long, value_name = "X")]
    guidance: Option<f64>,
    /// Steps of the sampler
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    steps: Option<i32>,
    /// How far the result may go from its picture: 0 keeps it, 1 forgets it
    #[arg(long, value_name = "X")]
    strength: Option<f64>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Background {
    Transparent,
    Opaque,
}

impl Style {
    /// The settings, with a file format that was found elsewhere, and with what only the operation has.
    pub(in crate::commands) fn settings(
        &self,
        format: ImageFormat,
        special: GenerationSettings,
    ) -> GenerationSettings {
        let background = match self.background {
            None => wire::Background::Unspecified,
            Some(Background::Transparent) => wire::Background::Transparent,
            Some(Background::Opaque) => wire::Background::Opaque,
        };
        GenerationSettings {
            size: self.size.clone().unwrap_or_default(),
            quality: self.quality.clone().unwrap_or_default(),
            format: format.into(),
            seed: self.seed.map(i64::from),
            negative_prompt: self.negative.clone().unwrap_or_default(),
            aspect_ratio: self.aspect_ratio.clone().unwrap_or_default(),
            resolution: self.resolution.clone().unwrap_or_default(),
            background: background.into(),
            compression: self.compression,
            guidance: self.guidance,
            steps: self.steps,
            strength: self.strength,
            ..special
        }
    }
}
