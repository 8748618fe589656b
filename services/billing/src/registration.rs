//! The credits that come with a verified account.

use fail::fail_point;
use imagioo_types::{Credits, UserId};

use crate::bookkeeper::Bookkeeper;
use crate::config::RegistrationConfig;
use crate::error::BillingError;
use crate::ledger::{BucketId, Grant, Source};

/// Gives a new account its credits, once, unless the configuration gives none.
///
/// # Errors
/// The ledger is unreachable.
pub(crate) async fn grant(
    bookkeeper: &Bookkeeper,
    config: &RegistrationConfig,
    user: UserId,
) -> Result<(), BillingError> {
    if config.credits == 0 {
        return Ok(());
    }
    let grant = Grant {
        bucket: BucketId::generate(),
        natural_key: format!("registration:{user}"),
        source: Source::Registration,
        promotional: true,
        amount: Credits::new(config.credits.into()),
        lifetime: config.lifetime(),
    };
    fail_point!("billing.grant.before");
    let granted = bookkeeper.grant(user, grant).await;
    fail_point!("billing.grant.before_ack");
    granted.map(drop)
}
