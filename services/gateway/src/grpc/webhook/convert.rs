//! Endpoints and deliveries between the wire and the gateway's own types.

use imagioo_proto::generation::v1 as wire;
use imagioo_rpc::{Code, RpcError};
use imagioo_types::{EventId, GenerationId, WebhookEndpointId};
use time::Duration;

use crate::grpc::convert::timestamp;
use crate::webhooks::delivery::{Attempt, Delivery, DeliveryId, DeliveryState, Subject};
use crate::webhooks::endpoint::Endpoint;
use crate::webhooks::event::EventType;
use crate::webhooks::log::Logged;

const DELIVERIES: &str = "/deliveries/";

/// An endpoint as the API shows it.
pub(crate) fn endpoint(endpoint: Endpoint) -> wire::WebhookEndpoint {
    let state = match endpoint.disabled {
        None => wire::WebhookEndpointState::Enabled,
        Some(_) => wire::WebhookEndpointState::Disabled,
    };
    let reason = endpoint.disabled.map(|(reason, _)| reason.as_str().to_uppercase());
    wire::WebhookEndpoint {
        name: endpoint.id.name(),
        url: endpoint.url,
        description: endpoint.description,
        event_types: endpoint.events.into_iter().map(|event| event.as_str().to_owned()).collect(),
        state: state.into(),
        disable_reason: reason.unwrap_or_default(),
        disable_time: endpoint.disabled.map(|(_, at)| timestamp(at)),
        failing_since: endpoint.failing_since.map(timestamp),
        old_secret_expire_time: endpoint.old_secret_until.map(timestamp),
        create_time: Some(timestamp(endpoint.created_at)),
        update_time: Some(timestamp(endpoint.updated_at)),
    }
}

/// The types of events that an endpoint chose; the usual ones when it named none.
pub(super) fn events(names: &[String]) -> Result<Vec<EventType>, RpcError> {
    if names.is_empty() {
        return Ok(EventType::USUAL.to_vec());
    }
    let mut chosen = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let event = EventType::choose(name).map_err(|_| {
            let known = EventType::CHOICE.map(EventType::as_str).join(", ");
            invalid(format!("endpoint.event_types[{index}]"), format!("must be one of {known}"))
        })?;
        if !chosen.contains(&event) {
            chosen.push(event);
        }
    }
    Ok(chosen)
}

/// A description that can be stored and shown.
pub(super) fn description(text: String) -> Result<String, RpcError> {
    if text.chars().any(char::is_control) {
        return Err(invalid("endpoint.description", "must have no control characters"));
    }
    Ok(text)
}

/// Reads `webhookEndpoints/whe_…/deliveries/evt_…`.
pub(super) fn delivery_id(name: &str) -> Result<DeliveryId, RpcError> {
    let read = || {
        let (endpoint, event) = name.split_once(DELIVERIES)?;
        let endpoint = WebhookEndpointId::from_name(endpoint).ok()?;
        Some(DeliveryId { endpoint, event: event.parse().ok()? })
    };
    read().ok_or_else(|| invalid("name", "not a name of the form `webhookEndpoints/whe_…/deliveries/evt_…`"))
}

fn delivery_name(id: DeliveryId) -> String {
    let (endpoint, event): (String, EventId) = (id.endpoint.name(), id.event);
    format!("{endpoint}{DELIVERIES}{event}")
}

/// A delivery as the API shows it. `within` is the time allowed for it.
pub(super) fn delivery(logged: Logged, within: Duration) -> wire::WebhookDelivery {
    let Logged { delivery, attempts } = logged;
    let Delivery { id, event, subject, state, .. } = delivery;
    let pending = state == DeliveryState::Pending;
    wire::WebhookDelivery {
        name: delivery_name(id),
        event_type: event.as_str().to_owned(),
        subject: match subject {
            Subject::Generation(id) => GenerationId::name(id),
            Subject::Endpoint(id) => id.name(),
        },
        state: match state {
            DeliveryState::Pending => wire::WebhookDeliveryState::Pending,
            DeliveryState::Delivered => wire::WebhookDeliveryState::Delivered,
            DeliveryState::Failed => wire::WebhookDeliveryState::Failed,
        }
        .into(),
        attempt_count: delivery.attempts,
        next_attempt_time: delivery.next_at.filter(|_| pending).map(timestamp),
        give_up_time: pending.then(|| timestamp(delivery.since + within)),
        create_time: Some(timestamp(delivery.created_at)),
        attempts: attempts.into_iter().map(attempt).collect(),
    }
}

fn attempt(attempt: Attempt) -> wire::WebhookAttempt {
    wire::WebhookAttempt {
        number: attempt.number,
        start_time: Some(timestamp(attempt.started_at)),
        duration_ms: attempt.duration_ms,
        status: attempt.status,
        error: attempt.error.unwrap_or_default(),
    }
}

pub(super) fn invalid(field: impl Into<String>, why: impl Into<String>) -> RpcError {
    RpcError::new(Code::InvalidArgument, "the request has invalid fields").field(field, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_delivery_reads_back_and_nothing_else_does() {
        let id = DeliveryId { endpoint: WebhookEndpointId::generate(), event: EventId::generate() };
        let name = delivery_name(id);
        assert_eq!(delivery_id(&name).expect("a name"), id);
        for none in ["", "deliveries/evt_1", &name.replace("evt_", "gen_"), &format!("{name}/deliveries/x")] {
            assert!(delivery_id(none).is_err(), "{none}");
        }
    }

    #[test]
    fn an_unknown_event_is_named_with_those_there_are() {
        let error =
            events(&["generation.succeeded".to_owned(), "image.created".to_owned()]).expect_err("unknown");
        let (field, why) = &error.violations()[0];
        assert_eq!(field, "endpoint.event_types[1]");
        assert!(why.contains("generation.failed"));
        assert_eq!(events(&[]).expect("the usual ones"), EventType::USUAL);
    }
}
