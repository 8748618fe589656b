//! `imagioo.account.v1.IdentityService`.

use std::future::ready;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use imagioo_proto::account::v1::identity_service_server::IdentityService;
use imagioo_proto::account::v1::watch_revocations_response::Event;
use imagioo_proto::account::v1::{
    ExchangeApiKeyRequest, ExchangeApiKeyResponse, GetJwksRequest, GetJwksResponse, Revocation,
    RevocationHeartbeat, RevocationSnapshot, WatchRevocationsRequest, WatchRevocationsResponse, revocation,
};
use imagioo_rpc::{Subject, validated};
use secrecy::ExposeSecret as _;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};

use super::{refuse, timestamp};
use crate::api_keys;
use crate::app::App;
use crate::deny_list::{Entry, Known};

/// How services learn who is calling and who may no longer call.
pub(crate) struct IdentityGrpc {
    pub(crate) app: Arc<App>,
    pub(crate) deny_list: watch::Receiver<Known>,
}

#[tonic::async_trait]
impl IdentityService for IdentityGrpc {
    type WatchRevocationsStream = BoxStream<'static, Result<WatchRevocationsResponse, Status>>;

    async fn exchange_api_key(
        &self,
        request: Request<ExchangeApiKeyRequest>,
    ) -> Result<Response<ExchangeApiKeyResponse>, Status> {
        let request = validated(request.into_inner())?;
        let token = api_keys::exchange(&self.app, &request.secret).await.map_err(refuse)?;
        Ok(Response::new(ExchangeApiKeyResponse {
            access_token: token.text.expose_secret().to_owned(),
            expire_time: Some(timestamp(token.expires_at)),
        }))
    }

    async fn get_jwks(&self, _: Request<GetJwksRequest>) -> Result<Response<GetJwksResponse>, Status> {
        Ok(Response::new(GetJwksResponse { jwks: self.app.issuer.jwks().to_owned() }))
    }

    async fn watch_revocations(
        &self,
        _: Request<WatchRevocationsRequest>,
    ) -> Result<Response<Self::WatchRevocationsStream>, Status> {
        let events = WatchStream::new(self.deny_list.clone())
            .scan(None, |seen, known| ready(Some(stream::iter(step(seen, &known)))))
            .flatten()
            .map(|event| Ok(WatchRevocationsResponse { event: Some(event) }));
        Ok(Response::new(events.boxed()))
    }
}

/// What one beat tells a watcher who has seen entries up to a sequence, or nothing yet.
fn step(seen: &mut Option<i64>, known: &Known) -> Vec<Event> {
    let Some(entries) = known else { return Vec::new() };
    let newest = entries.last().map_or(0, |entry| entry.sequence);
    let Some(last) = seen.replace(newest) else {
        let revocations = entries.iter().map(encode).collect();
        return vec![Event::Snapshot(RevocationSnapshot { revocations })];
    };
    let news = entries.iter().filter(|entry| entry.sequence > last);
    news.map(|entry| Event::Revocation(encode(entry)))
        .chain([Event::Heartbeat(RevocationHeartbeat {})])
        .collect()
}

fn encode(entry: &Entry) -> Revocation {
    let subject = match entry.revocation.subject {
        Subject::Session(id) => revocation::Subject::Session(id.name()),
        Subject::ApiKey(id) => revocation::Subject::ApiKey(id.name()),
        Subject::User(id) => revocation::Subject::User(id.name()),
    };
    Revocation { subject: Some(subject), revoke_time: Some(timestamp(entry.revocation.revoked_at)) }
}
