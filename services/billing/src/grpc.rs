//! The service's face: requests in, one use case each, answers out.

mod admin;
mod billing;
mod gateway;
mod hold;

use imagioo_proto::billing::v1::billing_admin_service_server::BillingAdminServiceServer;
use imagioo_proto::billing::v1::billing_service_server::BillingServiceServer;
use imagioo_proto::billing::v1::hold_service_server::HoldServiceServer;
use imagioo_rpc::{Code, Door, RpcError, Server};
use imagioo_types::InvalidName;
use sqlx::PgPool;

use crate::bookkeeper::Bookkeeper;
use crate::config::HoldsConfig;
use crate::error::BillingError;
use crate::ledger::Refusal;

pub use gateway::{Fate, Gateway};

/// Adds the three gRPC services of billing.
pub(crate) fn register<D: Door>(
    server: Server<D>,
    pool: PgPool,
    bookkeeper: Bookkeeper,
    holds: HoldsConfig,
) -> Server<D> {
    server
        .add_service(BillingServiceServer::new(billing::Billing { pool: pool.clone() }))
        .add_service(HoldServiceServer::new(hold::Holds { bookkeeper, config: holds }))
        .add_service(BillingAdminServiceServer::new(admin::BillingAdmin { pool }))
}

impl From<BillingError> for RpcError {
    fn from(error: BillingError) -> Self {
        match error {
            BillingError::Refused(refusal) => refused(refusal),
            BillingError::Database(_) | BillingError::NoAnswer(_) => {
                Self::new(Code::Unavailable, "the ledger is not reachable; trying again is safe")
                    .caused_by(error)
            }
            BillingError::CrossedAnswer => Self::internal(error),
        }
    }
}

fn refused(refusal: Refusal) -> RpcError {
    match refusal {
        Refusal::Insufficient { available, needed } => RpcError::new(
            Code::InsufficientCredits,
            format!("this costs {needed} credits and {available} are available: add credits or ask for fewer images"),
        )
        .detail("available", available)
        .detail("needed", needed),
        Refusal::Frozen => RpcError::new(
            Code::WalletFrozen,
            "the wallet is frozen by a payment dispute: contact support to settle it",
        ),
        Refusal::InDebt { debt } => RpcError::new(
            Code::InDebt,
            format!("{debt} credits are owed after a refund: add at least as many, they repay the debt first"),
        )
        .detail("debt", debt),
        Refusal::RequestIdReused => RpcError::new(
            Code::RequestIdReused,
            "this request id was used for another request: send a new one",
        )
        .field("request_id", "belongs to an earlier request with a different body"),
        Refusal::GenerationTaken => {
            RpcError::new(Code::InvalidArgument, "the generation id is taken: send a new one")
                .field("generation", "has a hold already")
        }
        other => RpcError::internal(other),
    }
}

fn misnamed(field: &str, error: &InvalidName) -> RpcError {
    RpcError::new(Code::InvalidArgument, "the request has invalid fields").field(field, error.to_string())
}
