//! `imagioo.generation.v1.LeaseService`, for workers.

use imagioo_picture::Operation;
use imagioo_proto::generation::v1 as wire;
use imagioo_proto::generation::v1::lease_service_server::LeaseService;
use imagioo_rpc::{RpcError, validated};
use imagioo_types::GenerationId;
use prost_types::Duration;
use secrecy::ExposeSecret as _;
use tonic::{Request, Response, Status};

use super::convert::{self, bad_name};
use super::json;
use crate::app::App;
use crate::catalogue::{Deployment, UnknownOutcome};
use crate::db::generations::lease::Lease;
use crate::db::generations::start::Claim;
use crate::generation::Input;
use crate::generations::leases::{self, Taken};

/// Leases on generations.
pub(crate) struct Leases {
    pub(crate) app: App,
}

#[tonic::async_trait]
impl LeaseService for Leases {
    async fn start_generation(
        &self,
        request: Request<wire::StartGenerationRequest>,
    ) -> Result<Response<wire::StartGenerationResponse>, Status> {
        let message = validated(request.into_inner())?;
        let generation = GenerationId::from_name(&message.generation).map_err(bad_name("generation"))?;
        let claim = Claim { generation, attempt: message.attempt, worker: message.worker };
        let taken = leases::start(&self.app, claim).await?;
        let job = taken.map(|taken| encode(&self.app, taken));
        Ok(Response::new(wire::StartGenerationResponse { job }))
    }

    async fn renew_leases(
        &self,
        request: Request<wire::RenewLeasesRequest>,
    ) -> Result<Response<wire::RenewLeasesResponse>, Status> {
        let message = validated(request.into_inner())?;
        let held = message.leases.iter().map(decode).collect::<Result<Vec<_>, _>>()?;
        let renewal = leases::renew(&self.app, &message.worker, &held).await?;
        let names = |ids: Vec<GenerationId>| ids.into_iter().map(GenerationId::name).collect();
        Ok(Response::new(wire::RenewLeasesResponse {
            lost: names(renewal.lost),
            cancelled: names(renewal.cancelled),
        }))
    }

    async fn record_task(
        &self,
        request: Request<wire::RecordTaskRequest>,
    ) -> Result<Response<wire::RecordTaskResponse>, Status> {
        let message = validated(request.into_inner())?;
        let lease = decode(&message.lease.unwrap_or_default())?;
        leases::record(&self.app, lease, message.call, &message.task_id).await?;
        Ok(Response::new(wire::RecordTaskResponse {}))
    }
}

fn decode(lease: &wire::Lease) -> Result<Lease, RpcError> {
    let generation = GenerationId::from_name(&lease.generation).map_err(bad_name("lease.generation"))?;
    Ok(Lease { generation, attempt: lease.attempt, epoch: lease.epoch })
}

fn encode(app: &App, taken: Taken) -> wire::Job {
    let Taken { started, calls, deployment, own_key } = taken;
    wire::Job {
        generation: started.generation.name(),
        owner: started.owner.name(),
        attempt: started.attempt,
        epoch: started.epoch,
        prompt: started.prompt.wording().prompt_text().to_owned(),
        screening: started.prompt.decision().to_owned(),
        operation: wire::Operation::from(started.operation).into(),
        settings: Some(started.settings.to_message(started.prompt.wording().negative_text())),
        count: started.count,
        deployment: Some(encode_deployment(&deployment, started.operation)),
        lease: Some(Duration { seconds: app.config.timing.lease().whole_seconds(), nanos: 0 }),
        deadline: Some(convert::timestamp(started.deadline)),
        recorded_calls: calls
            .into_iter()
            .map(|call| wire::RecordedCall { call: call.call, task_id: call.task_id })
            .collect(),
        inputs: started.inputs.into_iter().map(encode_input).collect(),
        own_key: own_key.map(|key| wire::OwnKey { key: key.expose_secret().to_owned() }),
        cancel_requested: started.cancel_requested,
    }
}

fn encode_input(input: Input) -> wire::JobInput {
    wire::JobInput {
        role: convert::wire_role(input.role).into(),
        object_key: input.object_key,
        format: wire::ImageFormat::from(input.format).into(),
        width: input.width,
        height: input.height,
    }
}

fn encode_deployment(deployment: &Deployment, operation: Operation) -> wire::Deployment {
    let unknown_outcome = match deployment.unknown_outcome {
        UnknownOutcome::Fail => wire::UnknownOutcome::Fail,
        UnknownOutcome::Repeat => wire::UnknownOutcome::Repeat,
    };
    wire::Deployment {
        id: deployment.id.clone(),
        provider: deployment.provider.clone(),
        provider_model: deployment.provider_model.clone(),
        call_timeout: Some(Duration { seconds: i64::from(deployment.call_timeout_seconds), nanos: 0 }),
        unknown_outcome: unknown_outcome.into(),
        endpoint: deployment.endpoint(operation).to_owned(),
        options: Some(json::object(&deployment.options)),
    }
}
