//! What a service's connections promise, on a real server.

use sqlx::migrate::{Migration, MigrationType};
use sqlx::{Row, SqlSafeStr};
use uuid::Uuid;

use super::*;
use crate::postgres::{Access, PostgresOptions, PrivatePostgres};

const NOTES: &str = "
    grant usage on schema billing to imagioo_billing, imagioo_billing_user;
    create table billing.notes (owner uuid not null);
    grant select, insert on billing.notes to imagioo_billing, imagioo_billing_user;
    alter table billing.notes enable row level security;
    create policy system on billing.notes to imagioo_billing using (true) with check (true);
    create policy own on billing.notes to imagioo_billing_user
        using (owner = current_setting('imagioo.owner', true)::uuid);
";

struct Place {
    postgres: PrivatePostgres,
    access: Access,
    _folder: tempfile::TempDir,
}

impl Place {
    async fn open() -> Self {
        let folder =
            tempfile::Builder::new().prefix("imagioo-pg-").tempdir_in("/tmp").expect("a temporary folder");
        let options =
            PostgresOptions { durable: false, ..PostgresOptions::new(folder.path().join("postgres")) };
        let postgres = PrivatePostgres::start(&options).await.expect("starts");
        let access = postgres.ensure_database("imagioo").await.expect("a database");
        Self { postgres, access, _folder: folder }
    }

    async fn migrate(&self, migrator: &Migrator) -> Result<(), DatabaseError> {
        migrate(&self.access.migrator_url("billing").expect("known"), migrator).await
    }

    async fn connect(&self, migrator: &Migrator) -> Result<PgPool, DatabaseError> {
        let url = self.access.service_url("billing").expect("known");
        connect(&DatabaseConfig { max_connections: 2, ..DatabaseConfig::at(url) }, migrator).await
    }
}

fn migrator(scripts: &[&'static str]) -> Migrator {
    let migration = |(version, script): (i64, &&'static str)| {
        Migration::new(version, "test".into(), MigrationType::Simple, script.into_sql_str(), false)
    };
    let mut migrator = Migrator::with_migrations((1..).zip(scripts).map(migration).collect());
    migrator.dangerous_set_table_name("billing._sqlx_migrations");
    migrator.create_schema("billing");
    migrator
}

#[tokio::test]
async fn a_database_that_goes_away_is_told_apart_from_one_that_refuses() {
    let place = Place::open().await;
    let notes = migrator(&[NOTES]);
    place.migrate(&notes).await.expect("migrates");
    let pool = place.connect(&notes).await.expect("up to date");
    let refused =
        sqlx::query("select * from billing.nowhere").execute(&pool).await.expect_err("no such table");
    assert!(!is_away(&refused), "{refused}");
    let admin = place.access.admin_url().expect("an address");
    let mut connection = pool.acquire().await.expect("a connection");
    let own: i32 =
        sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut *connection).await.expect("a pid");
    let mut server = PgConnection::connect(admin.expose_secret()).await.expect("connects");
    let kill = "select pg_terminate_backend($1, 10000)";
    assert!(sqlx::query_scalar::<_, bool>(kill).bind(own).fetch_one(&mut server).await.expect("allowed"));
    let cut = sqlx::query("select 1").execute(&mut *connection).await.expect_err("terminated");
    assert!(is_away(&cut), "{cut}");
    let config = DatabaseConfig::at(place.access.service_url("billing").expect("known"));
    place.postgres.stop().await.expect("stops");
    let gone = connect(&config, &notes).await.expect_err("nobody is there");
    assert!(matches!(gone, DatabaseError::Connect { source, .. } if is_away(&source)));
}

#[tokio::test]
async fn only_a_schema_with_every_migration_is_used() {
    let place = Place::open().await;
    let (old, new) = (migrator(&[NOTES]), migrator(&[NOTES, "create table billing.more ()"]));
    let changed = migrator(&["select 1"]);
    let pending =
        |error| matches!(error, Err(DatabaseError::Pending { count, first, .. }) if (count, first) == (1, 1));
    assert!(pending(place.connect(&old).await), "an empty database lacks everything");
    place.migrate(&old).await.expect("migrates");
    place.migrate(&old).await.expect("does nothing the second time");
    place.connect(&old).await.expect("up to date").close().await;
    let error = place.connect(&new).await.expect_err("the second one is pending");
    assert!(
        error
            .to_string()
            .contains("lacks 1 migration(s), from version 2: run this service with the command `migrate`"),
        "{error}"
    );
    let error = place.connect(&changed).await.expect_err("not what was applied");
    assert!(matches!(error, DatabaseError::Changed { version: 1, .. }), "{error}");
    place.migrate(&new).await.expect("migrates");
    place.connect(&old).await.expect("a newer schema serves an older program").close().await;
    place.postgres.stop().await.expect("stops");
}

#[tokio::test]
async fn a_transaction_on_a_users_behalf_sees_that_users_rows_only() {
    let place = Place::open().await;
    let migrator = migrator(&[NOTES]);
    place.migrate(&migrator).await.expect("migrates");
    let pool = place.connect(&migrator).await.expect("connects");
    let (mine, foreign) = (UserId::generate(), UserId::generate());
    for owner in [mine, foreign] {
        sqlx::query("insert into billing.notes values ($1)")
            .bind(owner.uuid())
            .execute(&pool)
            .await
            .expect("the system role writes for everyone");
    }
    let mut transaction = begin_as(&pool, "imagioo_billing_user", mine).await.expect("begins");
    let seen: Vec<Uuid> = sqlx::query_scalar("select owner from billing.notes")
        .fetch_all(&mut *transaction)
        .await
        .expect("allowed");
    assert_eq!(seen, [mine.uuid()]);
    transaction.commit().await.expect("commits");
    let (all, role, program): (i64, String, String) = sqlx::query_as(
        "select count(*), current_user::text, current_setting('application_name') from billing.notes",
    )
    .fetch_one(&pool)
    .await
    .expect("allowed");
    assert_eq!((all, role.as_str(), program.as_str()), (2, "imagioo_billing", "imagioo-billing"));
    assert!(begin_as(&pool, "imagioo_account_user", mine).await.is_err(), "another service's role");
    pool.close().await;
    place.postgres.stop().await.expect("stops");
}

#[tokio::test]
async fn a_caller_that_goes_away_while_a_transaction_begins_leaves_nothing_behind() {
    let place = Place::open().await;
    let migrator = migrator(&[NOTES]);
    place.migrate(&migrator).await.expect("migrates");
    let pool = place.connect(&migrator).await.expect("connects");
    for patience in 1..40 {
        let mut begins = Box::pin(begin_as(&pool, "imagioo_billing_user", UserId::generate()));
        for _ in 0..patience {
            if futures::poll!(begins.as_mut()).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(begins);
        let alone = "select current_user::text, transaction_timestamp() = statement_timestamp()";
        let row = sqlx::raw_sql(alone).fetch_one(&pool).await.expect("answers");
        let found: (String, bool) = (row.get(0), row.get(1));
        assert_eq!(found, ("imagioo_billing".into(), true), "after {patience} polls");
    }
    pool.close().await;
    place.postgres.stop().await.expect("stops");
}

#[tokio::test]
async fn an_unreachable_database_is_named_without_its_password() {
    let nowhere = DatabaseConfig {
        acquire_timeout_seconds: 1,
        ..DatabaseConfig::at("postgres://billing:hidden@127.0.0.1:9/imagioo".into())
    };
    let error = connect(&nowhere, &migrator(&[])).await.expect_err("nobody listens");
    assert!(error.to_string().contains("127.0.0.1:9/imagioo"), "{error}");
    assert!(!format!("{error:?}").contains("hidden"), "{error:?}");
    let error = connect(&DatabaseConfig::at("".into()), &migrator(&[])).await.expect_err("no address");
    assert!(matches!(error, DatabaseError::Url(_)), "{error}");
}
