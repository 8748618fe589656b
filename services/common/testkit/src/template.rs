//! Migrated databases that fresh ones are copied from, made once per set of migrations.

use imagioo_runtime::database;
use imagioo_runtime::postgres::prepare_database;
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{TEMPLATE_PREFIX, passwords};

/// The advisory lock under which a template is made.
const LOCK: i64 = 0x7465_7374_6b69;
/// The roles are part of what a template was made from.
const ROLES: &str = include_str!("../../../../migrations/roles.sql");

/// The name of the template with these migrations. It is made if it does not exist; others wait meanwhile.
pub(crate) async fn ensure(
    admin: &SecretString,
    server: &mut PgConnection,
    owners: &[(&str, &Migrator)],
) -> anyhow::Result<String> {
    let name = name(owners);
    if !exists(server, &name).await? {
        sqlx::query("select pg_advisory_lock($1)").bind(LOCK).execute(&mut *server).await?;
        let made =
            if exists(server, &name).await? { Ok(()) } else { make(admin, server, owners, &name).await };
        sqlx::query("select pg_advisory_unlock($1)").bind(LOCK).execute(&mut *server).await?;
        made?;
    }
    Ok(name)
}

/// It gets its name last, so that one of that name is complete.
async fn make(
    admin: &SecretString,
    server: &mut PgConnection,
    owners: &[(&str, &Migrator)],
    name: &str,
) -> anyhow::Result<()> {
    let unfinished = format!("{name}_unfinished");
    execute(server, format!("drop database if exists {unfinished} with (force)")).await?;
    let access = prepare_database(admin, &unfinished, &passwords()).await?;
    for (owner, migrator) in owners {
        database::migrate(&access.migrator_url(owner)?, migrator).await?;
    }
    execute(server, format!("alter database {unfinished} rename to {name}")).await
}

async fn exists(server: &mut PgConnection, name: &str) -> anyhow::Result<bool> {
    let exists = sqlx::query_scalar("select exists (select from pg_database where datname = $1)");
    Ok(exists.bind(name).fetch_one(server).await?)
}

fn name(owners: &[(&str, &Migrator)]) -> String {
    let mut hash = Sha256::new_with_prefix(ROLES);
    for (owner, migrator) in owners {
        hash.update(owner);
        for migration in migrator.iter() {
            hash.update(migration.version.to_be_bytes());
            hash.update(&migration.checksum);
        }
    }
    let digest: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{TEMPLATE_PREFIX}{digest}")
}

/// Runs a statement that was assembled from this crate's own names.
pub(crate) async fn execute(server: &mut PgConnection, statement: String) -> anyhow::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(server).await?;
    Ok(())
}

/// Drops a database whoever uses it.
pub(crate) async fn remove(admin: &str, name: &str) -> anyhow::Result<()> {
    let mut server = PgConnection::connect(admin).await?;
    execute(&mut server, format!("drop database if exists {name} with (force)")).await
}
