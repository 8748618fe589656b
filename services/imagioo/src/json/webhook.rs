//! Webhook endpoints and what was sent to them.

use imagioo_proto::generation::v1 as wire;
use serde::Serialize;

use super::{text, word};
use crate::when;

/// An endpoint, without its secret.
#[derive(Debug, Serialize)]
pub(crate) struct EndpointAnswer {
    name: String,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    event_types: Vec<String>,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_secret_expire_time: Option<String>,
    create_time: Option<String>,
    update_time: Option<String>,
}

/// The state of an endpoint as a word.
pub(crate) fn endpoint_state(endpoint: &wire::WebhookEndpoint) -> String {
    word(endpoint.state().as_str_name(), "WEBHOOK_ENDPOINT_STATE_")
}

/// The state of a delivery as a word.
pub(crate) fn delivery_state(delivery: &wire::WebhookDelivery) -> String {
    word(delivery.state().as_str_name(), "WEBHOOK_DELIVERY_STATE_")
}

impl From<&wire::WebhookEndpoint> for EndpointAnswer {
    fn from(endpoint: &wire::WebhookEndpoint) -> Self {
        Self {
            name: endpoint.name.clone(),
            url: endpoint.url.clone(),
            description: text(&endpoint.description),
            event_types: endpoint.event_types.clone(),
            state: endpoint_state(endpoint),
            disable_reason: text(&endpoint.disable_reason),
            disable_time: when::exact(endpoint.disable_time.as_ref()),
            failing_since: when::exact(endpoint.failing_since.as_ref()),
            old_secret_expire_time: when::exact(endpoint.old_secret_expire_time.as_ref()),
            create_time: when::exact(endpoint.create_time.as_ref()),
            update_time: when::exact(endpoint.update_time.as_ref()),
        }
    }
}

/// One event on its way to one endpoint.
#[derive(Debug, Serialize)]
pub(crate) struct DeliveryAnswer {
    name: String,
    event_type: String,
    subject: String,
    state: String,
    attempt_count: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    give_up_time: Option<String>,
    create_time: Option<String>,
    attempts: Vec<AttemptAnswer>,
}

/// One request.
#[derive(Debug, Serialize)]
struct AttemptAnswer {
    number: i32,
    start_time: Option<String>,
    duration_ms: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl From<&wire::WebhookDelivery> for DeliveryAnswer {
    fn from(delivery: &wire::WebhookDelivery) -> Self {
        let attempt = |attempt: &wire::WebhookAttempt| AttemptAnswer {
            number: attempt.number,
            start_time: when::exact(attempt.start_time.as_ref()),
            duration_ms: attempt.duration_ms,
            status: attempt.status,
            error: text(&attempt.error),
        };
        Self {
            name: delivery.name.clone(),
            event_type: delivery.event_type.clone(),
            subject: delivery.subject.clone(),
            state: delivery_state(delivery),
            attempt_count: delivery.attempt_count,
            next_attempt_time: when::exact(delivery.next_attempt_time.as_ref()),
            give_up_time: when::exact(delivery.give_up_time.as_ref()),
            create_time: when::exact(delivery.create_time.as_ref()),
            attempts: delivery.attempts.iter().map(attempt).collect(),
        }
    }
}
