//! The body of a request: the event, and the resource it is about as it is now.

use imagioo_proto::generation::v1 as wire;
use prost::Message;
use prost_reflect::{DynamicMessage, SerializeOptions};
use serde::Serialize;
use serde_json::Value;
use time::format_description::well_known::Rfc3339;

use super::Webhooks;
use super::delivery::{Delivery, Subject};
use super::endpoint::Endpoint;
use super::event::EventType;
use crate::app::App;
use crate::db;
use crate::error::Error;
use crate::generations::outlook::Outlook;
use crate::generations::read::Whole;
use crate::generations::watch::Now;
use crate::grpc::convert;
use crate::grpc::webhook::convert as shown;

/// The body as receivers read it: the three members that Standard Webhooks recommends, and one of ours.
#[derive(Debug, Serialize)]
struct Body<'a> {
    r#type: &'a str,
    timestamp: &'a str,
    data: Value,
    /// The texts of the resource were too long; `GetGeneration` has them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

/// A body that cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum PayloadError {
    #[error("the message has no description")]
    Unknown,
    #[error("the message does not fit its description")]
    Misfit(#[from] prost::DecodeError),
    #[error("the message has no JSON form")]
    Json(#[from] serde_json::Error),
    #[error("the time has no text form")]
    Time(#[from] time::error::Format),
}

/// The resource that an event is about; nothing when it is gone.
#[derive(Debug, Clone)]
pub(super) enum Resource {
    Generation(Box<wire::Generation>),
    Endpoint(Box<wire::WebhookEndpoint>),
}

/// Reads what a delivery is about.
pub(super) async fn resource(
    app: &App,
    delivery: &Delivery,
    endpoint: &Endpoint,
) -> Result<Option<Resource>, Error> {
    let mut conn = app.pool.acquire().await?;
    match delivery.subject {
        Subject::Generation(id) => {
            let found = db::generations::find(&mut conn, id).await?;
            let Some(generation) = found.filter(|found| found.owner == endpoint.owner) else {
                return Ok(None);
            };
            let images = db::images::list_of(&mut conn, &[id.uuid()]).await?;
            let whole = Whole { generation, images };
            // No event tells of a generation that waits, and an estimate would be old when it arrives.
            let message = convert::generation(Now { whole, outlook: Outlook::default(), progress: None });
            Ok(Some(Resource::Generation(Box::new(message))))
        }
        Subject::Endpoint(id) => {
            let found = db::webhook_endpoints::find_owned(&mut conn, endpoint.owner, id).await?;
            Ok(found.map(|about| Resource::Endpoint(Box::new(shown::endpoint(about)))))
        }
    }
}

/// The bytes that are signed and sent, at most as many as configured: texts of any length are left out before that.
pub(super) fn body(
    webhooks: &Webhooks,
    delivery: &Delivery,
    resource: Resource,
) -> Result<Vec<u8>, PayloadError> {
    let whole = write(webhooks, delivery, &resource, false)?;
    match resource {
        Resource::Generation(mut generation) if whole.len() > webhooks.config.max_bytes => {
            generation.prompt.clear();
            if let Some(settings) = &mut generation.settings {
                settings.negative_prompt.clear();
            }
            write(webhooks, delivery, &Resource::Generation(generation), true)
        }
        _ => Ok(whole),
    }
}

fn write(
    webhooks: &Webhooks,
    delivery: &Delivery,
    resource: &Resource,
    truncated: bool,
) -> Result<Vec<u8>, PayloadError> {
    let data = match resource {
        Resource::Generation(message) => json(webhooks, "imagioo.generation.v1.Generation", &**message)?,
        Resource::Endpoint(message) => json(webhooks, "imagioo.generation.v1.WebhookEndpoint", &**message)?,
    };
    let timestamp = &delivery.created_at.format(&Rfc3339)?;
    Ok(serde_json::to_vec(&Body { r#type: EventType::as_str(delivery.event), timestamp, data, truncated })?)
}

/// A message in protobuf's JSON form.
fn json(webhooks: &Webhooks, name: &str, message: &impl Message) -> Result<Value, PayloadError> {
    let descriptor = webhooks.message(name).ok_or(PayloadError::Unknown)?;
    let dynamic = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())?;
    Ok(dynamic.serialize_with_options(serde_json::value::Serializer, &SerializeOptions::new())?)
}
