//! The floor's tables, in a database of their own beside the product's.

use std::str::FromStr as _;
use std::time::Duration;

use anyhow::ensure;
use imagioo_runtime::postgres::Access;
use secrecy::ExposeSecret as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool};
use uuid::Uuid;

/// As many as the gateway has; more would only queue inside the server.
const CONNECTIONS: u32 = 16;
const PATIENCE: Duration = Duration::from_secs(30);
const DATABASE: &str = "bench_floor";

const TABLES: &str = "
    create table api_keys (hash bytea primary key, owner uuid not null);
    create table wallets (owner uuid primary key, available bigint not null check (available >= 0),
        reserved bigint not null default 0);
    create table jobs (id uuid primary key, owner uuid not null, request_id text not null, prompt text not null,
        state text not null, created_at timestamptz not null, unique (owner, request_id));";

/// Key look-up, reserve, insert: one round trip, one commit.
const SUBMIT: &str = "
    with caller as (select owner from api_keys where hash = $1),
    reserved as (
        update wallets set available = available - 1, reserved = reserved + 1
        from caller where wallets.owner = caller.owner and available >= 1 returning wallets.owner
    )
    insert into jobs (id, owner, request_id, prompt, state, created_at)
    select $2, owner, $2::text, rpad($2::text, 80, '.'), 'queued', clock_timestamp() from reserved";

/// Makes database and tables, with a funded owner for each key.
pub(super) async fn prepare(access: &Access, keys: &[[u8; 32]]) -> anyhow::Result<PgPool> {
    let options = PgConnectOptions::from_str(access.admin_url()?.expose_secret())?;
    let mut server = PgConnection::connect_with(&options).await?;
    sqlx::query("create database bench_floor").execute(&mut server).await?;
    server.close().await?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .min_connections(CONNECTIONS)
        .acquire_timeout(PATIENCE)
        // It would be a second round trip.
        .test_before_acquire(false)
        .connect_with(options.database(DATABASE))
        .await?;
    sqlx::raw_sql(TABLES).execute(&pool).await?;
    for key in keys {
        let fund = "with owner as (insert into api_keys values ($1, $2) returning owner)
            insert into wallets (owner, available) select owner, 1000000000 from owner";
        sqlx::query(fund).bind(&key[..]).bind(Uuid::now_v7()).execute(&pool).await?;
    }
    Ok(pool)
}

/// Reserves one credit of the key's owner and inserts the job, durably.
pub(super) async fn submit(pool: &PgPool, key: &[u8; 32], job: Uuid) -> anyhow::Result<()> {
    let done = sqlx::query(SUBMIT).bind(&key[..]).bind(job).execute(pool).await?;
    ensure!(done.rows_affected() == 1, "the floor's statement inserted nothing");
    Ok(())
}
