//! Everything the gateway reads and writes in its schema. Functions run one statement and never begin or commit.

pub(crate) mod backlog;
pub(crate) mod calls;
pub(crate) mod catalogues;
pub(crate) mod deployment_health;
pub(crate) mod dispatch_users;
pub(crate) mod generations;
pub(crate) mod images;
pub(crate) mod outbox;
pub(crate) mod presets;
pub(crate) mod provider_keys;
pub(crate) mod run_times;
pub(crate) mod webhook_attempts;
pub(crate) mod webhook_deliveries;
pub(crate) mod webhook_endpoints;
pub(crate) mod webhook_secrets;

/// The role a connection takes for one user's request; row-level security then hides all other users' rows.
pub(crate) const USER_ROLE: &str = "imagioo_generation_user";

/// A row that the schema's own constraints should have refused.
#[derive(Debug, thiserror::Error)]
#[error("a stored row breaks a rule of the schema")]
pub(crate) struct BrokenRow(#[source] pub(crate) Box<dyn std::error::Error + Send + Sync>);

impl From<BrokenRow> for sqlx::Error {
    fn from(broken: BrokenRow) -> Self {
        Self::Decode(Box::new(broken))
    }
}

pub(crate) fn broken(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    BrokenRow(source.into()).into()
}
