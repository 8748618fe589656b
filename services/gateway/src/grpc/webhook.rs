//! `imagioo.generation.v1.WebhookService`.

use imagioo_proto::generation::v1 as wire;
use imagioo_proto::generation::v1::webhook_service_server::WebhookService;
use imagioo_rpc::{RpcError, caller, page, validated};
use imagioo_types::{EventId, WebhookEndpointId};
use prost::Message as _;
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use tonic::{Request, Response, Status};

use super::convert::bad_name;
use crate::app::App;
use crate::webhooks::endpoints::{self, Change, Create};
use crate::webhooks::log::{self, Logged};

pub(crate) mod convert;

use convert::invalid;

/// The caller's endpoints and their logs.
pub(crate) struct WebhookEndpoints {
    pub(crate) app: App,
}

impl WebhookEndpoints {
    fn delivery(&self, logged: Logged) -> wire::WebhookDelivery {
        convert::delivery(logged, self.app.webhooks.config.retry_within())
    }
}

#[tonic::async_trait]
impl WebhookService for WebhookEndpoints {
    async fn create_webhook_endpoint(
        &self,
        request: Request<wire::CreateWebhookEndpointRequest>,
    ) -> Result<Response<wire::CreateWebhookEndpointResponse>, Status> {
        let caller = caller(&request)?;
        let call = create(validated(request.into_inner())?)?;
        let (endpoint, secret) = endpoints::create(&self.app, &caller, call).await?;
        Ok(Response::new(wire::CreateWebhookEndpointResponse {
            endpoint: Some(convert::endpoint(endpoint)),
            secret: secret.map(|secret| secret.expose_secret().to_owned()).unwrap_or_default(),
        }))
    }

    async fn list_webhook_endpoints(
        &self,
        request: Request<wire::ListWebhookEndpointsRequest>,
    ) -> Result<Response<wire::ListWebhookEndpointsResponse>, Status> {
        let caller = caller(&request)?;
        let message = validated(request.into_inner())?;
        let limit = page::size(message.page_size);
        let before = page::decode(&message.page_token)?.map(WebhookEndpointId::from_uuid);
        let found = endpoints::list(&self.app, &caller, before, limit).await?;
        let next_page_token = match found.last() {
            Some(last) if found.len() as i64 == limit => page::encode(&last.id.uuid())?,
            _ => String::new(),
        };
        let endpoints = found.into_iter().map(convert::endpoint).collect();
        Ok(Response::new(wire::ListWebhookEndpointsResponse { endpoints, next_page_token }))
    }

    async fn get_webhook_endpoint(
        &self,
        request: Request<wire::GetWebhookEndpointRequest>,
    ) -> Result<Response<wire::GetWebhookEndpointResponse>, Status> {
        let caller = caller(&request)?;
        let id = endpoint_id(&validated(request.into_inner())?.name, "name")?;
        let endpoint = Some(convert::endpoint(endpoints::get(&self.app, &caller, id).await?));
        Ok(Response::new(wire::GetWebhookEndpointResponse { endpoint }))
    }

    async fn update_webhook_endpoint(
        &self,
        request: Request<wire::UpdateWebhookEndpointRequest>,
    ) -> Result<Response<wire::UpdateWebhookEndpointResponse>, Status> {
        let caller = caller(&request)?;
        let (id, change) = change(validated(request.into_inner())?)?;
        let endpoint = Some(convert::endpoint(endpoints::update(&self.app, &caller, id, change).await?));
        Ok(Response::new(wire::UpdateWebhookEndpointResponse { endpoint }))
    }

    async fn delete_webhook_endpoint(
        &self,
        request: Request<wire::DeleteWebhookEndpointRequest>,
    ) -> Result<Response<wire::DeleteWebhookEndpointResponse>, Status> {
        let caller = caller(&request)?;
        let id = endpoint_id(&validated(request.into_inner())?.name, "name")?;
        endpoints::delete(&self.app, &caller, id).await?;
        Ok(Response::new(wire::DeleteWebhookEndpointResponse {}))
    }

    async fn rotate_webhook_secret(
        &self,
        request: Request<wire::RotateWebhookSecretRequest>,
    ) -> Result<Response<wire::RotateWebhookSecretResponse>, Status> {
        let caller = caller(&request)?;
        let id = endpoint_id(&validated(request.into_inner())?.name, "name")?;
        let (endpoint, secret) = endpoints::rotate(&self.app, &caller, id).await?;
        Ok(Response::new(wire::RotateWebhookSecretResponse {
            endpoint: Some(convert::endpoint(endpoint)),
            secret: secret.expose_secret().to_owned(),
        }))
    }

    async fn test_webhook_endpoint(
        &self,
        request: Request<wire::TestWebhookEndpointRequest>,
    ) -> Result<Response<wire::TestWebhookEndpointResponse>, Status> {
        let caller = caller(&request)?;
        let id = endpoint_id(&validated(request.into_inner())?.name, "name")?;
        let delivery = endpoints::test(&self.app, &caller, id).await?;
        let delivery = Some(self.delivery(Logged { delivery, attempts: Vec::new() }));
        Ok(Response::new(wire::TestWebhookEndpointResponse { delivery }))
    }

    async fn list_webhook_deliveries(
        &self,
        request: Request<wire::ListWebhookDeliveriesRequest>,
    ) -> Result<Response<wire::ListWebhookDeliveriesResponse>, Status> {
        let caller = caller(&request)?;
        let message = validated(request.into_inner())?;
        let id = endpoint_id(&message.parent, "parent")?;
        let limit = page::size(message.page_size);
        let before = page::decode(&message.page_token)?.map(EventId::from_uuid);
        let found = log::list(&self.app, &caller, id, (before, limit)).await?;
        let next_page_token = match found.last() {
            Some(last) if found.len() as i64 == limit => page::encode(&last.delivery.id.event.uuid())?,
            _ => String::new(),
        };
        let deliveries = found.into_iter().map(|logged| self.delivery(logged)).collect();
        Ok(Response::new(wire::ListWebhookDeliveriesResponse { deliveries, next_page_token }))
    }

    async fn get_webhook_delivery(
        &self,
        request: Request<wire::GetWebhookDeliveryRequest>,
    ) -> Result<Response<wire::GetWebhookDeliveryResponse>, Status> {
        let caller = caller(&request)?;
        let id = convert::delivery_id(&validated(request.into_inner())?.name)?;
        let delivery = Some(self.delivery(log::get(&self.app, &caller, id).await?));
        Ok(Response::new(wire::GetWebhookDeliveryResponse { delivery }))
    }

    async fn replay_webhook_delivery(
        &self,
        request: Request<wire::ReplayWebhookDeliveryRequest>,
    ) -> Result<Response<wire::ReplayWebhookDeliveryResponse>, Status> {
        let caller = caller(&request)?;
        let id = convert::delivery_id(&validated(request.into_inner())?.name)?;
        let delivery = Some(self.delivery(log::replay(&self.app, &caller, id).await?));
        Ok(Response::new(wire::ReplayWebhookDeliveryResponse { delivery }))
    }
}

fn endpoint_id(name: &str, field: &'static str) -> Result<WebhookEndpointId, RpcError> {
    WebhookEndpointId::from_name(name).map_err(bad_name(field))
}

fn create(message: wire::CreateWebhookEndpointRequest) -> Result<Create, RpcError> {
    let endpoint = message.endpoint.unwrap_or_default();
    if message.request_id.chars().any(char::is_control) {
        return Err(invalid("request_id", "must have no control characters"));
    }
    // An endpoint that was made without a key is kept under its own id, which everybody is told who may list it.
    if message.request_id.parse::<WebhookEndpointId>().is_ok() {
        return Err(invalid("request_id", "must not be the id of an endpoint: choose another"));
    }
    let wanted = wire::WebhookEndpoint {
        url: endpoint.url.clone(),
        description: endpoint.description.clone(),
        event_types: endpoint.event_types.clone(),
        ..wire::WebhookEndpoint::default()
    };
    Ok(Create {
        request_id: message.request_id,
        body_hash: Sha256::digest(wanted.encode_to_vec()).into(),
        url: endpoint.url,
        description: convert::description(endpoint.description)?,
        events: convert::events(&endpoint.event_types)?,
    })
}

fn change(message: wire::UpdateWebhookEndpointRequest) -> Result<(WebhookEndpointId, Change), RpcError> {
    let endpoint = message.endpoint.unwrap_or_default();
    let id = endpoint_id(&endpoint.name, "endpoint.name")?;
    let paths = message.update_mask.map(|mask| mask.paths).unwrap_or_default();
    if paths.is_empty() {
        return Err(invalid("update_mask", "must name what to change: url, description, event_types, state"));
    }
    let mut change = Change::default();
    for path in paths {
        match path.as_str() {
            "url" => change.url = Some(endpoint.url.clone()),
            "description" => change.description = Some(convert::description(endpoint.description.clone())?),
            "event_types" => change.events = Some(convert::events(&endpoint.event_types)?),
            "state" => change.enabled = Some(enabled(endpoint.state())?),
            _ => {
                return Err(invalid("update_mask", "may name url, description, event_types and state"));
            }
        }
    }
    Ok((id, change))
}

fn enabled(state: wire::WebhookEndpointState) -> Result<bool, RpcError> {
    match state {
        wire::WebhookEndpointState::Enabled => Ok(true),
        wire::WebhookEndpointState::Disabled => Ok(false),
        wire::WebhookEndpointState::Unspecified => {
            Err(invalid("endpoint.state", "must be ENABLED or DISABLED"))
        }
    }
}
