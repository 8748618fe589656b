//! The connection to a server: every call carries the person's credentials and a deadline.

use std::time::Duration;

use imagioo_proto::generation::v1::generation_service_client::GenerationServiceClient;
use imagioo_rpc::{bearer, plain_endpoint};
use imagioo_runtime::telemetry::trace;
use secrecy::{ExposeSecret as _, SecretString};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::address::Address;
use crate::failure::Failure;
use crate::session::Session;

#[cfg(test)]
pub(crate) mod fake;

/// How long a call may take to begin its answer.
const DEADLINE: Duration = Duration::from_secs(30);
/// Room for a page of the longest prompts.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// How a client proves who is calling.
#[derive(Clone)]
pub(crate) enum Credential {
    /// Not at all.
    Nothing,
    /// By an API key.
    Key(SecretString),
    /// By a session's access token.
    Session(Session),
}

/// A connection to one server; connects when first used. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    server: Address,
    channel: Channel,
}

impl Line {
    /// Makes one call, with this token if given.
    ///
    /// # Errors
    /// What the server refused, or [`Failure::Unreachable`].
    pub(crate) async fn call<Q, A>(
        &self,
        token: Option<&SecretString>,
        message: Q,
        method: &impl AsyncFn(Channel, Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, Failure> {
        let mut request = Request::new(message);
        request.set_timeout(DEADLINE);
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", bearer(token.expose_secret())?);
        }
        trace::inject(request.metadata_mut().as_mut());
        let answer = method(self.channel.clone(), request).await;
        answer.map(Response::into_inner).map_err(|status| Failure::of_status(&self.server, status))
    }
}

/// A connection with a person's credentials.
#[derive(Clone)]
pub(crate) struct Client {
    line: Line,
    credential: Credential,
}

impl Client {
    /// A client of the server at this address. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`Failure::Connect`] for an address that is none.
    pub(crate) fn new(server: Address, credential: Credential) -> Result<Self, Failure> {
        let channel = plain_endpoint(server.as_str())?.connect_lazy();
        Ok(Self { line: Line { server, channel }, credential })
    }

    /// The same connection with other credentials.
    pub(crate) fn with(self, credential: Credential) -> Self {
        Self { credential, ..self }
    }

    /// The connection without credentials.
    pub(crate) fn line(&self) -> &Line {
        &self.line
    }

    /// The address of the server.
    pub(crate) fn server(&self) -> &Address {
        &self.line.server
    }

    /// The session behind the calls, if that is how they prove who is calling.
    pub(crate) fn session(&self) -> Option<&Session> {
        match &self.credential {
            Credential::Session(session) => Some(session),
            Credential::Nothing | Credential::Key(_) => None,
        }
    }

    /// Makes one call. An access token that the server no longer takes is renewed once.
    ///
    /// # Errors
    /// What the server refused, [`Failure::Unreachable`], or [`Failure::SignedOut`] when the session is over.
    pub(crate) async fn call<Q: Clone, A>(
        &self,
        message: Q,
        method: impl AsyncFn(Channel, Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, Failure> {
        let token = self.token(None).await?;
        let outcome = self.line.call(token.as_ref(), message.clone(), &method).await;
        match (outcome, &self.credential) {
            (Err(failure), Credential::Session(_)) if failure.is_stale_token() => {
                let renewed = self.token(token.as_ref()).await?;
                self.line.call(renewed.as_ref(), message, &method).await
            }
            (outcome, _) => outcome,
        }
    }

    /// What a status means that came in the middle of an answer.
    pub(crate) fn failure(&self, status: Status) -> Failure {
        Failure::of_status(&self.line.server, status)
    }

    async fn token(&self, rejected: Option<&SecretString>) -> Result<Option<SecretString>, Failure> {
        match &self.credential {
            Credential::Nothing => Ok(None),
            Credential::Key(key) => Ok(Some(key.clone())),
            Credential::Session(session) => session.access_token(rejected).await.map(Some),
        }
    }
}

/// The calls about generations; their pages may be large.
pub(crate) fn generations(channel: Channel) -> GenerationServiceClient<Channel> {
    GenerationServiceClient::new(channel).max_decoding_message_size(MOST_BYTES)
}
