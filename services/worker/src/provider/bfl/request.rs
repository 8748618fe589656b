//! The body of a request: flat fields, pictures in base64.

use imagioo_picture::{Format, Operation};
use serde_json::{Map, Value};

use crate::provider::{Call, CallError, encoded};
use crate::reason::Reason;

/// The fields of a call. `options` of the deployment go last: they know the model best.
///
/// # Errors
/// [`Reason::SettingUnsupported`] when a picture is missing or a wish has no field.
pub(super) fn body(call: &Call) -> Result<Map<String, Value>, CallError> {
    const SENT: [&str; 6] = ["size", "aspect_ratio", "seed", "steps", "guidance", "margins"];
    call.wishes_only(|wish| SENT.contains(&wish))?;
    let settings = &call.settings;
    let mut fields = pictures(call)?;
    let number = |value: Option<u32>| value.map(Value::from);
    let format = match call.format() {
        Format::Jpeg => "jpeg",
        // It makes no WebP.
        Format::Png | Format::Webp => "png",
    };
    let optional = [
        ("width", number(settings.size.map(|size| size.width))),
        ("height", number(settings.size.map(|size| size.height))),
        ("aspect_ratio", settings.aspect_ratio.clone().map(Value::from)),
        ("seed", settings.seed.map(Value::from)),
        ("steps", number(settings.steps)),
        ("guidance", settings.guidance.map(Value::from)),
        ("output_format", Some(format.into())),
    ];
    fields.insert("prompt".to_owned(), call.prompt.wording().prompt_text().into());
    let optional = optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    fields.extend(optional);
    fields.extend(call.options.iter().map(|(name, value)| (name.clone(), value.clone())));
    Ok(fields)
}

/// Where each operation wants its pictures. Masks are white where to repaint, as imagioo's are.
fn pictures(call: &Call) -> Result<Map<String, Value>, CallError> {
    let missing = || CallError::failed(Reason::SettingUnsupported);
    let mut fields = Map::new();
    let mut put = |name: String, value: Value| drop(fields.insert(name, value));
    let first = || call.references.first().map(encoded::base64).ok_or_else(missing);
    match call.operation {
        Operation::Inpaint => {
            put("image".to_owned(), first()?.into());
            put("mask".to_owned(), call.mask.as_ref().map(encoded::base64).ok_or_else(missing)?.into());
        }
        Operation::Outpaint => {
            let margins = call.settings.margins.ok_or_else(missing)?;
            put("image".to_owned(), first()?.into());
            let sides = [
                ("left", margins.left),
                ("top", margins.top),
                ("right", margins.right),
                ("bottom", margins.bottom),
            ];
            sides.into_iter().for_each(|(side, pixels)| put(side.to_owned(), pixels.into()));
        }
        _ => {
            for (place, picture) in call.references.iter().enumerate() {
                let name = match place {
                    0 => "input_image".to_owned(),
                    _ => format!("input_image_{}", place + 1),
                };
                put(name, encoded::base64(picture).into());
            }
        }
    }
    Ok(fields)
}
