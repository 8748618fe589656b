//! Parameters from a JSON body.

use axum::body::Body;
use http::HeaderMap;
use imagioo_proto::generation::v1::ImageInput;
use imagioo_proto::generation::v1::image_input::Source;
use imagioo_rpc::RpcError;
use serde_json::Value;

use super::base64;
use super::body::Limited;
use super::parameters::{Mask, Parameters, file};
use super::refusal::Refusal;

/// Reads a JSON object; `images` and `mask` of an edit are taken apart.
pub(super) async fn read(headers: &HeaderMap, body: Body, most: u64) -> Result<Parameters, Refusal> {
    let text = Limited::of(headers, body, most).await?.whole().await?;
    // Pictures as text may be long, and nobody else waits for them here.
    tokio::task::spawn_blocking(move || parse(&text)).await.map_err(RpcError::internal)?
}

fn parse(text: &[u8]) -> Result<Parameters, Refusal> {
    let mut values = match serde_json::from_slice(text) {
        Ok(Value::Object(values)) => values,
        Ok(_) => return Err(Refusal::body("the body must be a JSON object")),
        Err(error) => return Err(Refusal::body(format!("the body is not valid JSON: {error}"))),
    };
    let images = match values.remove("images") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(images)) => {
            images.into_iter().map(|image| picture(image, "images")).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(unreadable("images")),
    };
    let mask = match values.remove("mask") {
        None | Some(Value::Null) => None,
        Some(mask) => match picture(mask, "mask")?.source {
            Some(Source::Data(file)) => Some(Mask::File(file)),
            Some(Source::Image(name)) => Some(Mask::Image(name)),
            None => return Err(unreadable("mask")),
        },
    };
    Ok(Parameters { values, images, mask, is_form: false })
}

/// A picture as an edit names it: `{"image_url": "data:…"}`, or `{"file_id": "img_…"}` for an image of the caller.
fn picture(value: Value, name: &'static str) -> Result<ImageInput, Refusal> {
    let Value::Object(mut fields) = value else { return Err(unreadable(name)) };
    let (url, id) = (fields.remove("image_url"), fields.remove("file_id"));
    match (url, id) {
        (Some(Value::String(url)), None) if fields.is_empty() => {
            base64::of_data_url(&url).map(file).ok_or_else(|| {
                let what =
                    "image_url must be a data: address in base64; pictures are not fetched from elsewhere";
                Refusal::parameter(name, "invalid_image_url", format!("{name}: {what}"))
            })
        }
        (None, Some(Value::String(id))) if fields.is_empty() => {
            let name = if id.starts_with("images/") { id } else { format!("images/{id}") };
            Ok(ImageInput { source: Some(Source::Image(name)) })
        }
        _ => Err(unreadable(name)),
    }
}

fn unreadable(name: &'static str) -> Refusal {
    let what = "must be given as {\"image_url\": \"data:image/png;base64,…\"} or {\"file_id\": \"img_…\"}";
    Refusal::parameter(name, "invalid_type", format!("{name} {what}"))
}
