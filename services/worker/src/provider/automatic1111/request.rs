//! What is sent for each operation.

use imagioo_picture::{Operation, Size};
use serde_json::{Map, Value, json};

use crate::provider::{Call, CallError, Picture, encoded, pixels};
use crate::reason::Reason;

/// How far a result may go from its picture, unless the call says: for a change, a variation, and what is new around it.
const CHANGE: f64 = 0.75;
const VARIATION: f64 = 0.5;
const NEW: f64 = 0.9;

/// Fill what is repainted with noise; the server's own number for that.
const LATENT_NOISE: u32 = 2;

/// The path below `sdapi/v1` and the body of a call. `options` of the deployment go last.
///
/// # Errors
/// [`Reason::SettingUnsupported`] when a picture is missing, [`Reason::InputUnusable`].
pub(super) async fn of(call: &Call) -> Result<(&'static str, Value), CallError> {
    let missing = || CallError::failed(Reason::SettingUnsupported);
    let first = || call.references.first().ok_or_else(missing);
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
            let (canvas, mask) = pixels::extended(&call.decoders, first()?, margins).await?;
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
    body.extend(call.options.iter().map(|(name, value)| (name.clone(), value.clone())));
    Ok((path, body.into()))
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
        ("override_settings", (!call.model.is_empty()).then(|| json!({ "sd_model_checkpoint": call.model }))),
    ];
    let mut body = Map::new();
    body.insert("prompt".to_owned(), wording.prompt_text().into());
    body.insert("negative_prompt".to_owned(), wording.negative_text().into());
    body.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    body
}

/// What every call from a picture has; the result has the picture's size unless another is wished.
fn changed(call: &Call, picture: &Picture, strength: f64) -> Map<String, Value> {
    let mut body = common(call, Some(call.settings.size.unwrap_or(picture.size)));
    body.insert("init_images".to_owned(), json!([encoded::base64(picture)]));
    let strength = call.settings.strength.unwrap_or(strength);
    body.insert("denoising_strength".to_owned(), strength.into());
    body
}
