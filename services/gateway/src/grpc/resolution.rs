//! `imagioo.generation.v1.HoldResolutionService`, for billing.

use imagioo_proto::generation::v1 as wire;
use imagioo_proto::generation::v1::hold_resolution_service_server::HoldResolutionService;
use imagioo_proto::generation::v1::resolve_hold_response::Answer;
use imagioo_rpc::validated;
use imagioo_types::{GenerationId, UserId};
use tonic::{Request, Response, Status};

use super::convert::bad_name;
use crate::app::App;
use crate::generations::resolve::{self, Resolution};

/// Says what became of the generation behind an old hold.
pub(crate) struct Resolutions {
    pub(crate) app: App,
}

#[tonic::async_trait]
impl HoldResolutionService for Resolutions {
    async fn resolve_hold(
        &self,
        request: Request<wire::ResolveHoldRequest>,
    ) -> Result<Response<wire::ResolveHoldResponse>, Status> {
        let message = validated(request.into_inner())?;
        let id = GenerationId::from_name(&message.generation).map_err(bad_name("generation"))?;
        let owner = UserId::from_name(&message.owner).map_err(bad_name("owner"))?;
        let answer = match resolve::resolve(&self.app, id, owner).await? {
            Resolution::Alive => Answer::Alive(wire::HoldAlive {}),
            Resolution::Settled(charge) => Answer::Settled(wire::HoldSettled { charge: charge.get() }),
            Resolution::Unknown => Answer::Unknown(wire::HoldUnknown {}),
        };
        Ok(Response::new(wire::ResolveHoldResponse { answer: Some(answer) }))
    }
}
