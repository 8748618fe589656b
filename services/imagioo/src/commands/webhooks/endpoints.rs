//! Adding, listing, changing and removing endpoints.

use imagioo_proto::generation::v1::{
    CreateWebhookEndpointRequest, DeleteWebhookEndpointRequest, GetWebhookEndpointRequest,
    ListWebhookEndpointsRequest, RotateWebhookSecretRequest, UpdateWebhookEndpointRequest, WebhookEndpoint,
    WebhookEndpointState,
};
use prost_types::FieldMask;
use serde::Serialize;
use uuid::Uuid;

use super::service;
use crate::commands::list::short;
use crate::commands::pages;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::webhook::{EndpointAnswer, endpoint_state};
use crate::names;
use crate::output::tame;
use crate::table::Table;
use crate::when;

/// More endpoints than anybody may have.
const MOST: usize = 1_000;

/// What to change.
#[derive(Debug, clap::Args)]
pub(super) struct Update {
    /// The endpoint, such as whe_…
    name: String,
    /// Where events are sent from now on
    #[arg(long)]
    url: Option<String>,
    /// Event to receive from now on; may be repeated
    #[arg(long = "event", short, value_name = "TYPE")]
    events: Vec<String>,
    /// What it is for; only shown
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Switch it on again
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Switch it off; what waits for it is given up
    #[arg(long)]
    disable: bool,
}

#[derive(Serialize)]
struct ListAnswer {
    endpoints: Vec<EndpointAnswer>,
}

#[derive(Serialize)]
struct SecretAnswer<'a> {
    endpoint: EndpointAnswer,
    secret: &'a str,
}

pub(super) async fn add(
    context: &Context,
    (url, event_types, description): (String, Vec<String>, String),
    request_id: Option<String>,
) -> Result<Exit, Failure> {
    let message = CreateWebhookEndpointRequest {
        request_id: request_id.unwrap_or_else(|| Uuid::now_v7().to_string()),
        endpoint: Some(WebhookEndpoint { url, event_types, description, ..WebhookEndpoint::default() }),
    };
    let answer = context
        .client()?
        .call(message, async |channel, request| service(channel).create_webhook_endpoint(request).await)
        .await?;
    secret(context, answer.endpoint, &answer.secret)
}

pub(super) async fn list(context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let endpoints = pages(MOST, async |page_size, page_token| {
        let message = ListWebhookEndpointsRequest { page_size, page_token };
        let page = client
            .call(message, async |channel, request| service(channel).list_webhook_endpoints(request).await)
            .await?;
        Ok((page.endpoints, page.next_page_token))
    });
    let endpoints = endpoints.await?;
    let answer = ListAnswer { endpoints: endpoints.iter().map(EndpointAnswer::from).collect() };
    let output = context.output;
    output.answer(&answer, || table(&endpoints).lines(output.width()))?;
    if endpoints.is_empty() {
        output.remark("none yet: `imagioo webhooks add https://…` adds one");
    }
    Ok(Exit::Done)
}

pub(super) async fn show(context: &Context, name: &str) -> Result<Exit, Failure> {
    let message = GetWebhookEndpointRequest { name: names::webhook_endpoint(name)?.name() };
    let answer = context
        .client()?
        .call(message, async |channel, request| service(channel).get_webhook_endpoint(request).await)
        .await?;
    shown(context, answer.endpoint)
}

pub(super) async fn update(context: &Context, wanted: Update) -> Result<Exit, Failure> {
    let name = names::webhook_endpoint(&wanted.name)?.name();
    let switched = wanted.enable || wanted.disable;
    let state = if wanted.enable { WebhookEndpointState::Enabled } else { WebhookEndpointState::Disabled };
    let paths: Vec<_> = [
        ("url", wanted.url.is_some()),
        ("event_types", !wanted.events.is_empty()),
        ("description", wanted.description.is_some()),
        ("state", switched),
    ]
    .into_iter()
    .filter(|(_, given)| *given)
    .map(|(path, _)| path.to_owned())
    .collect();
    if paths.is_empty() {
        let hint = "give --url, --event, --description, --enable or --disable";
        return Err(Failure::usage("nothing to change", hint));
    }
    let endpoint = WebhookEndpoint {
        name,
        url: wanted.url.unwrap_or_default(),
        event_types: wanted.events,
        description: wanted.description.unwrap_or_default(),
        state: state.into(),
        ..WebhookEndpoint::default()
    };
    let message =
        UpdateWebhookEndpointRequest { endpoint: Some(endpoint), update_mask: Some(FieldMask { paths }) };
    let answer = context
        .client()?
        .call(message, async |channel, request| service(channel).update_webhook_endpoint(request).await)
        .await?;
    shown(context, answer.endpoint)
}

pub(super) async fn remove(context: &Context, name: &str) -> Result<Exit, Failure> {
    #[derive(Serialize)]
    struct Removed {
        removed: String,
    }
    let name = names::webhook_endpoint(name)?.name();
    let message = DeleteWebhookEndpointRequest { name: name.clone() };
    context
        .client()?
        .call(message, async |channel, request| service(channel).delete_webhook_endpoint(request).await)
        .await?;
    let line = format!("{name} is removed");
    context.output.answer(&Removed { removed: name }, || vec![line])?;
    Ok(Exit::Done)
}

pub(super) async fn rotate(context: &Context, name: &str) -> Result<Exit, Failure> {
    let message = RotateWebhookSecretRequest { name: names::webhook_endpoint(name)?.name() };
    let answer = context
        .client()?
        .call(message, async |channel, request| service(channel).rotate_webhook_secret(request).await)
        .await?;
    secret(context, answer.endpoint, &answer.secret)
}

/// Prints a secret, alone on standard output.
fn secret(context: &Context, endpoint: Option<WebhookEndpoint>, secret: &str) -> Result<Exit, Failure> {
    let endpoint = endpoint.ok_or(Failure::Incomplete("the endpoint"))?;
    let name = &endpoint.name;
    context.output.remark(&match (&endpoint.old_secret_expire_time, secret) {
        (_, "") => format!("{name} exists already; `imagioo webhooks rotate` gives it a new secret"),
        (None, _) => format!("created {name}; its secret is shown only now:"),
        (until, _) => {
            let until = when::minute(until.as_ref());
            format!("{name} has a new secret, shown only now; the old one signs, too, until {until}:")
        }
    });
    let answer = SecretAnswer { endpoint: EndpointAnswer::from(&endpoint), secret };
    context.output.answer(&answer, || vec![secret.to_owned()])?;
    Ok(Exit::Done)
}

fn shown(context: &Context, endpoint: Option<WebhookEndpoint>) -> Result<Exit, Failure> {
    let endpoint = endpoint.ok_or(Failure::Incomplete("the endpoint"))?;
    context.output.answer(&EndpointAnswer::from(&endpoint), || lines(&endpoint))?;
    Ok(Exit::Done)
}

fn lines(endpoint: &WebhookEndpoint) -> Vec<String> {
    let mut facts = vec![
        ("name", endpoint.name.clone()),
        ("url", endpoint.url.clone()),
        ("events", endpoint.event_types.join(", ")),
        ("state", state(endpoint)),
        ("created", when::minute(endpoint.create_time.as_ref())),
    ];
    if !endpoint.description.is_empty() {
        facts.push(("for", endpoint.description.clone()));
    }
    for (what, at) in [("failing", &endpoint.failing_since), ("rotated", &endpoint.old_secret_expire_time)] {
        if at.is_some() {
            let word = if what == "failing" { "since" } else { "the old secret signs until" };
            facts.push((what, format!("{word} {}", when::minute(at.as_ref()))));
        }
    }
    facts.into_iter().map(|(what, fact)| format!("{what:<9} {}", tame(&fact))).collect()
}

/// The state, with the reason why it is off.
fn state(endpoint: &WebhookEndpoint) -> String {
    let why = match endpoint.disable_reason.as_str() {
        "" => return endpoint_state(endpoint),
        "OWNER" => "switched off by you",
        "GONE" => "it answered 410",
        "FAILING" => "nothing had arrived for days",
        other => other,
    };
    let since = when::minute(endpoint.disable_time.as_ref());
    format!("{} since {since}: {why}", endpoint_state(endpoint))
}

fn table(endpoints: &[WebhookEndpoint]) -> Table {
    let mut table = Table::new(&["NAME", "STATE", "CREATED", "FAILING SINCE", "URL"]);
    for endpoint in endpoints {
        table.row([
            short(&endpoint.name).to_owned(),
            endpoint_state(endpoint),
            when::minute(endpoint.create_time.as_ref()),
            when::minute(endpoint.failing_since.as_ref()),
            endpoint.url.clone(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_that_was_switched_off_says_why() {
        let endpoint = WebhookEndpoint {
            name: "webhookEndpoints/whe_1".to_owned(),
            state: WebhookEndpointState::Disabled.into(),
            disable_reason: "GONE".to_owned(),
            ..WebhookEndpoint::default()
        };
        assert_eq!(state(&endpoint), "disabled since -: it answered 410");
        let on = WebhookEndpoint {
            state: WebhookEndpointState::Enabled.into(),
            disable_reason: String::new(),
            ..endpoint
        };
        assert_eq!(state(&on), "enabled");
    }
}
