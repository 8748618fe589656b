//! API keys at the edge: exchanged for an access token once, then remembered briefly.

use std::sync::Arc;

use http::HeaderMap;
use imagioo_proto::account::v1::ExchangeApiKeyRequest;
use imagioo_proto::account::v1::identity_service_client::IdentityServiceClient;
use imagioo_rpc::{Channel, Code, RpcError, bearer_token};
use imagioo_types::Clock;
use moka::future::Cache;
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};

use crate::grpc::convert::instant;

/// The beginning of every API key.
const PREFIX: &str = "img_live_";
/// A remembered token is used until this long before its end.
const MARGIN: Duration = Duration::seconds(30);
const REMEMBERED: u64 = 100_000;

/// Exchanges keys. Revocation does not wait for what is remembered: the deny list is checked on every call.
#[derive(Clone)]
pub(crate) struct ApiKeys {
    identity: IdentityServiceClient<Channel>,
    remembered: Cache<[u8; 32], (Arc<str>, OffsetDateTime)>,
    clock: Arc<dyn Clock>,
}

impl ApiKeys {
    pub(crate) fn new(account: Channel, clock: Arc<dyn Clock>) -> Self {
        let remembered = Cache::builder()
            .max_capacity(REMEMBERED)
            .time_to_live(std::time::Duration::from_secs(240))
            .build();
        Self { identity: IdentityServiceClient::new(account), remembered, clock }
    }

    /// The access token of the key's owner, if it is remembered.
    pub(crate) async fn remembered(&self, secret: &str) -> Option<Arc<str>> {
        let digest: [u8; 32] = Sha256::digest(secret).into();
        let (token, expires) = self.remembered.get(&digest).await?;
        if self.clock.now() <= expires - MARGIN {
            return Some(token);
        }
        self.remembered.invalidate(&digest).await;
        None
    }

    /// The access token of the key's owner. Concurrent calls with one key share one exchange.
    pub(crate) async fn exchange(&self, secret: &str) -> Result<Arc<str>, RpcError> {
        let digest: [u8; 32] = Sha256::digest(secret).into();
        let fresh = self.remembered.try_get_with(digest, self.ask(secret)).await;
        fresh.map(|(token, _)| token).map_err(|error| {
            let again = RpcError::new(error.code(), error.message());
            error.delay().into_iter().fold(again, RpcError::retry_after)
        })
    }

    async fn ask(&self, secret: &str) -> Result<(Arc<str>, OffsetDateTime), RpcError> {
        let request = ExchangeApiKeyRequest { secret: secret.to_owned() };
        let answer = self.identity.clone().exchange_api_key(request).await?.into_inner();
        let expires = answer.expire_time.and_then(instant);
        let expires = expires.ok_or_else(|| RpcError::internal("an exchanged token has no end"))?;
        Ok((answer.access_token.into(), expires))
    }
}

/// The credential of an `authorization: Bearer` header.
pub(super) fn credential(headers: &HeaderMap) -> Result<Arc<str>, RpcError> {
    bearer_token(headers)?.ok_or_else(|| {
        RpcError::new(Code::Unauthenticated, "sign in, or send an API key, in the `authorization` header")
    })
}

pub(super) fn is_api_key(credential: &str) -> bool {
    credential.starts_with(PREFIX)
}
