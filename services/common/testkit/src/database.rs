//! A fresh, migrated database that belongs to one test.

use std::fmt::Debug;

use anyhow::Context;
use imagioo_runtime::database::{DatabaseConfig, DatabaseError, connect};
use imagioo_runtime::postgres::Access;
use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::Migrator;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use uuid::Uuid;

use crate::{TEST_POSTGRES, TEST_PREFIX, passwords, template};

/// The connections of one pool of a test: the server's hundred are shared by all tests that run at once.
const POOL: u32 = 5;

/// A database of one test, dropped with this value. Services connect with their own roles, never as
/// superuser.
#[derive(Debug)]
pub struct Database {
    admin: SecretString,
    access: Access,
    name: String,
}

impl Database {
    /// A fresh database with the schemas of these owners.
    ///
    /// # Panics
    /// When no server is named in the environment, or a migration fails.
    pub async fn create(owners: &[(&str, &Migrator)]) -> Self {
        Self::try_create(owners).await.unwrap_or_else(|error| panic!("no database for this test: {error:#}"))
    }

    async fn try_create(owners: &[(&str, &Migrator)]) -> anyhow::Result<Self> {
        let admin = std::env::var_os(TEST_POSTGRES)
            .and_then(|url| url.into_string().ok())
            .with_context(|| {
                format!(
                    "{TEST_POSTGRES} is not set: run `cargo run -p imagioo-testkit -- run -- cargo test …`"
                )
            })?
            .into();
        let mut server = server(&admin).await?;
        let template = template::ensure(&admin, &mut server, owners).await?;
        let name = format!("{TEST_PREFIX}{}", Uuid::now_v7().simple());
        template::execute(&mut server, format!("create database {name} template {template}")).await?;
        let access = Access::new(admin.clone(), &name, passwords());
        Ok(Self { admin, access, name })
    }

    /// How the service of this owner is configured to use this database.
    ///
    /// # Panics
    /// For an owner that has no schema.
    #[must_use]
    pub fn config(&self, owner: &str) -> DatabaseConfig {
        let url = known(owner, self.access.service_url(owner));
        DatabaseConfig { max_connections: POOL, ..DatabaseConfig::at(url) }
    }

    /// A pool as the service of this owner opens it.
    ///
    /// # Errors
    /// [`DatabaseError`] as the service would see it.
    pub async fn service(&self, owner: &str, migrator: &Migrator) -> Result<PgPool, DatabaseError> {
        connect(&self.config(owner), migrator).await
    }

    /// A pool as the owner of the schema, who sees every row: for assertions and for arranging what no
    /// service can.
    ///
    /// # Panics
    /// For an owner that has no schema.
    #[must_use]
    pub fn owner(&self, owner: &str) -> PgPool {
        let url = known(owner, self.access.migrator_url(owner));
        let options = url
            .expose_secret()
            .parse()
            .map(|options| PgPoolOptions::new().max_connections(POOL).connect_lazy_with(options));
        known(owner, options)
    }

    /// Moves the clock of an owner's schema, backwards for a negative duration. Everything that asks
    /// `clock_now()` sees the new time at once.
    ///
    /// # Panics
    /// For an owner that has no schema here.
    pub async fn shift_clock(&self, owner: &str, by: time::Duration) {
        let shifted = async {
            let mut connection = PgConnection::connect(self.access.test_url()?.expose_secret()).await?;
            sqlx::query(AssertSqlSafe(format!("update {owner}.clock set shift = shift + $1")))
                .bind(by)
                .execute(&mut connection)
                .await?;
            anyhow::Ok(())
        };
        known(owner, shifted.await);
    }
}

/// Longest time the end of a test waits for its database to go.
const REMOVAL: std::time::Duration = std::time::Duration::from_secs(2);

impl Drop for Database {
    /// Waits until the database is gone, so that a thousand tests need the space of those that run at once; but not
    /// long: the server drops a database only when a connection that is still signing in has ended, and that one may
    /// be this very test's, which cannot go on meanwhile.
    fn drop(&mut self) {
        let (admin, name) = (self.admin.clone(), std::mem::take(&mut self.name));
        let removal = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let removed =
                async { tokio::time::timeout(REMOVAL, template::remove(admin.expose_secret(), &name)).await };
            runtime.block_on(removed).context("the database outlives its test")?
        });
        // What is left over is dropped when the server starts again.
        drop(removal.join());
    }
}

async fn server(admin: &SecretString) -> anyhow::Result<PgConnection> {
    PgConnection::connect(admin.expose_secret()).await.context("the server for tests does not answer")
}

fn known<T, E: Debug>(owner: &str, found: Result<T, E>) -> T {
    found.unwrap_or_else(|error| panic!("nothing here belongs to `{owner}`: {error:?}"))
}
