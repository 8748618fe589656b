//! A database with every owner's migrations, against which queries are checked.

use std::path::Path;

use anyhow::Context;
use imagioo_runtime::database::migrate;
use imagioo_runtime::postgres::{SERVICE_OWNERS, prepare_database};
use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection};

const NAME: &str = "imagioo_prepare";
/// Where each owner's migrations are.
const MIGRATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../migrations");

/// Makes the database anew from the files of the repository, and returns the superuser's address of it.
pub(crate) async fn database(admin: &SecretString) -> anyhow::Result<SecretString> {
    let mut server = PgConnection::connect(admin.expose_secret()).await?;
    sqlx::query("drop database if exists imagioo_prepare with (force)").execute(&mut server).await?;
    let access = prepare_database(admin, NAME, &imagioo_testkit::passwords()).await?;
    for owner in SERVICE_OWNERS {
        migrate(&access.migrator_url(owner)?, &migrator(owner).await?).await?;
    }
    Ok(access.admin_url()?)
}

async fn migrator(owner: &str) -> anyhow::Result<Migrator> {
    let folder = Path::new(MIGRATIONS).join(owner);
    let mut migrator = Migrator::new(folder.as_path())
        .await
        .with_context(|| format!("the migrations in {} cannot be read", folder.display()))?;
    migrator.create_schema(owner.to_owned());
    migrator.dangerous_set_table_name(format!("{owner}._sqlx_migrations"));
    Ok(migrator)
}
