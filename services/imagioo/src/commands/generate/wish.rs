//! What is to be done and how: the options that become settings.

use imagioo_proto::generation::v1::{self as wire, GenerationSettings, ImageFormat};

/// What is to be done, and how.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Operation and settings")]
pub(crate) struct Wish {
    /// What to do; found from `--image`, `--mask` and `--margins` when left out
    #[arg(long, value_name = "NAME")]
    operation: Option<Operation>,
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
    #[arg(long, value_name = "TEXT")]
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
    /// Outpaint: pixels to add at the left, top, right and bottom, such as 256,0,256,0
    #[arg(long, value_name = "L,T,R,B", value_parser = margins)]
    margins: Option<wire::Margins>,
    /// Upscale: how many times wider and higher
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=16))]
    factor: Option<i32>,
}

/// What can be done.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Operation {
    TextToImage,
    ImageToImage,
    Inpaint,
    Outpaint,
    Upscale,
    RemoveBackground,
    Variation,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Background {
    Transparent,
    Opaque,
}

fn margins(text: &str) -> Result<wire::Margins, &'static str> {
    let wrong = "four numbers from 0 to 4096, such as 256,0,256,0";
    let sides: Vec<i32> =
        text.split(',').map(|side| side.trim().parse()).collect::<Result<_, _>>().map_err(|_| wrong)?;
    match sides[..] {
        [left, top, right, bottom] if sides.iter().all(|side| (0..=4096).contains(side)) => {
            Ok(wire::Margins { left, top, right, bottom })
        }
        _ => Err(wrong),
    }
}

impl Wish {
    /// The operation; unspecified when the server is to find it.
    pub(crate) fn operation(&self) -> wire::Operation {
        match self.operation {
            None if self.factor.is_some() => wire::Operation::Upscale,
            None => wire::Operation::Unspecified,
            Some(Operation::TextToImage) => wire::Operation::TextToImage,
            Some(Operation::ImageToImage) => wire::Operation::ImageToImage,
            Some(Operation::Inpaint) => wire::Operation::Inpaint,
            Some(Operation::Outpaint) => wire::Operation::Outpaint,
            Some(Operation::Upscale) => wire::Operation::Upscale,
            Some(Operation::RemoveBackground) => wire::Operation::RemoveBackground,
            Some(Operation::Variation) => wire::Operation::Variation,
        }
    }

    /// The settings, with a file format that was found elsewhere.
    pub(crate) fn settings(self, format: ImageFormat) -> GenerationSettings {
        let background = match self.background {
            None => wire::Background::Unspecified,
            Some(Background::Transparent) => wire::Background::Transparent,
            Some(Background::Opaque) => wire::Background::Opaque,
        };
        GenerationSettings {
            size: self.size.unwrap_or_default(),
            quality: self.quality.unwrap_or_default(),
            format: format.into(),
            seed: self.seed.map(i64::from),
            negative_prompt: self.negative.unwrap_or_default(),
            aspect_ratio: self.aspect_ratio.unwrap_or_default(),
            resolution: self.resolution.unwrap_or_default(),
            background: background.into(),
            compression: self.compression,
            guidance: self.guidance,
            steps: self.steps,
            strength: self.strength,
            margins: self.margins,
            upscale_factor: self.factor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_are_four_numbers() {
        let expected = wire::Margins { left: 1, top: 2, right: 3, bottom: 4 };
        assert_eq!(margins("1, 2,3,4"), Ok(expected));
        for text in ["", "1,2,3", "1,2,3,4,5", "1,2,3,-4", "1,2,3,5000", "a,b,c,d"] {
            assert!(margins(text).is_err(), "{text}");
        }
    }
}
