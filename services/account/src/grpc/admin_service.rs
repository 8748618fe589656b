//! `imagioo.account.v1.AccountAdminService`.

use imagioo_proto::account::v1::account_admin_service_server::AccountAdminService;
use imagioo_proto::account::v1::{CheckAccountsRequest, CheckAccountsResponse};
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use super::refuse;
use crate::db;
use crate::errors::AccountError;

/// What an operator asks.
pub(crate) struct AdminGrpc(pub(crate) PgPool);

#[tonic::async_trait]
impl AccountAdminService for AdminGrpc {
    async fn check_accounts(
        &self,
        _: Request<CheckAccountsRequest>,
    ) -> Result<Response<CheckAccountsResponse>, Status> {
        let outbox = count_outbox(&self.0).await.map_err(refuse)?;
        Ok(Response::new(CheckAccountsResponse { outbox }))
    }
}

async fn count_outbox(pool: &PgPool) -> Result<i64, AccountError> {
    let mut connection = pool.acquire().await?;
    Ok(db::outbox::count(&mut connection).await?)
}
