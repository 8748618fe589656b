//! Answers with images.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::HeaderValue;
use imagioo_rpc::RpcError;
use imagioo_storage::{LONGEST_LINK, ObjectKey};
use imagioo_types::{Credits, GenerationId};
use serde::Serialize;

use super::refusal::Refusal;
use super::{Door, base64};
use crate::error::Error;
use crate::generation::{Generation, Image};
use crate::generations::read::Whole;

/// The images of a generation.
#[derive(Serialize)]
struct Images {
    created: i64,
    data: Vec<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    background: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<String>,
    usage: Usage,
}

/// One image.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Shown {
    B64Json(String),
    Url(String),
}

/// What was charged. imagioo counts credits and no tokens.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Usage {
    input_tokens: i64,
    input_tokens_details: TokenDetails,
    output_tokens: i64,
    total_tokens: i64,
    credits: i64,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct TokenDetails {
    text_tokens: i64,
    image_tokens: i64,
}

impl Usage {
    pub(super) fn of(credits: i64) -> Self {
        let input_tokens_details = TokenDetails { text_tokens: 0, image_tokens: 0 };
        Self { input_tokens: 0, input_tokens_details, output_tokens: 0, total_tokens: 0, credits }
    }
}

/// The answer with every image that was delivered.
pub(super) async fn images(door: &Door, whole: Whole, links: bool) -> Result<Response, Refusal> {
    let Whole { generation, images } = whole;
    let id = generation.id;
    let mut data = Vec::with_capacity(images.len());
    for image in &images {
        let shown = if links {
            link(door, image).await.map(Shown::Url)
        } else {
            text(door, image).await.map(Shown::B64Json)
        };
        data.push(shown?);
    }
    let first = images.first();
    let answer = Images {
        created: ended_at(&generation),
        data,
        background: generation.settings.background.map(|background| background.as_str()),
        output_format: first.map(|image| image.format.as_str()),
        size: first.map(|image| format!("{}x{}", image.width, image.height)),
        usage: Usage::of(generation.charge.map(Credits::get).unwrap_or_default()),
        quality: generation.settings.quality,
    };
    Ok(about(id, Json(answer).into_response()))
}

/// When it ended, in seconds since 1970.
pub(super) fn ended_at(generation: &Generation) -> i64 {
    generation.ended_at.unwrap_or(generation.created_at).unix_timestamp()
}

/// An image in base64.
pub(super) async fn text(door: &Door, image: &Image) -> Result<String, Refusal> {
    Ok(base64::encode(&read(door, image).await?))
}

async fn read(door: &Door, image: &Image) -> Result<Bytes, Refusal> {
    let bytes = door.app.storage.read(&key(image)?).await.map_err(Error::from)?;
    Ok(bytes.ok_or_else(|| RpcError::internal("an image's object is missing"))?)
}

async fn link(door: &Door, image: &Image) -> Result<String, Refusal> {
    let link = door.app.storage.sign_get(&key(image)?, LONGEST_LINK).await.map_err(Error::from)?;
    Ok(link.into())
}

fn key(image: &Image) -> Result<ObjectKey, Refusal> {
    Ok(image.object_key.parse().map_err(RpcError::internal)?)
}

/// The answer with the name of its generation, under which the history has it.
pub(super) fn about(generation: GenerationId, mut answer: Response) -> Response {
    if let Ok(name) = HeaderValue::from_str(&generation.name()) {
        answer.headers_mut().insert("x-imagioo-generation", name);
    }
    answer
}
