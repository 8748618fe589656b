//! The private database of the embedded server and its three schemas.

use anyhow::Context as _;
use imagioo_runtime::database;
use imagioo_runtime::postgres::{self, Access, PostgresOptions, PrivatePostgres};

use super::data::DataFolder;

/// One database holds the schemas of all owners.
pub(crate) const NAME: &str = "imagioo";

/// Where the server's programs come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fetch {
    /// Fetched when the machine has none.
    Missing,
    /// Fetched whatever the machine has.
    Always,
    /// The machine's or none.
    Never,
}

/// How the private server is run: the section `[postgres]`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostgresConfig {
    fetch: Fetch,
}

/// Starts the private server.
pub(crate) async fn start(data: &DataFolder, config: &PostgresConfig) -> anyhow::Result<PrivatePostgres> {
    let mut options = PostgresOptions::new(data.postgres());
    match config.fetch {
        Fetch::Missing => options.fetch_into = Some(data.programs()),
        Fetch::Always => options.binaries = Some(postgres::fetch(&data.programs()).await?),
        Fetch::Never => {}
    }
    PrivatePostgres::start(&options).await.context("the private PostgreSQL does not start")
}

/// Brings every owner's schema up to date.
pub(crate) async fn migrate(access: &Access) -> anyhow::Result<()> {
    for (owner, migrator) in [
        ("account", imagioo_account::migrator()),
        ("billing", imagioo_billing::migrator()),
        ("generation", imagioo_gateway::migrator()),
    ] {
        let url = access.migrator_url(owner)?;
        database::migrate(&url, &migrator).await.with_context(|| format!("migrations of {owner}"))?;
    }
    Ok(())
}
