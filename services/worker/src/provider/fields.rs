//! The input of a model whose fields its author named: the same wishes under other names, chosen by data.
//!
//! An adapter says what fields are usually called; a deployment's options correct that:
//!
//! - `field_names = { size = "image_size", seed = "" }`: another name for one of [`WISHES`], none for one that is not sent,
//! - `field_values = { format = { jpeg = "jpg" } }`: another word for a value,
//! - every other option is sent as it stands.

use serde_json::{Map, Value, json};

use super::{Call, CallError, Options};
use crate::reason::Reason;

/// What the tables are called in a deployment's options.
const NAMES: &str = "field_names";
const VALUES: &str = "field_values";

/// Everything a call may wish for that has a name of its own. `size` is an object of width and height, `size_text` the same
/// as `1024x768`; `reference` is the first picture, `references` all of them.
pub(super) const WISHES: [&str; 22] = [
    "prompt",
    "negative_prompt",
    "count",
    "size",
    "size_text",
    "width",
    "height",
    "aspect_ratio",
    "resolution",
    "quality",
    "format",
    "background",
    "compression",
    "seed",
    "guidance",
    "steps",
    "strength",
    "margins",
    "upscale_factor",
    "reference",
    "references",
    "mask",
];

/// Pictures as the provider wants to be given them: links or `data:` URIs.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    pub(super) references: Vec<String>,
    pub(super) mask: Option<String>,
}

/// The field of a wish, if it has one.
fn field<'a>(options: &'a Options, usual: &[(&'a str, &'a str)], wish: &str) -> Option<&'a str> {
    let name = match options.get(NAMES).and_then(|names| names.get(wish)) {
        Some(named) => named.as_str(),
        None => usual.iter().find(|(known, _)| *known == wish).map(|(_, name)| *name),
    };
    name.filter(|name| !name.is_empty())
}

/// Most images that one call of a deployment is asked for: `most`, or one where their number has no field.
pub(super) fn images_per_call(options: &Options, usual: &[(&str, &str)], most: u32) -> u32 {
    if field(options, usual, "count").is_some() { most } else { 1 }
}

/// The input of a model. `usual` are the names that its provider's models usually have.
///
/// # Errors
/// [`Reason::SettingUnsupported`] when a picture or a wish has no field to go to: without it the result would be another.
pub(super) fn input(
    call: &Call,
    usual: &[(&str, &str)],
    pictures: &Pictures,
) -> Result<Map<String, Value>, CallError> {
    let name = |wish: &str| field(&call.options, usual, wish);
    let has = |wishes: &[&str]| wishes.iter().any(|wish| name(wish).is_some());
    call.wishes_only(|wish| match wish {
        "size" => has(&["size", "size_text", "width"]),
        wish => has(&[wish]),
    })?;
    let mut input = Map::new();
    for wish in WISHES {
        let Some(name) = name(wish) else { continue };
        let Some(value) = value(call, pictures, wish) else { continue };
        let words = call.options.get(VALUES).and_then(|values| values.get(wish));
        let word = value.as_str().and_then(|word| words?.get(word)).cloned();
        input.insert(name.to_owned(), word.unwrap_or(value));
    }
    let all_have_fields = match pictures.references.len() {
        0 => true,
        1 => has(&["reference", "references"]),
        _ => has(&["references"]),
    };
    if !all_have_fields || (pictures.mask.is_some() && !has(&["mask"])) {
        return Err(CallError::failed(Reason::SettingUnsupported));
    }
    let constants = call.options.iter().filter(|(name, _)| ![NAMES, VALUES].contains(&name.as_str()));
    input.extend(constants.map(|(name, value)| (name.clone(), value.clone())));
    Ok(input)
}

/// What the call wishes, if it does.
fn value(call: &Call, pictures: &Pictures, wish: &str) -> Option<Value> {
    let settings = &call.settings;
    let negative = call.prompt.wording().negative_text();
    match wish {
        "prompt" => {
            Some(call.prompt.wording().prompt_text()).filter(|text| !text.is_empty()).map(Value::from)
        }
        "negative_prompt" => Some(negative).filter(|text| !text.is_empty()).map(Value::from),
        "count" => Some(call.count.into()),
        "size" => settings.size.map(|size| json!({ "width": size.width, "height": size.height })),
        "size_text" => settings.size.map(|size| size.to_string().into()),
        "width" => settings.size.map(|size| size.width.into()),
        "height" => settings.size.map(|size| size.height.into()),
        "aspect_ratio" => settings.aspect_ratio.clone().map(Value::from),
        "resolution" => settings.resolution.clone().map(Value::from),
        "quality" => settings.quality.clone().map(Value::from),
        "format" => Some(call.format().as_str().into()),
        "background" => settings.background.map(|ground| ground.as_str().into()),
        "compression" => settings.compression.map(Value::from),
        "seed" => settings.seed.map(Value::from),
        "guidance" => settings.guidance.map(Value::from),
        "steps" => settings.steps.map(Value::from),
        "strength" => settings.strength.map(Value::from),
        "margins" => settings.margins.map(|margins| json!(margins)),
        "upscale_factor" => settings.upscale_factor.map(Value::from),
        "reference" => pictures.references.first().cloned().map(Value::from),
        "references" => Some(pictures.references.clone()).filter(|all| !all.is_empty()).map(Value::from),
        "mask" => pictures.mask.clone().map(Value::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use imagioo_picture::{Operation, Settings, Size};
    use imagioo_types::{Prompt, Screened, Wording};

    use super::*;

    const USUAL: [(&str, &str); 5] = [
        ("prompt", "prompt"),
        ("size", "image_size"),
        ("format", "format"),
        ("seed", "seed"),
        ("reference", "image"),
    ];

    #[expect(clippy::disallowed_methods, reason = "nobody decides in this test")]
    fn screened(wording: Wording) -> Screened {
        Screened::from_stored(wording, "allow:off".to_owned()).expect("an allow")
    }

    fn call(options: Value) -> Call {
        let prompt = Prompt::parse("a fox".to_owned()).expect("a prompt");
        Call {
            key: "k".to_owned(),
            model: "m".to_owned(),
            endpoint: String::new(),
            options: Arc::new(options.as_object().expect("a table").clone()),
            operation: Operation::TextToImage,
            prompt: screened(Wording::of(prompt)),
            settings: Settings {
                size: Some(Size { width: 64, height: 48 }),
                format: Some(imagioo_picture::Format::Jpeg),
                seed: Some(7),
                ..Settings::default()
            },
            references: Vec::new(),
            mask: None,
            first: 0,
            count: 1,
            decoders: imagioo_picture::Verifier::new(40_000_000, 1),
        }
    }

    fn sent(options: Value, pictures: &Pictures) -> Value {
        Value::Object(input(&call(options), &USUAL, pictures).expect("an input"))
    }

    #[test]
    fn usual_names_hold_until_a_deployment_knows_better() {
        let usual = json!({ "prompt": "a fox", "image_size": { "width": 64, "height": 48 }, "format": "jpeg", "seed": 7 });
        assert_eq!(sent(json!({}), &Pictures::default()), usual);
        let options = json!({
            "field_names": { "size": "", "size_text": "size", "seed": "number" },
            "field_values": { "format": { "jpeg": "jpg" } },
            "safety": { "level": 2 },
        });
        let expected = json!({ "prompt": "a fox", "size": "64x48", "format": "jpg", "number": 7,
            "safety": { "level": 2 } });
        assert_eq!(sent(options, &Pictures::default()), expected);
    }

    #[test]
    fn a_wish_without_a_field_is_an_error_and_not_left_out() {
        for lacking in ["size", "seed"] {
            let options = json!({ "field_names": { (lacking): "" } });
            let refused = input(&call(options), &USUAL, &Pictures::default()).expect_err("it would be lost");
            assert_eq!(refused.reason, Reason::SettingUnsupported, "{lacking}");
        }
        let formats = json!({ "field_names": { "format": "" } });
        assert!(input(&call(formats), &USUAL, &Pictures::default()).is_ok(), "what arrives is looked at");
    }

    #[test]
    fn a_call_is_asked_for_one_image_where_their_number_has_no_field() {
        const COUNTED: [(&str, &str); 1] = [("count", "num_images")];
        let most = |options: Value| images_per_call(options.as_object().expect("a table"), &COUNTED, 4);
        assert_eq!(most(json!({})), 4);
        assert_eq!(most(json!({ "field_names": { "count": "" } })), 1);
        assert_eq!(most(json!({ "field_names": { "count": "n" } })), 4);
    }

    #[test]
    fn a_picture_without_a_field_is_an_error_and_not_left_out() {
        let pictures = || Pictures { references: vec!["data:1".to_owned(), "data:2".to_owned()], mask: None };
        let first = Pictures { references: vec!["data:1".to_owned()], mask: None };
        assert_eq!(sent(json!({}), &first)["image"], "data:1");
        assert!(input(&call(json!({})), &USUAL, &pictures()).is_err(), "the second would be lost");
        let several = json!({ "field_names": { "reference": "", "references": "images" } });
        assert_eq!(sent(several, &pictures())["images"], json!(["data:1", "data:2"]));
        let nowhere = call(json!({ "field_names": { "reference": "" } }));
        assert!(input(&nowhere, &USUAL, &pictures()).is_err());
        let masked = Pictures { mask: Some("data:3".to_owned()), ..first };
        assert!(input(&call(json!({})), &USUAL, &masked).is_err());
    }
}
