//! `BillingAdminService`: what an operator asks.

use imagioo_proto::billing::v1::billing_admin_service_server::BillingAdminService;
use imagioo_proto::billing::v1::{CheckBillingRequest, CheckBillingResponse};
use imagioo_rpc::RpcError;
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use crate::check;
use crate::error::BillingError;

pub(super) struct BillingAdmin {
    pub(super) pool: PgPool,
}

#[tonic::async_trait]
impl BillingAdminService for BillingAdmin {
    async fn check_billing(
        &self,
        _request: Request<CheckBillingRequest>,
    ) -> Result<Response<CheckBillingResponse>, Status> {
        let found = check::run(&self.pool).await.map_err(BillingError::from).map_err(RpcError::from)?;
        // Billing publishes nothing, so it has no outbox.
        Ok(Response::new(CheckBillingResponse {
            open_holds: found.open_holds,
            conservation: found.violations,
            outbox: 0,
        }))
    }
}
