//! The state of an owner's schema against the migrations this program was built with.

use std::collections::HashMap;

use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

use super::DatabaseError;

/// The schema that holds the migrator's own table, which is named for its owner.
pub(super) fn owner(migrator: &Migrator) -> &str {
    migrator.table_name.split_once('.').map_or("public", |(schema, _)| schema)
}

/// Refuses a schema that lacks a migration or has a different one under the same version.
pub(super) async fn require_current(pool: &PgPool, migrator: &Migrator) -> Result<(), DatabaseError> {
    let owner = owner(migrator).to_owned();
    let applied = match applied(pool, migrator).await {
        Ok(applied) => applied,
        Err(source) => return Err(DatabaseError::State { owner, source }),
    };
    let mut pending = Vec::new();
    for migration in migrator.iter().filter(|migration| !migration.migration_type.is_down_migration()) {
        match applied.get(&migration.version) {
            None => pending.push(migration.version),
            Some(checksum) if *checksum != *migration.checksum => {
                return Err(DatabaseError::Changed { owner, version: migration.version });
            }
            Some(_) => {}
        }
    }
    match pending.first() {
        Some(&first) => Err(DatabaseError::Pending { owner, count: pending.len(), first }),
        None => Ok(()),
    }
}

async fn applied(pool: &PgPool, migrator: &Migrator) -> Result<HashMap<i64, Vec<u8>>, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let known: bool = sqlx::query_scalar("select to_regclass($1) is not null")
        .bind(&*migrator.table_name)
        .fetch_one(&mut *connection)
        .await?;
    if !known {
        return Ok(HashMap::new());
    }
    let applied =
        connection.list_applied_migrations(&migrator.table_name).await.map_err(sqlx::Error::from)?;
    Ok(applied.into_iter().map(|migration| (migration.version, migration.checksum.into_owned())).collect())
}

/// Applies what is pending, and lets every role that may enter the schema read which migrations it has.
pub(super) async fn bring_up_to_date(
    connection: &mut PgConnection,
    migrator: &Migrator,
) -> Result<(), DatabaseError> {
    let failed = |source: MigrateError| DatabaseError::Migrate { owner: owner(migrator).to_owned(), source };
    migrator.run_direct(None, connection, false).await.map_err(failed)?;
    // The name is a constant of the program.
    sqlx::query(AssertSqlSafe(format!("grant select on {} to public", migrator.table_name)))
        .execute(connection)
        .await
        .map_err(|source| failed(source.into()))?;
    Ok(())
}
