//! `BillingService`: what the caller has, and why.

use imagioo_proto::billing::v1::billing_service_server::BillingService;
use imagioo_proto::billing::v1::{
    Balance, EntryKind, GetBalanceRequest, GetBalanceResponse, ListStatementEntriesRequest,
    ListStatementEntriesResponse, StatementEntry,
};
use imagioo_rpc::{RpcError, caller, page, validated};
use prost_types::Timestamp;
use sqlx::PgPool;
use time::OffsetDateTime;
use tonic::{Request, Response, Status};

use crate::db::entries::StatementLine;
use crate::error::BillingError;
use crate::{balance, statement};

pub(super) struct Billing {
    pub(super) pool: PgPool,
}

#[tonic::async_trait]
impl BillingService for Billing {
    async fn get_balance(
        &self,
        request: Request<GetBalanceRequest>,
    ) -> Result<Response<GetBalanceResponse>, Status> {
        let owner = caller(&request)?.identity.user;
        let figures = balance::get(&self.pool, owner).await.map_err(failed)?;
        let balance = figures.map_or_else(Balance::default, |figures| Balance {
            available: figures.available.get(),
            reserved: figures.reserved.get(),
            debt: figures.debt.get(),
        });
        Ok(Response::new(GetBalanceResponse { balance: Some(balance) }))
    }

    async fn list_statement_entries(
        &self,
        request: Request<ListStatementEntriesRequest>,
    ) -> Result<Response<ListStatementEntriesResponse>, Status> {
        let owner = caller(&request)?.identity.user;
        let message = validated(request.into_inner())?;
        let before = page::decode(&message.page_token)?;
        let size = page::size(message.page_size);
        let found = statement::list(&self.pool, owner, before, size).await.map_err(failed)?;
        let next_page_token = match found.next {
            Some(position) => page::encode(&position)?,
            None => String::new(),
        };
        let entries = found.lines.into_iter().map(entry).collect();
        Ok(Response::new(ListStatementEntriesResponse { entries, next_page_token }))
    }
}

fn failed(error: sqlx::Error) -> RpcError {
    BillingError::from(error).into()
}

fn entry(line: StatementLine) -> StatementEntry {
    let kind = match line.kind.as_str() {
        "grant" => EntryKind::Grant,
        "hold" => EntryKind::Hold,
        "capture" => EntryKind::Capture,
        "release" => EntryKind::Release,
        "expire" => EntryKind::Expire,
        _ => EntryKind::Adjust,
    };
    StatementEntry {
        name: format!("statementEntries/{}", line.id),
        kind: kind.into(),
        available_change: line.available_change.get(),
        reserved_change: line.reserved_change.get(),
        generation: line.generation.map(|generation| generation.name()).unwrap_or_default(),
        source: line.source.unwrap_or_default(),
        create_time: Some(timestamp(line.posted_at)),
        effective_time: Some(timestamp(line.effective_at)),
    }
}

fn timestamp(instant: OffsetDateTime) -> Timestamp {
    let nanos = i32::try_from(instant.nanosecond()).unwrap_or_default();
    Timestamp { seconds: instant.unix_timestamp(), nanos }
}
