//! `imagioo.generation.v1.GenerationAdminService`, for the operator.

use imagioo_proto::generation::v1 as wire;
use imagioo_proto::generation::v1::generation_admin_service_server::GenerationAdminService;
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::db;
use crate::error::Error;

/// What an operator asks the gateway.
pub(crate) struct Admin {
    pub(crate) app: App,
}

#[tonic::async_trait]
impl GenerationAdminService for Admin {
    async fn check_generations(
        &self,
        _request: Request<wire::CheckGenerationsRequest>,
    ) -> Result<Response<wire::CheckGenerationsResponse>, Status> {
        let (non_terminal, outbox) = check(&self.app).await?;
        Ok(Response::new(wire::CheckGenerationsResponse { non_terminal, outbox }))
    }
}

async fn check(app: &App) -> Result<(i64, i64), Error> {
    let mut conn = app.pool.acquire().await?;
    Ok((db::generations::count_open(&mut conn).await?, db::outbox::count(&mut conn).await?))
}
