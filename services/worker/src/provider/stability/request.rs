//! What is sent to Stability: where, and the form.

use imagioo_picture::Operation;
use reqwest::multipart::{Form, Part};
use serde_json::Value;

use crate::provider::{Call, CallError, Picture};
use crate::reason::Reason;

/// How many times wider and higher an upscale is.
const FACTOR: u32 = 4;

/// Where a call goes: as the catalogue says, or the usual place of its operation.
pub(super) fn path(call: &Call) -> &str {
    if !call.endpoint.is_empty() {
        return &call.endpoint;
    }
    match call.operation {
        Operation::TextToImage | Operation::ImageToImage | Operation::Variation => {
            "stable-image/generate/sd3"
        }
        Operation::Inpaint => "stable-image/edit/inpaint",
        Operation::Outpaint => "stable-image/edit/outpaint",
        Operation::Upscale => "stable-image/upscale/conservative",
        Operation::RemoveBackground => "stable-image/edit/remove-background",
    }
}

/// The form. The provider's masks are white where to repaint, as imagioo's are. `options` of the deployment go last.
///
/// # Errors
/// [`Reason::SettingUnsupported`] when a picture is missing or a wish has no field.
pub(super) fn form(call: &Call) -> Result<Form, CallError> {
    call.wishes_only(|wish| is_sent(call, wish))?;
    let missing = || CallError::failed(Reason::SettingUnsupported);
    let settings = &call.settings;
    let wording = call.prompt.wording();
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let number = |value: Option<u32>| value.map(|value| value.to_string());
    let mut fields = vec![
        ("prompt", text(wording.prompt_text()).or(usual_words(call))),
        ("negative_prompt", text(wording.negative_text())),
        ("seed", settings.seed.map(|seed| seed.to_string())),
        ("output_format", Some(call.format().as_str().to_owned())),
    ];
    match call.operation {
        Operation::TextToImage => fields.push(("aspect_ratio", settings.aspect_ratio.clone())),
        Operation::ImageToImage => {
            fields.push(("mode", Some("image-to-image".to_owned())));
            fields.push(("strength", Some(settings.strength.unwrap_or(0.7).to_string())));
        }
        Operation::Outpaint => {
            let margins = settings.margins.ok_or_else(missing)?;
            fields.push(("left", number(Some(margins.left))));
            fields.push(("up", number(Some(margins.top))));
            fields.push(("right", number(Some(margins.right))));
            fields.push(("down", number(Some(margins.bottom))));
        }
        _ => {}
    }
    let mut form = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .filter(|(name, _)| !call.options.contains_key(*name))
        .fold(Form::new(), |form, (name, value)| form.text(name, value));
    for (name, value) in call.options.iter() {
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        form = form.text(name.clone(), value);
    }
    if call.operation != Operation::TextToImage {
        form = form.part("image", part(call.references.first().ok_or_else(missing)?, "image")?);
    }
    if let Some(mask) = &call.mask {
        form = form.part("mask", part(mask, "mask")?);
    }
    // The API takes forms with a file only; this is how its documentation sends one that has none.
    Ok(if call.operation == Operation::TextToImage { form.part("none", Part::text("")) } else { form })
}

/// Whether a setting has a field. Aspect ratios are for what is made from words alone, and the factor of an upscale is fixed.
fn is_sent(call: &Call, wish: &str) -> bool {
    match (call.operation, wish) {
        (Operation::TextToImage, "aspect_ratio") | (Operation::Outpaint, "margins") => true,
        (Operation::ImageToImage, "strength") => true,
        (Operation::Upscale, "upscale_factor") => call.settings.upscale_factor == Some(FACTOR),
        (Operation::RemoveBackground, _) | (Operation::Outpaint, "negative_prompt") => false,
        (_, wish) => ["seed", "negative_prompt"].contains(&wish),
    }
}

/// What is said where there must be words, and imagioo asks for none: two of the upscales want to be told what they show.
fn usual_words(call: &Call) -> Option<String> {
    let must = call.operation == Operation::Upscale && !path(call).ends_with("/fast");
    must.then(|| "A sharp and detailed picture.".to_owned())
}

fn part(picture: &Picture, name: &str) -> Result<Part, CallError> {
    Part::stream_with_length(picture.file.clone(), picture.file.len() as u64)
        .file_name(format!("{name}.{}", picture.format.as_str()))
        .mime_str(picture.format.media_type())
        .map_err(|error| CallError::failed(Reason::InputUnusable).because(error))
}
