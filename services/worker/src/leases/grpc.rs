//! The lease port over gRPC: `imagioo.generation.v1.LeaseService`.

mod job;
mod json;

use async_trait::async_trait;
use imagioo_proto::generation::v1 as proto;
use imagioo_proto::generation::v1::lease_service_client::LeaseServiceClient;
use imagioo_rpc::{Channel, Code, RpcError};
use imagioo_types::GenerationId;
use tonic::{Response, Status};

use super::{LeaseError, Leases, Renewal};
use crate::job::{Job, Lease};
use crate::provider::TaskId;

/// Leases of the gateway at the other end of a channel.
#[derive(Clone)]
pub struct GrpcLeases {
    client: LeaseServiceClient<Channel>,
}

impl GrpcLeases {
    /// Over a channel to the gateway.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        Self { client: LeaseServiceClient::new(channel) }
    }
}

#[async_trait]
impl Leases for GrpcLeases {
    async fn start(
        &self,
        worker: &str,
        generation: GenerationId,
        attempt: u32,
    ) -> Result<Option<Job>, LeaseError> {
        let request = proto::StartGenerationRequest {
            generation: generation.name(),
            attempt: i32::try_from(attempt).map_err(|_| LeaseError::Malformed("attempt"))?,
            worker: worker.to_owned(),
        };
        let answer = answered(self.client.clone().start_generation(request).await)?;
        answer.job.map(Job::try_from).transpose()
    }

    async fn renew(&self, worker: &str, leases: &[Lease]) -> Result<Renewal, LeaseError> {
        let leases = leases.iter().copied().map(proto::Lease::from).collect();
        let request = proto::RenewLeasesRequest { worker: worker.to_owned(), leases };
        let answer = answered(self.client.clone().renew_leases(request).await)?;
        Ok(Renewal { lost: names(&answer.lost)?, cancelled: names(&answer.cancelled)? })
    }

    async fn record_task(&self, lease: Lease, call: u32, task: Option<&TaskId>) -> Result<(), LeaseError> {
        let request = proto::RecordTaskRequest {
            lease: Some(lease.into()),
            call: i32::try_from(call).map_err(|_| LeaseError::Malformed("call"))?,
            task_id: task.map(|task| task.0.clone()).unwrap_or_default(),
        };
        answered(self.client.clone().record_task(request).await).map(drop)
    }
}

fn answered<T>(answer: Result<Response<T>, Status>) -> Result<T, LeaseError> {
    answer.map(Response::into_inner).map_err(|status| {
        let error = RpcError::from(status);
        match error.code() {
            Code::LeaseLost => LeaseError::Lost,
            _ => LeaseError::Unavailable(error.into()),
        }
    })
}

fn names(names: &[String]) -> Result<Vec<GenerationId>, LeaseError> {
    let read = |name: &String| GenerationId::from_name(name).map_err(|_| LeaseError::Malformed("generation"));
    names.iter().map(read).collect()
}

impl From<Lease> for proto::Lease {
    fn from(lease: Lease) -> Self {
        Self {
            generation: lease.generation.name(),
            attempt: i32::try_from(lease.attempt).unwrap_or(i32::MAX),
            epoch: i64::try_from(lease.epoch).unwrap_or(i64::MAX),
        }
    }
}
