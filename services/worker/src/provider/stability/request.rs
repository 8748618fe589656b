//! What is sent to Stability: where, and the form.

use imagioo_picture::Operation;
use reqwest::multipart::{Form, Part};
use serde_json::Value;

use crate::provider::{Call, CallError, Picture};
use crate::reason::Reason;

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
/// [`Reason::SettingUnsupported`] when a picture is missing.
pub(super) fn form(call: &Call) -> Result<Form, CallError> {
    let missing = || CallError::failed(Reason::SettingUnsupported);
    let settings = &call.settings;
    let wording = call.prompt.wording();
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let number = |value: Option<u32>| value.map(|value| value.to_string());
    let mut fields = vec![
        ("prompt", text(wording.prompt_text())),
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

fn part(picture: &Picture, name: &str) -> Result<Part, CallError> {
    Part::stream_with_length(picture.file.clone(), picture.file.len() as u64)
        .file_name(format!("{name}.{}", picture.format.as_str()))
        .mime_str(picture.format.media_type())
        .map_err(|error| CallError::failed(Reason::InputUnusable).because(error))
}
