//! Calls that create generations, decoded; the HTTP door asks for the same.

use imagioo_proto::generation::v1 as wire;
use imagioo_rpc::{Code, RpcError, validated};
use imagioo_types::{Credits, GenerationId, ImageId};
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use super::convert::{self, bad_name};
use crate::generations::again::Again;
use crate::generations::create::Create;
use crate::generations::inputs::Named;
use crate::preset::PresetName;
use crate::presets::using::Wanted;

/// Two calls are the same when everything but the key, the wait, the limit and the wish for previews is.
fn body_hash(message: &wire::CreateGenerationRequest) -> [u8; 32] {
    let mut canonical = wire::CreateGenerationRequest {
        request_id: String::new(),
        wait_seconds: 0,
        max_credits: None,
        ..message.clone()
    };
    if let Some(settings) = &mut canonical.settings {
        settings.previews = None;
    }
    Sha256::digest(canonical.encode_to_vec()).into()
}

/// The same for a repetition.
fn again_hash(message: &wire::RunGenerationAgainRequest) -> [u8; 32] {
    let canonical = wire::RunGenerationAgainRequest {
        request_id: String::new(),
        wait_seconds: 0,
        max_credits: None,
        ..message.clone()
    };
    Sha256::digest(canonical.encode_to_vec()).into()
}

/// A call that creates.
pub(crate) fn create(message: wire::CreateGenerationRequest) -> Result<Create, RpcError> {
    let message = validated(message)?;
    check_request_id(&message.request_id)?;
    let body_hash = body_hash(&message);
    let mut asked = convert::asked(message.operation(), message.settings.as_ref(), message.count)?;
    asked.references = message.references.len();
    asked.mask = message.mask.is_some();
    asked.consent = convert::consent(message.routing);
    let parent = match message.parent.as_str() {
        "" => None,
        name => Some(GenerationId::from_name(name).map_err(bad_name("parent"))?),
    };
    let references = message.references.into_iter().map(|input| named(input, "references"));
    Ok(Create {
        body_hash,
        asked,
        request_id: message.request_id,
        model: message.model,
        prompt: message.prompt,
        negative_prompt: message.settings.map(|settings| settings.negative_prompt).unwrap_or_default(),
        references: references.collect::<Result<_, _>>()?,
        mask: message.mask.map(|input| named(input, "mask")).transpose()?,
        parent,
        max_credits: message.max_credits.map(Credits::new),
        start_within: message.start_timeout.map(convert::duration),
        end_within: message.timeout.map(convert::duration),
        preset: preset_name(&message.preset)?.map(Wanted::Filled),
    })
}

/// Images of the caller by their names.
pub(super) fn images(names: &[String], field: &'static str) -> Result<Vec<Named>, RpcError> {
    let named = |name: &String| ImageId::from_name(name).map(Named::Image).map_err(bad_name(field));
    names.iter().map(named).collect()
}

/// The preset that a request names, if it does.
pub(super) fn preset_name(text: &str) -> Result<Option<PresetName>, RpcError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(bad_name("preset"))
}

/// A call that creates the same once more.
pub(super) fn again(message: wire::RunGenerationAgainRequest) -> Result<Again, RpcError> {
    let message = validated(message)?;
    check_request_id(&message.request_id)?;
    Ok(Again {
        id: GenerationId::from_name(&message.name).map_err(bad_name("name"))?,
        body_hash: again_hash(&message),
        model: message.model,
        keep_seed: message.keep_seed,
        request_id: message.request_id,
        max_credits: message.max_credits.map(Credits::new),
        consent: convert::consent(message.routing),
    })
}

fn check_request_id(request_id: &str) -> Result<(), RpcError> {
    if request_id.chars().any(char::is_control) {
        return Err(RpcError::new(Code::InvalidArgument, "the request has invalid fields")
            .field("request_id", "must have no control characters"));
    }
    Ok(())
}

/// A picture as the request names it; the rules of the message let no input through that names none.
fn named(input: wire::ImageInput, field: &'static str) -> Result<Named, RpcError> {
    match input.source {
        Some(wire::image_input::Source::Image(name)) => {
            ImageId::from_name(&name).map(Named::Image).map_err(bad_name(field))
        }
        Some(wire::image_input::Source::Data(file)) => Ok(Named::File(file)),
        None => Err(RpcError::new(Code::InvalidArgument, "the request has invalid fields")
            .field(field, "must be an image or a file")),
    }
}
