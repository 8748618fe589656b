//! What a call asks for: the same request that gRPC takes, and how the answer is to look.

use http::HeaderMap;
use imagioo_picture::Operation;
use imagioo_proto::generation::v1 as wire;
use imagioo_proto::generation::v1::image_input::Source;
use imagioo_types::UserId;
use sha2::{Digest as _, Sha256};

use super::parameters::{Mask, Parameters, file, missing};
use super::refusal::Refusal;
use crate::app::App;
use crate::uploads;

/// Which of the three calls that make images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Generation,
    Edit,
    Variation,
}

/// How the images are to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    Base64,
    Links,
    /// Events, with at most so many partial images of each image.
    Events(i32),
}

/// A call that makes images.
#[derive(Debug)]
pub(super) struct Call {
    /// Without a model when none was asked for: a repetition asks the same, whatever the default is by then.
    pub(super) request: wire::CreateGenerationRequest,
    pub(super) default_model: Option<String>,
    pub(super) delivery: Delivery,
}

const MOST_IMAGES: i32 = 10;
const MOST_PARTIALS: i32 = 3;

impl Call {
    /// Reads every parameter; refuses what the kind of call does not have.
    pub(super) async fn read(
        (app, user): (&App, UserId),
        kind: Kind,
        headers: &HeaderMap,
        mut given: Parameters,
    ) -> Result<Self, Refusal> {
        let request_id = request_id(headers)?;
        let references =
            if kind == Kind::Generation { Vec::new() } else { std::mem::take(&mut given.images) };
        let mask = if kind == Kind::Edit { given.mask.take() } else { None };
        let operation = match (kind, &mask) {
            (Kind::Generation, _) => Operation::TextToImage,
            (Kind::Edit, Some(_)) => Operation::Inpaint,
            (Kind::Edit, None) => Operation::ImageToImage,
            (Kind::Variation, _) => Operation::Variation,
        };
        let model = given.text("model")?.map(model_name);
        let default_model = if model.is_none() { first_able(app, operation) } else { None };
        if model.is_none() && default_model.is_none() && request_id.is_empty() {
            return Err(missing("model"));
        }
        let count = given.number("n", 1, MOST_IMAGES)?.unwrap_or_default();
        let mut settings = wire::GenerationSettings {
            size: given.text("size")?.filter(|size| size != "auto").unwrap_or_default(),
            ..wire::GenerationSettings::default()
        };
        let mut prompt = String::new();
        if kind != Kind::Variation {
            prompt = given.text("prompt")?.ok_or_else(|| missing("prompt"))?;
            read_settings(&mut given, &mut settings)?;
        }
        if kind == Kind::Edit {
            read_fidelity(&mut given)?;
        }
        let delivery = delivery(app, kind, &mut given)?;
        if let Delivery::Events(partials) = delivery {
            settings.previews = Some(partials);
        }
        for ignored in ["user", "safety_identifier"] {
            given.text(ignored)?;
        }
        given.finish()?;
        if kind != Kind::Generation && references.is_empty() {
            return Err(missing("image"));
        }
        let request = wire::CreateGenerationRequest {
            request_id,
            model: model.unwrap_or_default(),
            prompt,
            operation: wire::Operation::from(operation).into(),
            settings: Some(settings),
            count,
            references,
            mask: match mask {
                None => None,
                Some(Mask::Image(name)) => Some(wire::ImageInput { source: Some(Source::Image(name)) }),
                Some(Mask::File(mask)) => Some(file(uploads::mask(app, user, mask).await?)),
            },
            ..wire::CreateGenerationRequest::default()
        };
        Ok(Self { request, default_model, delivery })
    }
}

fn read_settings(given: &mut Parameters, settings: &mut wire::GenerationSettings) -> Result<(), Refusal> {
    settings.quality = given.text("quality")?.filter(|quality| quality != "auto").unwrap_or_default();
    let background = given.choice("background", &["transparent", "opaque", "auto"])?;
    settings.set_background(match background.as_deref() {
        Some("transparent") => wire::Background::Transparent,
        Some(_) => wire::Background::Opaque,
        None => wire::Background::Unspecified,
    });
    let format = given.choice("output_format", &["png", "jpeg", "webp"])?;
    settings.set_format(match format.as_deref() {
        Some("png") => wire::ImageFormat::Png,
        Some("jpeg") => wire::ImageFormat::Jpeg,
        Some(_) => wire::ImageFormat::Webp,
        None => wire::ImageFormat::Unspecified,
    });
    settings.compression = given.number("output_compression", 0, 100)?;
    // A wish for less of it is no wish that a platform must grant.
    given.choice("moderation", &["auto", "low"])?;
    Ok(())
}

/// How closely an edit keeps to its pictures. The models here have one way of doing that, which no setting changes.
fn read_fidelity(given: &mut Parameters) -> Result<(), Refusal> {
    match given.choice("input_fidelity", &["low", "high"])?.as_deref() {
        Some("high") => Err(Refusal::parameter(
            "input_fidelity",
            "unsupported_value",
            "no model here can be asked for a higher input_fidelity: leave it out, or say low",
        )),
        _ => Ok(()),
    }
}

fn delivery(app: &App, kind: Kind, given: &mut Parameters) -> Result<Delivery, Refusal> {
    let refused = |name, message: &str| Err(Refusal::parameter(name, "unsupported_value", message));
    let format = given.choice("response_format", &["b64_json", "url"])?;
    let links = format.as_deref() == Some("url");
    let is_stream = kind != Kind::Variation && given.flag("stream")?;
    let partials =
        if kind == Kind::Variation { None } else { given.number("partial_images", 0, MOST_PARTIALS)? };
    match (is_stream, partials) {
        (true, _) if links => refused("response_format", "a stream carries images as b64_json only"),
        (true, partials) => Ok(Delivery::Events(partials.unwrap_or_default())),
        (false, Some(1..)) => refused("partial_images", "partial_images need stream to be true"),
        (false, _) if links && !app.storage.can_sign() => refused(
            "response_format",
            "this server stores images where links cannot be signed: ask for b64_json",
        ),
        (false, _) if links => Ok(Delivery::Links),
        (false, _) => Ok(Delivery::Base64),
    }
}

fn model_name(asked: String) -> String {
    if asked.starts_with("models/") { asked } else { format!("models/{asked}") }
}

/// The first model that can do this.
fn first_able(app: &App, operation: Operation) -> Option<String> {
    let catalogue = app.catalogue();
    let mut offered = catalogue.offered(app.clock.now());
    offered.find(|model| model.operations.contains(&operation)).map(|model| model.name())
}

/// The key of a repeatable call, made short and printable; empty without one.
fn request_id(headers: &HeaderMap) -> Result<String, Refusal> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(String::new()) };
    if key.is_empty() || key.len() > 255 {
        return Err(Refusal::body("the header Idempotency-Key must have 1 to 255 characters"));
    }
    let digest = Sha256::digest(key.as_bytes());
    Ok(digest.iter().fold("http-".to_owned(), |id, byte| format!("{id}{byte:02x}")))
}
