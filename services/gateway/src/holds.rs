//! The gateway's view of billing: setting a price aside before a generation exists.

use imagioo_proto::billing::v1::HoldCreditsRequest;
use imagioo_proto::billing::v1::hold_service_client::HoldServiceClient;
use imagioo_rpc::{Caller, Channel, RpcError, on_behalf_of};
use imagioo_types::{Credits, GenerationId};

/// Sets credits aside in billing.
#[derive(Clone)]
pub(crate) struct Holds(HoldServiceClient<Channel>);

/// What is to be held.
#[derive(Debug, Clone)]
pub(crate) struct Wanted<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) body_hash: [u8; 32],
    pub(crate) generation: GenerationId,
    pub(crate) amount: Credits,
}

/// A hold, made now or by an earlier call with the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    /// The generation that the key stands for.
    pub(crate) generation: GenerationId,
    pub(crate) amount: Credits,
}

impl Holds {
    pub(crate) fn new(billing: Channel) -> Self {
        Self(HoldServiceClient::new(billing))
    }

    /// Holds the amount for the caller, once per `request_id`.
    pub(crate) async fn hold(&self, caller: &Caller, wanted: Wanted<'_>) -> Result<Held, RpcError> {
        let request = HoldCreditsRequest {
            request_id: wanted.request_id.to_owned(),
            body_hash: wanted.body_hash.to_vec().into(),
            generation: wanted.generation.name(),
            amount: wanted.amount.get(),
        };
        let answer = self.0.clone().hold_credits(on_behalf_of(caller, request)).await?.into_inner();
        let generation = GenerationId::from_name(&answer.generation).map_err(RpcError::internal)?;
        Ok(Held { generation, amount: Credits::new(answer.amount) })
    }
}
