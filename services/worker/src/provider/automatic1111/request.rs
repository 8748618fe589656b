//! What is sent for each operation.
//!
//! The deployment's option `max_pixels` is for this adapter; every other one is sent as it stands.

use imagioo_picture::{Margins, Operation, Size};
use serde_json::{Map, Value, json};

use crate::provider::{Call, CallError, Picture, encoded, pixels};
use crate::reason::Reason;

/// How far a result may go from its picture, unless the call says: for a change, a variation, and what is new around it.
const CHANGE: f64 = 0.75;
const VARIATION: f64 = 0.5;
const NEW: f64 = 0.9;

/// Fill what is repainted with noise; the server's own number for that.
const LATENT_NOISE: u32 = 2;

/// Most pixels of a result whose size follows from its picture, unless the deployment says otherwise; and its longest side.
const MAX_PIXELS: u64 = 2_359_296;
const MAX_SIDE: u32 = 2048;

/// What the option is called.
const LIMIT: &str = "max_pixels";

/// Sides are multiples of so many pixels.
const GRID: u32 = 8;

/// The path below `sdapi/v1` and the body of a call. `options` of the deployment go last.
///
/// # Errors
/// [`Reason::SettingUnsupported`] when a picture is missing or a wish has no field, [`Reason::InputUnusable`].
pub(super) async fn of(call: &Call) -> Result<(&'static str, Value), CallError> {
    let missing = || CallError::failed(Reason::SettingUnsupported);
    let first = || call.references.first().ok_or_else(missing);
    call.wishes_only(|wish| match (call.operation, wish) {
        (Operation::Upscale, wish) => wish == "upscale_factor",
        (_, "margins") => true,
        (operation, "strength") => operation != Operation::TextToImage,
        (_, wish) => ["size", "seed", "steps", "guidance", "negative_prompt"].contains(&wish),
    })?;
    let (path, mut body) = match call.operation {
        Operation::TextToImage => ("txt2img", common(call, call.settings.size)),
        Operation::Upscale => {
            let factor = call.settings.upscale_factor.unwrap_or(2);
            let body = json!({ "image": encoded::base64(first()?), "upscaling_resize": factor,
                "upscaler_1": call.model });
            ("extra-single-image", body.as_object().cloned().unwrap_or_default())
        }
        Operation::Outpaint => {
            let margins = call.settings.margins.ok_or_else(missing)?;
            let picture = fitting(call, first()?, margins)?;
            let (canvas, mask) = pixels::extended(&call.decoders, picture, margins).await?;
            let mut body = changed(call, &canvas, NEW);
            body.insert("mask".to_owned(), encoded::base64(&mask).into());
            body.insert("inpainting_fill".to_owned(), LATENT_NOISE.into());
            ("img2img", body)
        }
        Operation::Inpaint => {
            let mut body = changed(call, first()?, CHANGE);
            let mask = call.mask.as_ref().ok_or_else(missing)?;
            body.insert("mask".to_owned(), encoded::base64(mask).into());
            ("img2img", body)
        }
        Operation::Variation => ("img2img", changed(call, first()?, VARIATION)),
        _ => ("img2img", changed(call, first()?, CHANGE)),
    };
    let constants = call.options.iter().filter(|(name, _)| *name != LIMIT);
    body.extend(constants.map(|(name, value)| (name.clone(), value.clone())));
    Ok((path, body.into()))
}

/// Under what name the server is asked about a call, once it was told.
pub(super) fn task(call: &Call) -> String {
    format!("task({})", call.key.replace('/', "-"))
}

fn most_pixels(call: &Call) -> u64 {
    call.options.get(LIMIT).and_then(Value::as_u64).unwrap_or(MAX_PIXELS)
}

/// The picture to continue, if the server can make the whole canvas: a smaller one is not what was asked for.
fn fitting<'a>(call: &Call, picture: &'a Picture, margins: Margins) -> Result<&'a Picture, CallError> {
    let canvas = margins.around(picture.size);
    if within(canvas, most_pixels(call)) == canvas {
        return Ok(picture);
    }
    Err(CallError::failed(Reason::InputUnusable).because("the picture with its margins is too large"))
}

/// The size itself, or the largest of about its shape that has at most so many pixels and no side that is too long.
fn within(size: Size, most: u64) -> Size {
    let longest = size.width.max(size.height).max(1);
    let factor = f64::min(
        (most as f64 / size.pixels().max(1) as f64).sqrt(),
        f64::from(MAX_SIDE) / f64::from(longest),
    );
    if factor >= 1.0 {
        return size;
    }
    let side = |side: u32| ((f64::from(side) * factor) as u32 / GRID * GRID).max(GRID);
    Size { width: side(size.width), height: side(size.height) }
}

/// What every call from words has. The model is the server's name for a checkpoint; none is the one it has loaded.
fn common(call: &Call, size: Option<Size>) -> Map<String, Value> {
    let (settings, wording) = (&call.settings, call.prompt.wording());
    let optional = [
        ("width", size.map(|size| size.width.into())),
        ("height", size.map(|size| size.height.into())),
        ("seed", settings.seed.map(Value::from)),
        ("steps", settings.steps.map(Value::from)),
        ("cfg_scale", settings.guidance.map(Value::from)),
        ("force_task_id", Some(task(call).into())),
        ("override_settings", (!call.model.is_empty()).then(|| json!({ "sd_model_checkpoint": call.model }))),
    ];
    let mut body = Map::new();
    body.insert("prompt".to_owned(), wording.prompt_text().into());
    body.insert("negative_prompt".to_owned(), wording.negative_text().into());
    body.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    body
}

/// What every call from a picture has; the result has the picture's size unless another is wished or that is too large.
fn changed(call: &Call, picture: &Picture, strength: f64) -> Map<String, Value> {
    let mut body =
        common(call, Some(call.settings.size.unwrap_or_else(|| within(picture.size, most_pixels(call)))));
    body.insert("init_images".to_owned(), json!([encoded::base64(picture)]));
    let strength = call.settings.strength.unwrap_or(strength);
    body.insert("denoising_strength".to_owned(), strength.into());
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_picture_is_changed_at_a_size_that_the_server_can_make() {
        let bounded = |width, height| within(Size { width, height }, MAX_PIXELS).to_string();
        for (width, height, expected) in [
            (1000, 1001, "1000x1001"),
            (1536, 1536, "1536x1536"),
            (8000, 5000, "1936x1208"),
            (16_384, 64, "2048x8"),
            (8, 16_384, "8x2048"),
        ] {
            assert_eq!(bounded(width, height), expected, "{width}x{height}");
        }
    }
}
