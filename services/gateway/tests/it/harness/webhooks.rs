//! Webhook endpoints of a user, and what receivers see.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imagioo_proto::generation::v1::webhook_service_client::WebhookServiceClient;
use imagioo_proto::generation::v1::{
    CreateWebhookEndpointRequest, DeleteWebhookEndpointRequest, GetWebhookDeliveryRequest,
    GetWebhookEndpointRequest, ListWebhookDeliveriesRequest, ListWebhookEndpointsRequest,
    ReplayWebhookDeliveryRequest, RotateWebhookSecretRequest, TestWebhookEndpointRequest,
    UpdateWebhookEndpointRequest, WebhookDelivery, WebhookDeliveryState, WebhookEndpoint,
};
use imagioo_rpc::RpcError;
use imagioo_testkit::web::{Asked, Reply, WebServer};
use prost_types::FieldMask;
use tonic::transport::Channel;

use super::{User, eventually, within};

/// An endpoint with its secret.
#[derive(Debug, Clone)]
pub struct Hook {
    pub name: String,
    pub secret: String,
}

/// A receiver that says yes to everything.
pub async fn receiver() -> WebServer {
    answering(|_| Reply::json(200, "{}")).await
}

/// A receiver whose answers are chosen by the number of the request, from 0.
pub async fn answering(mut reply: impl FnMut(usize) -> Reply + Send + 'static) -> WebServer {
    let mut count = 0;
    WebServer::start(move |_| {
        count += 1;
        reply(count - 1)
    })
    .await
}

/// The requests so far, as soon as there are so many.
pub async fn received(server: &WebServer, count: usize) -> Vec<Asked> {
    eventually(&format!("{count} requests"), async || server.asked().len() >= count).await;
    server.asked().clone()
}

/// How many signatures a request carries, and whether one of them is this secret's. Written against the text of Standard
/// Webhooks, not against the code that signs.
pub fn signatures(asked: &Asked, secret: &str) -> (usize, bool) {
    let header = |name| asked.header(name).unwrap_or_default();
    let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("the mark")).expect("base64");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let mut content = format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).into_bytes();
    content.extend_from_slice(&asked.body);
    let all: Vec<_> = header("webhook-signature").split(' ').collect();
    let fits = all.iter().any(|signature| {
        let tag = signature.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
        tag.is_some_and(|tag| hmac::verify(&key, &content, &tag).is_ok())
    });
    (all.len(), fits)
}

impl User {
    pub fn webhooks(&self) -> WebhookServiceClient<Channel> {
        WebhookServiceClient::new(self.channel.clone())
    }

    /// An endpoint that receives what endpoints usually do.
    pub async fn hook(&self, url: &str) -> Hook {
        self.hook_for(url, &[]).await
    }

    /// An endpoint that receives these events.
    pub async fn hook_for(&self, url: &str, events: &[&str]) -> Hook {
        let (endpoint, secret) = self.try_hook("", url, events).await.expect("an endpoint");
        Hook { name: endpoint.name, secret }
    }

    pub async fn try_hook(
        &self,
        request_id: &str,
        url: &str,
        events: &[&str],
    ) -> Result<(WebhookEndpoint, String), RpcError> {
        let endpoint = WebhookEndpoint {
            url: url.to_owned(),
            event_types: events.iter().map(|&event| event.to_owned()).collect(),
            ..WebhookEndpoint::default()
        };
        let request =
            CreateWebhookEndpointRequest { request_id: request_id.to_owned(), endpoint: Some(endpoint) };
        let answer = within("an answer", self.webhooks().create_webhook_endpoint(self.says(request))).await?;
        let answer = answer.into_inner();
        Ok((answer.endpoint.expect("an endpoint"), answer.secret))
    }

    pub async fn get_hook(&self, name: &str) -> Result<WebhookEndpoint, RpcError> {
        let request = GetWebhookEndpointRequest { name: name.to_owned() };
        let answer = within("an answer", self.webhooks().get_webhook_endpoint(self.says(request))).await?;
        Ok(answer.into_inner().endpoint.expect("an endpoint"))
    }

    pub async fn list_hooks(
        &self,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Vec<WebhookEndpoint>, String), RpcError> {
        let request = ListWebhookEndpointsRequest { page_size, page_token: page_token.to_owned() };
        let answer = within("an answer", self.webhooks().list_webhook_endpoints(self.says(request))).await?;
        let answer = answer.into_inner();
        Ok((answer.endpoints, answer.next_page_token))
    }

    /// Changes the fields in the mask.
    pub async fn change_hook(
        &self,
        endpoint: WebhookEndpoint,
        mask: &[&str],
    ) -> Result<WebhookEndpoint, RpcError> {
        let paths = mask.iter().map(|&path| path.to_owned()).collect();
        let request =
            UpdateWebhookEndpointRequest { endpoint: Some(endpoint), update_mask: Some(FieldMask { paths }) };
        let answer = within("an answer", self.webhooks().update_webhook_endpoint(self.says(request))).await?;
        Ok(answer.into_inner().endpoint.expect("an endpoint"))
    }

    pub async fn delete_hook(&self, name: &str) -> Result<(), RpcError> {
        let request = DeleteWebhookEndpointRequest { name: name.to_owned() };
        within("an answer", self.webhooks().delete_webhook_endpoint(self.says(request))).await?;
        Ok(())
    }

    pub async fn rotate_hook(&self, name: &str) -> Result<(WebhookEndpoint, String), RpcError> {
        let request = RotateWebhookSecretRequest { name: name.to_owned() };
        let answer = within("an answer", self.webhooks().rotate_webhook_secret(self.says(request))).await?;
        let answer = answer.into_inner();
        Ok((answer.endpoint.expect("an endpoint"), answer.secret))
    }

    pub async fn test_hook(&self, name: &str) -> Result<WebhookDelivery, RpcError> {
        let request = TestWebhookEndpointRequest { name: name.to_owned() };
        let answer = within("an answer", self.webhooks().test_webhook_endpoint(self.says(request))).await?;
        Ok(answer.into_inner().delivery.expect("a delivery"))
    }

    pub async fn deliveries(&self, hook: &str) -> Result<Vec<WebhookDelivery>, RpcError> {
        let request = ListWebhookDeliveriesRequest { parent: hook.to_owned(), ..Default::default() };
        let answer = within("an answer", self.webhooks().list_webhook_deliveries(self.says(request))).await?;
        Ok(answer.into_inner().deliveries)
    }

    pub async fn get_delivery(&self, name: &str) -> Result<WebhookDelivery, RpcError> {
        let request = GetWebhookDeliveryRequest { name: name.to_owned() };
        let answer = within("an answer", self.webhooks().get_webhook_delivery(self.says(request))).await?;
        Ok(answer.into_inner().delivery.expect("a delivery"))
    }

    pub async fn replay(&self, name: &str) -> Result<WebhookDelivery, RpcError> {
        let request = ReplayWebhookDeliveryRequest { name: name.to_owned() };
        let answer = within("an answer", self.webhooks().replay_webhook_delivery(self.says(request))).await?;
        Ok(answer.into_inner().delivery.expect("a delivery"))
    }

    /// The only delivery to an endpoint, as soon as so many attempts are written down.
    pub async fn attempted(&self, hook: &str, attempts: usize) -> WebhookDelivery {
        let mut found = None;
        eventually(&format!("{attempts} attempts"), async || {
            let all = self.deliveries(hook).await.expect("a log");
            let Some(first) = all.first() else { return false };
            let delivery = self.get_delivery(&first.name).await.expect("a delivery");
            let done = delivery.attempts.len() >= attempts;
            found = Some(delivery);
            done
        })
        .await;
        found.expect("a delivery")
    }

    /// The newest delivery to an endpoint as soon as it is in this state.
    pub async fn delivery_in(&self, hook: &str, state: WebhookDeliveryState) -> WebhookDelivery {
        let mut found = None;
        eventually(&format!("{state:?}"), async || {
            found = self.deliveries(hook).await.expect("a log").into_iter().next();
            found.as_ref().is_some_and(|delivery| delivery.state() == state)
        })
        .await;
        found.expect("a delivery")
    }
}
