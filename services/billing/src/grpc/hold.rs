//! `HoldService`: credits set aside for the gateway's callers.

use fail::fail_point;
use imagioo_proto::billing::v1::hold_service_server::HoldService;
use imagioo_proto::billing::v1::{HoldCreditsRequest, HoldCreditsResponse};
use imagioo_rpc::{RpcError, caller, validated};
use imagioo_types::{Credits, GenerationId};
use tonic::{Request, Response, Status};

use super::misnamed;
use crate::bookkeeper::Bookkeeper;
use crate::config::HoldsConfig;
use crate::ledger::HoldRequest;

pub(super) struct Holds {
    pub(super) bookkeeper: Bookkeeper,
    pub(super) config: HoldsConfig,
}

#[tonic::async_trait]
impl HoldService for Holds {
    async fn hold_credits(
        &self,
        request: Request<HoldCreditsRequest>,
    ) -> Result<Response<HoldCreditsResponse>, Status> {
        let owner = caller(&request)?.identity.user;
        let wanted = self.wanted(validated(request.into_inner())?)?;
        fail_point!("billing.hold.before");
        let held = self.bookkeeper.hold(owner, wanted).await.map_err(RpcError::from)?;
        fail_point!("billing.hold.after");
        Ok(Response::new(HoldCreditsResponse {
            generation: held.generation.name(),
            amount: held.amount.get(),
            created: held.created,
        }))
    }
}

impl Holds {
    fn wanted(&self, message: HoldCreditsRequest) -> Result<HoldRequest, RpcError> {
        let generation =
            GenerationId::from_name(&message.generation).map_err(|error| misnamed("generation", &error))?;
        let body_hash = <[u8; 32]>::try_from(message.body_hash.as_ref()).map_err(RpcError::internal)?;
        Ok(HoldRequest {
            generation,
            request_id: message.request_id,
            body_hash,
            amount: Credits::new(message.amount),
            resolve_within: time::Duration::try_from(self.config.resolve_after())
                .map_err(RpcError::internal)?,
        })
    }
}
