//! The body of a request: the model, the prompt, the pictures, and the parameters this server is known to understand.

use reqwest::multipart::{Form, Part};
use serde::Deserialize;
use serde_json::{Map, Value};

use imagioo_picture::Operation;

use super::Dialect;
use crate::provider::{Call, CallError, Picture, pixels};
use crate::reason::Reason;

/// An optional parameter of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parameter {
    /// Several images in one call.
    N,
    /// Width and height.
    Size,
    /// A quality by name.
    Quality,
    /// The file format.
    OutputFormat,
    /// Quality of a JPEG or WebP file.
    OutputCompression,
    /// Transparent or opaque.
    Background,
    /// Drafts in a stream; asked for when the request wishes for them.
    PartialImages,
    /// Not of OpenAI's own; many compatible servers have it.
    Seed,
    /// Not of OpenAI's own; some compatible servers have it.
    NegativePrompt,
}

impl Parameter {
    /// What the GPT image models understand.
    pub(super) fn usual() -> Vec<Self> {
        vec![
            Self::N,
            Self::Size,
            Self::Quality,
            Self::OutputFormat,
            Self::OutputCompression,
            Self::Background,
            Self::PartialImages,
        ]
    }
}

/// The body of a generation.
pub(super) fn json(dialect: &Dialect, call: &Call) -> Result<Vec<u8>, CallError> {
    serde_json::to_vec(&fields(dialect, call)?)
        .map_err(|error| CallError::failed(Reason::SettingUnsupported).because(error))
}

/// The body of an edit: `image[]` for every reference, `mask` transparent where to repaint.
pub(super) async fn form(dialect: &Dialect, call: &Call) -> Result<Form, CallError> {
    let missing = || CallError::failed(Reason::SettingUnsupported);
    let (images, mask) = match call.operation {
        Operation::Outpaint => {
            let reference = call.references.first().ok_or_else(missing)?;
            let margins = call.settings.margins.ok_or_else(missing)?;
            let (canvas, mask) = pixels::extended(&call.decoders, reference, margins).await?;
            (vec![canvas], Some(pixels::transparent_where_white(&call.decoders, &mask).await?))
        }
        Operation::Inpaint => {
            let mask = call.mask.as_ref().ok_or_else(missing)?;
            (call.references.clone(), Some(pixels::transparent_where_white(&call.decoders, mask).await?))
        }
        _ => (call.references.clone(), None),
    };
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let mut fields = fields(dialect, call)?;
    // Without a size the result would have any, and not that of the canvas.
    if let (Operation::Outpaint, Some(canvas), true) =
        (call.operation, images.first(), dialect.has(Parameter::Size))
    {
        fields.entry("size").or_insert_with(|| canvas.size.to_string().into());
    }
    let mut form = fields.into_iter().fold(Form::new(), |form, (name, value)| form.text(name, text(value)));
    for (place, image) in images.iter().enumerate() {
        form = form.part("image[]", part(image, &format!("image-{place}"))?);
    }
    match mask {
        Some(mask) => Ok(form.part("mask", part(&mask, "mask")?)),
        None => Ok(form),
    }
}

fn part(picture: &Picture, name: &str) -> Result<Part, CallError> {
    let length = picture.file.len() as u64;
    Part::stream_with_length(picture.file.clone(), length)
        .file_name(format!("{name}.{}", picture.format.as_str()))
        .mime_str(picture.format.media_type())
        .map_err(|error| CallError::failed(Reason::InputUnusable).because(error))
}

/// The prompt. The API wants one always; imagioo wants none to continue a picture.
fn words(call: &Call) -> &str {
    let text = call.prompt.wording().prompt_text();
    if text.is_empty() { "Continue the picture naturally beyond its borders." } else { text }
}

/// Everything that is not a picture.
///
/// # Errors
/// [`Reason::SettingUnsupported`] when the call wishes for something that the server does not understand.
fn fields(dialect: &Dialect, call: &Call) -> Result<Map<String, Value>, CallError> {
    call.wishes_only(|wish| match wish {
        "size" => dialect.has(Parameter::Size),
        "quality" => dialect.has(Parameter::Quality),
        "background" => dialect.has(Parameter::Background),
        "compression" => dialect.has(Parameter::OutputCompression),
        "seed" => dialect.has(Parameter::Seed),
        "negative_prompt" => dialect.has(Parameter::NegativePrompt),
        wish => wish == "margins",
    })?;
    let settings = &call.settings;
    let negative = Some(call.prompt.wording().negative_text()).filter(|text| !text.is_empty());
    let optional = [
        (Parameter::N, "n", Some(call.count.into())),
        (Parameter::Size, "size", settings.size.map(|size| size.to_string().into())),
        (Parameter::Quality, "quality", settings.quality.clone().map(Value::from)),
        (Parameter::OutputFormat, "output_format", Some(call.format().as_str().into())),
        (Parameter::OutputCompression, "output_compression", settings.compression.map(Value::from)),
        (Parameter::Background, "background", settings.background.map(|ground| ground.as_str().into())),
        (Parameter::Seed, "seed", settings.seed.map(Value::from)),
        (Parameter::NegativePrompt, "negative_prompt", negative.map(Value::from)),
    ];
    let mut fields = Map::new();
    fields.insert("model".to_owned(), call.model.as_str().into());
    fields.insert("prompt".to_owned(), words(call).into());
    for (parameter, name, value) in optional {
        if let Some(value) = value.filter(|_| dialect.has(parameter)) {
            fields.insert(name.to_owned(), value);
        }
    }
    let drafts = dialect.drafts(settings);
    if drafts > 0 {
        fields.insert("stream".to_owned(), true.into());
        fields.insert("partial_images".to_owned(), drafts.into());
    }
    if dialect.send_response_format {
        fields.insert("response_format".to_owned(), "b64_json".into());
    }
    fields.extend(call.options.iter().map(|(name, value)| (name.clone(), value.clone())));
    Ok(fields)
}
