//! Parameters from a multipart form.

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, header};
use imagioo_rpc::RpcError;
use multer::{Field, Multipart};
use serde_json::Value;

use super::body::Limited;
use super::parameters::{Mask, Parameters, file};
use super::refusal::Refusal;

/// Most parts of a form.
const PARTS: usize = 64;

/// Reads a form of at most `most` bytes.
pub(super) async fn read(headers: &HeaderMap, body: Body, most: u64) -> Result<Parameters, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(kind)
        .map_err(|_| Refusal::body("the content-type of the form has no boundary"))?;
    let body = Limited::of(headers, body, most).await?;
    let pieces = stream::try_unfold(body, async |mut body| {
        Ok::<_, RpcError>(body.next().await?.map(|piece| (piece, body)))
    });
    let mut form = Multipart::new(Box::pin(pieces), boundary);
    let mut found = Parameters { is_form: true, ..Parameters::default() };
    for _ in 0..PARTS {
        match form.next_field().await.map_err(unreadable)? {
            Some(part) => take(&mut found, part).await?,
            None => return Ok(found),
        }
    }
    Err(Refusal::body(format!("the form has more than {PARTS} parts")))
}

async fn take(found: &mut Parameters, part: Field<'_>) -> Result<(), Refusal> {
    let name = part.name().unwrap_or_default().to_owned();
    let bytes: Bytes = part.bytes().await.map_err(unreadable)?;
    match name.as_str() {
        "image" | "image[]" => found.images.push(file(bytes)),
        "mask" if found.mask.is_some() => return Err(twice(&name)),
        "mask" => found.mask = Some(Mask::File(bytes)),
        _ => {
            let text = String::from_utf8(bytes.into()).map_err(|_| {
                Refusal::parameter(&name, "invalid_type", format!("{name} must be a text in UTF-8"))
            })?;
            if found.values.insert(name.clone(), Value::String(text)).is_some() {
                return Err(twice(&name));
            }
        }
    }
    Ok(())
}

fn twice(name: &str) -> Refusal {
    Refusal::parameter(name, "invalid_value", format!("{name} was given twice"))
}

/// What the body itself was refused for, or what is wrong with the form.
fn unreadable(error: multer::Error) -> Refusal {
    match error {
        multer::Error::StreamReadFailed(cause) => match cause.downcast::<RpcError>() {
            Ok(refusal) => (*refusal).into(),
            Err(cause) => RpcError::internal(cause).into(),
        },
        other => Refusal::body(format!("the form cannot be read: {other}")),
    }
}
