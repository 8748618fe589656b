//! What was sent to an endpoint, and sending it again.

use std::time::Duration;

use imagioo_proto::generation::v1::{
    GetWebhookDeliveryRequest, ListWebhookDeliveriesRequest, ReplayWebhookDeliveryRequest,
    TestWebhookEndpointRequest, WebhookAttempt, WebhookDelivery, WebhookDeliveryState,
};
use serde::Serialize;

use super::service;
use crate::backoff::Backoff;
use crate::client::Client;
use crate::commands::list::short;
use crate::commands::pages;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::webhook::{DeliveryAnswer, delivery_state};
use crate::names::{self, Deliverable};
use crate::output::tame;
use crate::table::Table;
use crate::when;

#[derive(Serialize)]
struct ListAnswer {
    deliveries: Vec<DeliveryAnswer>,
}

/// Sends a test event, waits for its first attempt, and fails when it did not arrive.
pub(super) async fn test(context: &Context, name: &str) -> Result<Exit, Failure> {
    let message = TestWebhookEndpointRequest { name: names::webhook_endpoint(name)?.name() };
    let client = context.client()?;
    let answer = client
        .call(message, async |channel, request| service(channel).test_webhook_endpoint(request).await)
        .await?;
    let sent = answer.delivery.ok_or(Failure::Incomplete("the delivery"))?;
    arrived(context, &client, sent, 0).await
}

/// Sends an event once more and waits for the first attempt.
pub(super) async fn replay(context: &Context, name: &str) -> Result<Exit, Failure> {
    let name = names::webhook_delivery(name)?;
    let client = context.client()?;
    let before = get(&client, &name).await?;
    let message = ReplayWebhookDeliveryRequest { name };
    let answer = client
        .call(message, async |channel, request| service(channel).replay_webhook_delivery(request).await)
        .await?;
    let sent = answer.delivery.ok_or(Failure::Incomplete("the delivery"))?;
    arrived(context, &client, sent, last_number(&before)).await
}

/// Waits for the first attempt after this number, and says what came of it.
async fn arrived(
    context: &Context,
    client: &Client,
    mut delivery: WebhookDelivery,
    before: i32,
) -> Result<Exit, Failure> {
    // As long as a receiver may take to answer, and a little more.
    let mut pauses = Backoff::new(Duration::from_millis(100), Duration::from_secs(1), 22);
    while last_number(&delivery) <= before && pauses.pause().await {
        delivery = get(client, &delivery.name).await?;
    }
    context.output.answer(&DeliveryAnswer::from(&delivery), || lines(&delivery))?;
    let received = delivery.state() == WebhookDeliveryState::Delivered;
    Ok(if received { Exit::Done } else { Exit::Failed })
}

fn last_number(delivery: &WebhookDelivery) -> i32 {
    delivery.attempts.iter().map(|attempt| attempt.number).max().unwrap_or_default()
}

async fn get(client: &Client, name: &str) -> Result<WebhookDelivery, Failure> {
    let message = GetWebhookDeliveryRequest { name: name.to_owned() };
    let answer = client
        .call(message, async |channel, request| service(channel).get_webhook_delivery(request).await)
        .await?;
    answer.delivery.ok_or(Failure::Incomplete("the delivery"))
}

/// Lists what was sent to an endpoint, or shows one delivery.
pub(super) async fn list(context: &Context, name: &str, limit: usize) -> Result<Exit, Failure> {
    let client = context.client()?;
    let parent = match names::deliverable(name)? {
        Deliverable::Endpoint(endpoint) => endpoint.name(),
        Deliverable::Delivery(name) => {
            let delivery = get(&client, &name).await?;
            context.output.answer(&DeliveryAnswer::from(&delivery), || lines(&delivery))?;
            return Ok(Exit::Done);
        }
    };
    let deliveries = pages(limit, async |page_size, page_token| {
        let message = ListWebhookDeliveriesRequest { parent: parent.clone(), page_size, page_token };
        let page = client
            .call(message, async |channel, request| service(channel).list_webhook_deliveries(request).await)
            .await?;
        Ok((page.deliveries, page.next_page_token))
    });
    let deliveries = deliveries.await?;
    let answer = ListAnswer { deliveries: deliveries.iter().map(DeliveryAnswer::from).collect() };
    let output = context.output;
    output.answer(&answer, || table(&deliveries).lines(output.width()))?;
    if deliveries.is_empty() {
        output.remark("nothing yet: `imagioo webhooks test` sends a test event");
    }
    Ok(Exit::Done)
}

fn lines(delivery: &WebhookDelivery) -> Vec<String> {
    let mut facts = vec![
        ("name", delivery.name.clone()),
        ("event", delivery.event_type.clone()),
        ("about", delivery.subject.clone()),
        ("state", delivery_state(delivery)),
        ("created", when::minute(delivery.create_time.as_ref())),
    ];
    if delivery.next_attempt_time.is_some() {
        facts.push(("next", when::minute(delivery.next_attempt_time.as_ref())));
    }
    facts.extend(delivery.attempts.iter().map(|attempt| ("attempt", describe(attempt))));
    facts.into_iter().map(|(what, fact)| format!("{what:<9} {}", tame(&fact))).collect()
}

fn describe(attempt: &WebhookAttempt) -> String {
    let at = when::minute(attempt.start_time.as_ref());
    format!("{} at {at}, {} ms: {}", attempt.number, attempt.duration_ms, outcome(attempt))
}

fn outcome(attempt: &WebhookAttempt) -> String {
    match (attempt.status, attempt.error.as_str()) {
        (Some(status), "") => format!("received ({status})"),
        (_, error) => error.to_owned(),
    }
}

fn table(deliveries: &[WebhookDelivery]) -> Table {
    let mut table = Table::new(&["EVENT", "TYPE", "STATE", "ATTEMPTS", "CREATED", "NEXT", "LAST ATTEMPT"]);
    for delivery in deliveries {
        table.row([
            short(&delivery.name).to_owned(),
            delivery.event_type.clone(),
            delivery_state(delivery),
            delivery.attempt_count.to_string(),
            when::minute(delivery.create_time.as_ref()),
            when::minute(delivery.next_attempt_time.as_ref()),
            delivery.attempts.first().map(outcome).unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table
}
