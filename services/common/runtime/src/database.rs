//! Connections to PostgreSQL: pools, migrations, and transactions on a user's behalf.

mod cut;
mod schema;
mod watch;

use std::time::Duration;

use imagioo_types::UserId;
use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::pool::PoolConnectionMetadata;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, Postgres, Transaction};

pub use watch::watch;

/// A connection that was unused this long is asked whether it still lives before it is handed out. Younger
/// ones are not, which saves the hot path a round trip.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// Where a service's database is and how it is used.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `postgres://role:password@host:port/database`; the role is the service's own, never a superuser.
    pub url: SecretString,
    /// The most connections of the pool; those of [`planned_once`] come on top.
    #[serde(default = "default_max_connections")]
    pub max_connections: u32,
    /// Seconds a caller waits for a free connection before it fails.
    #[serde(default = "default_acquire_timeout")]
    pub acquire_timeout_seconds: u64,
    /// Seconds after which the server ends a statement.
    #[serde(default = "default_statement_timeout")]
    pub statement_timeout_seconds: u64,
}

const fn default_max_connections() -> u32 {
    10
}

const fn default_acquire_timeout() -> u64 {
    5
}

const fn default_statement_timeout() -> u64 {
    30
}

impl DatabaseConfig {
    /// The database at `url`, with the defaults for everything else.
    #[must_use]
    pub fn at(url: SecretString) -> Self {
        Self {
            url,
            max_connections: default_max_connections(),
            acquire_timeout_seconds: default_acquire_timeout(),
            statement_timeout_seconds: default_statement_timeout(),
        }
    }
}

/// A database that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The address is not one of PostgreSQL.
    #[error("database.url is not of the form postgres://role:password@host:port/database")]
    Url(#[source] sqlx::Error),
    /// The server does not answer or refuses the role.
    #[error("cannot connect to PostgreSQL at {place}: check database.url, and that the server runs")]
    Connect {
        /// Host, port and database, without the password.
        place: String,
        /// What the driver said.
        source: sqlx::Error,
    },
    /// The schema is older than this program.
    #[error(
        "the schema `{owner}` lacks {count} migration(s), from version {first}: run this service with the command \
         `migrate` and a database.url of the role imagioo_{owner}_migrator, then start it again"
    )]
    Pending {
        /// The owner of the schema.
        owner: String,
        /// How many are missing.
        count: usize,
        /// The first missing version.
        first: i64,
    },
    /// A migration was changed after it had been applied.
    #[error(
        "migration {version} of the schema `{owner}` differs from the one that was applied: restore the file, \
         and write a new migration for the change"
    )]
    Changed {
        /// The owner of the schema.
        owner: String,
        /// The version that differs.
        version: i64,
    },
    /// A migration failed.
    #[error("the schema `{owner}` cannot be migrated")]
    Migrate {
        /// The owner of the schema.
        owner: String,
        /// Which migration, and why.
        source: MigrateError,
    },
    /// The state of the schema cannot be read.
    #[error("the migrations of the schema `{owner}` cannot be read")]
    State {
        /// The owner of the schema.
        owner: String,
        /// What the driver said.
        source: sqlx::Error,
    },
}

/// A pool of connections to a schema that has every migration of `migrator`. A schema with newer migrations
/// is accepted: they keep what this program needs until it is gone (expand, then contract).
///
/// # Errors
/// [`DatabaseError`] when the server cannot be reached or the schema is not the one this program was built
/// for.
pub async fn connect(config: &DatabaseConfig, migrator: &Migrator) -> Result<PgPool, DatabaseError> {
    let owner = schema::owner(migrator);
    let options = parse(&config.url)?;
    let place = place(&options);
    let pool = PgPoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(Duration::from_secs(config.acquire_timeout_seconds))
        .test_before_acquire(false)
        .before_acquire(|connection, idle| Box::pin(still_lives(connection, idle)))
        .connect_with(session(options, owner, config.statement_timeout_seconds))
        .await
        .map_err(|source| DatabaseError::Connect { place, source })?;
    schema::require_current(&pool, migrator).await?;
    Ok(pool)
}

/// As many more connections to the same database, whose statements are planned once, and by index however small a table
/// was at that moment: the plan made for an empty table must serve when it has a million rows. For statements that look
/// rows up by key; each must say so in a way that leaves the planner no other index to read from end to end.
#[must_use]
pub fn planned_once(pool: &PgPool, connections: usize) -> PgPool {
    // Forbidding a scan makes plans look dear enough to be compiled, which costs far more than they do.
    let session = [("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off"), ("jit", "off")];
    let options = pool.connect_options().as_ref().clone().options(session);
    let connections = u32::try_from(connections.max(1)).unwrap_or(u32::MAX);
    pool.options().clone().max_connections(connections).connect_lazy_with(options)
}

/// Applies the pending migrations as the migrator role that `url` names.
///
/// # Errors
/// [`DatabaseError`] when the server cannot be reached or a migration fails; a failed one leaves nothing
/// behind.
pub async fn migrate(url: &SecretString, migrator: &Migrator) -> Result<(), DatabaseError> {
    let options = parse(url)?;
    let place = place(&options);
    let mut connection = PgConnection::connect_with(&options)
        .await
        .map_err(|source| DatabaseError::Connect { place, source })?;
    schema::bring_up_to_date(&mut connection, migrator).await?;
    // Everything is committed; a server that drops the connection first changes nothing.
    drop(connection.close().await);
    Ok(())
}

/// A transaction of the service's own role. Use this instead of the pool's `begin`.
///
/// # Errors
/// [`sqlx::Error`] when no connection is free in time.
pub async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    begin_for_certain(pool, "begin".to_owned()).await
}

/// A transaction in which the connection is `role` and sees the rows of `owner` only (row-level security).
/// Both end with the transaction. Costs one round trip.
///
/// # Errors
/// [`sqlx::Error`] when no connection is free in time or the role may not be assumed.
pub async fn begin_as(
    pool: &PgPool,
    role: &'static str,
    owner: UserId,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let owner = owner.uuid();
    // Neither part can carry a quote: the role is a constant of the program, the owner a UUID.
    let statement = format!(r#"begin; set local role "{role}"; set local imagioo.owner = '{owner}'"#);
    begin_for_certain(pool, statement).await
}

/// Begins on a task of its own, which a caller that goes away does not interrupt: the transaction then begins all the
/// same and is rolled back. Interrupted half-way, sqlx 0.9.0 gives the connection back to the pool inside of the
/// transaction (transact-rs/sqlx#4393), and the next request works in a stranger's role and for a stranger's commit.
async fn begin_for_certain(
    pool: &PgPool,
    statement: String,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let pool = pool.clone();
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the task that both rules ask for; it lasts one round trip"
    )]
    let begun = tokio::spawn(async move { pool.begin_with(AssertSqlSafe(statement)).await });
    begun.await.map_err(|_| sqlx::Error::WorkerCrashed)?
}

/// Whether the database is away or busy rather than refusing: the same call may succeed in a moment, and finds
/// whatever the first one did. Codes: PostgreSQL's appendix A.
#[must_use]
pub fn is_away(error: &sqlx::Error) -> bool {
    /// Of connections; shutting down, crashed, starting; too many clients; a standby; serialisation; deadlock.
    const PASSING: [&str; 8] = ["08", "57P01", "57P02", "57P03", "53300", "25006", "40001", "40P01"];
    match error {
        sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Io(_) => true,
        sqlx::Error::Database(refusal) => {
            refusal.code().is_some_and(|code| PASSING.iter().any(|passing| code.starts_with(passing)))
        }
        _ => false,
    }
}

fn parse(url: &SecretString) -> Result<PgConnectOptions, DatabaseError> {
    url.expose_secret().parse().map_err(DatabaseError::Url)
}

fn place(options: &PgConnectOptions) -> String {
    format!("{}:{}/{}", options.get_host(), options.get_port(), options.get_database().unwrap_or_default())
}

fn session(options: PgConnectOptions, owner: &str, statement_timeout_seconds: u64) -> PgConnectOptions {
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name(&format!("imagioo-{owner}")),
    };
    options.options([
        ("statement_timeout", format!("{statement_timeout_seconds}s")),
        ("idle_in_transaction_session_timeout", format!("{}s", statement_timeout_seconds.saturating_mul(2))),
    ])
}

async fn still_lives(
    connection: &mut PgConnection,
    idle: PoolConnectionMetadata,
) -> Result<bool, sqlx::Error> {
    Ok(idle.idle_for < TRUSTED_IDLE || connection.ping().await.is_ok())
}

#[cfg(test)]
mod tests;
