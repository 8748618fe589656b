//! The gateway as billing sees it: the one who knows what became of a generation.

use imagioo_proto::generation::v1::ResolveHoldRequest;
use imagioo_proto::generation::v1::hold_resolution_service_client::HoldResolutionServiceClient;
use imagioo_proto::generation::v1::resolve_hold_response::Answer;
use imagioo_rpc::{Channel, RpcError};
use imagioo_types::{Credits, GenerationId, UserId};

/// What became of a generation whose hold nobody settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It has not ended.
    Alive,
    /// It ended and costs this much.
    Settled(Credits),
    /// It never existed and never will.
    Unknown,
}

/// A client of the gateway.
#[derive(Clone)]
pub struct Gateway {
    client: HoldResolutionServiceClient<Channel>,
}

impl Gateway {
    /// The gateway behind this channel.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        Self { client: HoldResolutionServiceClient::new(channel) }
    }

    /// What became of a generation. After [`Fate::Unknown`] it can never come to exist.
    ///
    /// # Errors
    /// [`RpcError`]: the gateway does not answer; ask again later.
    pub(crate) async fn resolve_hold(
        &self,
        generation: GenerationId,
        owner: UserId,
    ) -> Result<Fate, RpcError> {
        let request = ResolveHoldRequest { generation: generation.name(), owner: owner.name() };
        let answer = self.client.clone().resolve_hold(request).await?.into_inner().answer;
        match answer {
            Some(Answer::Alive(_)) => Ok(Fate::Alive),
            Some(Answer::Settled(settled)) if settled.charge >= 0 => {
                Ok(Fate::Settled(Credits::new(settled.charge)))
            }
            Some(Answer::Unknown(_)) => Ok(Fate::Unknown),
            Some(Answer::Settled(_)) | None => Err(RpcError::internal("the gateway's answer is not one")),
        }
    }
}
