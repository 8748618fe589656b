//! The `sketch` provider: draws a picture of the prompt on this machine, for nothing, the same everywhere.

mod canvas;
mod drawing;
mod edit;
mod font;
mod scene;
mod sources;
mod subject;

use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, StreamExt as _};
use imagioo_picture::{Format, Operation};
use serde::Deserialize;

use super::{Call, CallError, Capabilities, Heeds, Images, Provider, ProviderImage, Submission};
use crate::progress::{Preview, Progress, Stage};
use drawing::Drawing;

/// How the sketch provider draws.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SketchConfig {
    /// Milliseconds a call pretends to think before its first image.
    pub latency_ms: u64,
    /// Previews shown meanwhile, coarse to fine, at most 3; fewer where the request wishes so.
    pub previews: u32,
}

impl Default for SketchConfig {
    fn default() -> Self {
        Self { latency_ms: 0, previews: 3 }
    }
}

/// Draws landscapes, and changes pictures as every operation asks. Costs nothing, so nothing needs to be noted before it draws.
#[derive(Debug)]
pub struct Sketch {
    config: SketchConfig,
}

/// Longer sides of the previews, in pixels.
const PREVIEW_SIDES: [u32; 3] = [64, 128, 256];

impl Sketch {
    /// A provider that draws so.
    #[must_use]
    pub fn new(config: SketchConfig) -> Self {
        Self { config }
    }

    async fn think(&self, drawing: &Drawing, call: &Call, progress: &Progress) -> Result<(), CallError> {
        let previews = call.settings.previews.unwrap_or(u32::MAX).min(self.config.previews);
        let sides = PREVIEW_SIDES.into_iter().take(previews as usize);
        let steps = u32::try_from(sides.len()).unwrap_or(0) + 1;
        let pause = Duration::from_millis(self.config.latency_ms) / steps;
        for (step, side) in (1..).zip(sides) {
            tokio::time::sleep(pause).await;
            let data = drawing.preview(side).file(call.seed_or_key()).await?;
            let preview = Preview { index: call.first, format: Format::Png, data };
            progress.preview(100 * step / steps, preview);
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

#[async_trait]
impl Provider for Sketch {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            operations: &Operation::ALL,
            images_per_call: u32::MAX,
            paid: false,
            idempotent: true,
            look_up: false,
        }
    }

    fn heeds(&self) -> Heeds {
        Heeds { endpoint: false, options: Some(&[]), needs: &[] }
    }

    async fn check(&self) -> Result<(), CallError> {
        Ok(())
    }

    async fn submit(&self, call: &Call, progress: &Progress) -> Result<Submission, CallError> {
        progress.report(Stage::Generating, 0);
        let drawing = Drawing::of(call).await?;
        self.think(&drawing, call, progress).await?;
        let first = call.seed_or_key();
        let images = stream::iter(0..call.count).then(move |place| {
            let drawing = drawing.clone();
            let seed = first.wrapping_add(place);
            async move {
                let file = drawing.file(seed).await?;
                Ok(ProviderImage::from_bytes(file, Some(seed.into())))
            }
        });
        Ok(Submission::Finished(Images::from(images.boxed())))
    }
}

impl Call {
    /// The seed of the first image; one that follows from the call's key when the caller chose none.
    fn seed_or_key(&self) -> u32 {
        let from_key = || self.key.bytes().fold(7, |seed: u32, byte| seed.wrapping_mul(31) ^ u32::from(byte));
        self.settings.seed.and_then(|seed| u32::try_from(seed).ok()).unwrap_or_else(from_key)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::TryStreamExt as _;
    use image::RgbImage;
    use imagioo_picture::{Margins, Settings, Size};
    use imagioo_types::{Prompt, Screened, Wording};
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::provider::Picture;
    use crate::reason::Reason;

    #[expect(clippy::disallowed_methods, reason = "nobody decides in this test")]
    fn screened(wording: Wording) -> Screened {
        Screened::from_stored(wording, "allow:off".to_owned()).expect("an allow")
    }

    fn call(prompt: &str, seed: i64) -> Call {
        let prompt = Prompt::parse(prompt.to_owned()).expect("valid prompt");
        Call {
            key: "gen/1/0".to_owned(),
            model: "sketch".to_owned(),
            endpoint: String::new(),
            options: Default::default(),
            operation: Operation::TextToImage,
            prompt: screened(Wording::of(prompt)),
            settings: Settings {
                size: Some(Size { width: 192, height: 128 }),
                seed: Some(seed),
                ..Settings::default()
            },
            references: Vec::new(),
            mask: None,
            first: 0,
            count: 1,
            decoders: imagioo_picture::Verifier::new(40_000_000, 1),
        }
    }

    async fn files(call: Call) -> Vec<(Bytes, Option<i64>)> {
        let sketch = Sketch::new(SketchConfig::default());
        let submission = sketch.submit(&call, &Progress::default()).await.expect("sketch draws");
        let Submission::Finished(images) = submission else { panic!("sketch has no tasks") };
        let collect = |image: ProviderImage| async move {
            let body: Vec<Bytes> = image.body.try_collect().await?;
            Ok((Bytes::from(body.concat()), image.seed))
        };
        images.and_then(collect).try_collect().await.expect("every image is drawn")
    }

    async fn pixels(prompt: &str, seed: i64) -> RgbImage {
        let files = files(call(prompt, seed)).await;
        image::load_from_memory(&files[0].0).expect("a readable image").to_rgb8()
    }

    #[tokio::test]
    async fn a_prompt_and_a_seed_give_the_same_picture_on_every_machine() {
        let drawn = pixels("a red fox under a full moon", 7).await;
        assert_eq!(drawn, pixels("a red fox under a full moon", 7).await);
        let hash = Sha256::digest(drawn.as_raw());
        let known = "e568182604a5fa4a8df9e75bd8c027489354f79769e0a23d979f783fa3f9c839";
        assert_eq!(hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), known);
    }

    #[tokio::test]
    async fn another_prompt_and_another_seed_give_another_picture() {
        let drawn = pixels("a red fox", 7).await;
        assert_ne!(drawn, pixels("a red fox", 8).await);
        assert_ne!(drawn, pixels("a red cat", 7).await);
    }

    #[tokio::test]
    async fn the_words_of_a_prompt_show_in_its_pixels() {
        let night = pixels("a fox at night", 7).await;
        let day = pixels("a fox on a sunny day", 7).await;
        let brightness = |pixels: &RgbImage| pixels.get_pixel(0, 0).0.map(u32::from).iter().sum::<u32>();
        assert!(brightness(&night) < 150 && brightness(&day) > 350);
        let red = |pixels: &RgbImage| pixels.pixels().filter(|p| p.0 == [200, 52, 48]).count();
        assert!(red(&pixels("a red fox at night", 7).await) > 60);
        assert_eq!(red(&night), 0);
    }

    #[tokio::test]
    async fn a_batch_counts_its_seeds_up_and_equals_single_pictures() {
        let batch = files(Call { count: 3, ..call("a boat on a lake", 40) }).await;
        let seeds: Vec<_> = batch.iter().map(|(_, seed)| *seed).collect();
        assert_eq!(seeds, [Some(40), Some(41), Some(42)]);
        assert_eq!(batch[2], files(call("a boat on a lake", 42)).await[0]);
    }

    #[tokio::test]
    async fn the_wished_format_and_size_are_honoured() {
        for format in [Format::Png, Format::Jpeg, Format::Webp] {
            let settings = Settings { format: Some(format), ..call("trees", 1).settings };
            let file = files(Call { settings, ..call("trees", 1) }).await.remove(0).0;
            assert_eq!(Format::of(&file), Some(format));
            let drawn = image::load_from_memory(&file).expect("a readable image");
            assert_eq!((drawn.width(), drawn.height()), (192, 128));
        }
    }

    #[tokio::test]
    async fn what_cannot_be_drawn_is_a_final_failure() {
        let settings = |width, height| Settings { size: Some(Size { width, height }), ..Settings::default() };
        let asked = [
            Call { settings: settings(8, 8), ..call("trees", 1) },
            Call { settings: settings(99_999, 99_999), ..call("trees", 1) },
            Call { operation: Operation::Upscale, ..call("trees", 1) },
            Call { operation: Operation::Inpaint, references: vec![picture().await], ..call("trees", 1) },
        ];
        for call in asked {
            let sketch = Sketch::new(SketchConfig::default());
            let error = sketch.submit(&call, &Progress::default()).await.err().expect("refused");
            assert_eq!(error.reason, Reason::SettingUnsupported, "{:?}", call.operation);
        }
    }

    async fn picture() -> Picture {
        let file = files(call("a boat", 3)).await.remove(0).0;
        Picture { file, format: Format::Png, size: Size { width: 192, height: 128 } }
    }

    #[tokio::test]
    async fn every_operation_has_a_result_of_the_right_size() {
        let margins = Some(Margins { left: 10, top: 20, right: 30, bottom: 40 });
        let cases = [
            (Operation::ImageToImage, Settings::default(), (192, 128)),
            (Operation::Inpaint, Settings::default(), (192, 128)),
            (Operation::Outpaint, Settings { margins, ..Settings::default() }, (232, 188)),
            (Operation::Upscale, Settings { upscale_factor: Some(4), ..Settings::default() }, (768, 512)),
            (Operation::RemoveBackground, Settings::default(), (192, 128)),
            (Operation::Variation, Settings::default(), (192, 128)),
        ];
        for (operation, settings, expected) in cases {
            let mask = (operation == Operation::Inpaint).then_some(picture().await);
            let references = vec![picture().await];
            let asked = Call { operation, settings, references, mask, ..call("a fox", 1) };
            let file = files(asked).await.remove(0).0;
            let drawn = image::load_from_memory(&file).expect("a readable image");
            assert_eq!((drawn.width(), drawn.height()), expected, "{operation:?}");
        }
    }

    #[tokio::test]
    async fn what_is_made_of_pictures_waits_for_a_decoder() {
        let references = vec![picture().await];
        let call = Call { operation: Operation::Variation, references, ..call("a fox", 1) };
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let decoders = call.decoders.clone();
        let mut busy = std::pin::pin!(decoders.run(move || wait.recv().is_ok()));
        assert!(futures::poll!(busy.as_mut()).is_pending());
        let mut drawn = std::pin::pin!(files(call));
        let early = tokio::time::timeout(Duration::from_millis(300), drawn.as_mut()).await;
        assert!(early.is_err(), "it was drawn without a decoder");
        go.send(()).expect("somebody waits");
        assert!(busy.await.expect("done"));
        assert_eq!(drawn.await.len(), 1);
    }

    #[tokio::test]
    async fn an_aspect_ratio_chooses_the_size() {
        let settings = Settings { aspect_ratio: Some("16:9".to_owned()), ..Settings::default() };
        let file = files(Call { settings, ..call("trees", 1) }).await.remove(0).0;
        let drawn = image::load_from_memory(&file).expect("a readable image");
        assert_eq!((drawn.width(), drawn.height()), (1360, 768));
    }

    #[tokio::test]
    async fn a_preview_is_shown_while_it_draws() {
        let progress = Progress::default();
        let sketch = Sketch::new(SketchConfig::default());
        sketch.submit(&call("trees", 1), &progress).await.map(drop).expect("sketch draws");
        let preview = progress.next().await.preview.expect("a preview");
        let drawn = image::load_from_memory(&preview.data).expect("a readable preview");
        assert_eq!((drawn.width(), drawn.height()), (256, 170));
    }
}
