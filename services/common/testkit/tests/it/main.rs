//! What the test kit promises its users.

mod rabbitmq;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::LazyLock;

use imagioo_testkit::{Database, TEST_POSTGRES};
use sqlx::migrate::Migrator;
use sqlx::{Executor, PgPool};
use time::Duration;

const LOOK: std::time::Duration = std::time::Duration::from_millis(20);
const HANG: std::time::Duration = std::time::Duration::from_mins(1);

static BILLING: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = sqlx::migrate!("tests/it/migrations");
    migrator.create_schema("billing");
    migrator.dangerous_set_table_name("billing._sqlx_migrations");
    migrator
});

async fn fresh() -> (Database, PgPool) {
    let database = Database::create(&[("billing", &BILLING)]).await;
    let pool = database.service("billing", &BILLING).await.expect("migrated");
    (database, pool)
}

async fn count(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from billing.notes").fetch_one(pool).await.expect("allowed")
}

#[tokio::test]
async fn two_tests_see_nothing_of_each_other() {
    let ((_first, one), (_second, other)) = tokio::join!(fresh(), fresh());
    one.execute("insert into billing.notes default values").await.expect("allowed");
    assert_eq!((count(&one).await, count(&other).await), (1, 0));
}

#[tokio::test]
async fn a_service_connects_as_itself() {
    let (database, pool) = fresh().await;
    let who = |pool: PgPool| async move {
        sqlx::query_as::<_, (String, bool)>(
            "select current_user::text, rolsuper from pg_roles where rolname = current_user",
        )
        .fetch_one(&pool)
        .await
        .expect("allowed")
    };
    assert_eq!(who(pool.clone()).await, (String::from("imagioo_billing"), false));
    assert_eq!(who(database.owner("billing")).await, (String::from("imagioo_billing_migrator"), false));
    assert!(pool.execute("update billing.clock set shift = '1h'").await.is_err(), "only tests move clocks");
}

#[tokio::test]
async fn the_clock_moves_when_the_test_moves_it() {
    let (database, pool) = fresh().await;
    database.shift_clock("billing", Duration::hours(2)).await;
    database.shift_clock("billing", Duration::minutes(-30)).await;
    let ahead: bool = sqlx::query_scalar(
        "select billing.clock_now() - now() between interval '89 minutes' and interval '91 minutes'",
    )
    .fetch_one(&pool)
    .await
    .expect("allowed");
    assert!(ahead);
}

#[tokio::test]
async fn a_database_is_gone_when_its_test_ends() {
    let (database, pool) = fresh().await;
    let name: String =
        sqlx::query_scalar("select current_database()::text").fetch_one(&pool).await.expect("allowed");
    let (_other, elsewhere) = fresh().await;
    drop(database);
    // A server that takes long over it goes on after the test has ended.
    let gone = async {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            let left: i64 = sqlx::query_scalar("select count(*) from pg_database where datname = $1")
                .bind(&name)
                .fetch_one(&elsewhere)
                .await
                .expect("allowed");
            if left == 0 {
                return;
            }
        }
    };
    tokio::time::timeout(HANG, gone).await.expect("it is removed");
}

fn testkit(data: &Path, task: &str, script: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_imagioo-testkit"))
        .env_remove(TEST_POSTGRES)
        .env_remove("DATABASE_URL")
        .arg(task)
        .arg("--data")
        .arg(data)
        .args(["--", "sh", "-c", script])
        .arg(data.join("pipe"))
        .output()
        .expect("the test kit runs")
}

#[test]
fn a_command_runs_beside_a_server_and_its_exit_code_is_passed_on() {
    let data =
        tempfile::Builder::new().prefix("imagioo-kit-").tempdir_in("/tmp").expect("a temporary folder");
    let output = testkit(data.path(), "run", r#"echo "$IMAGIOO_TEST_POSTGRES"; exit 7"#);
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with("postgres://postgres:") && said.contains("@127.0.0.1:"), "{said}");
    assert!(!data.path().join("postgres/data/postmaster.pid").exists(), "the server was stopped");
}

#[test]
fn queries_are_checked_against_every_migration() {
    let data =
        tempfile::Builder::new().prefix("imagioo-kit-").tempdir_in("/tmp").expect("a temporary folder");
    let output = testkit(data.path(), "prepare", r#"echo "$DATABASE_URL""#);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("/imagioo_prepare"), "{said}");
}

#[test]
fn a_terminated_command_ends_before_its_server() {
    let data =
        tempfile::Builder::new().prefix("imagioo-kit-").tempdir_in("/tmp").expect("a temporary folder");
    let output = testkit(data.path(), "run", r#"mkfifo "$0" && kill -TERM $PPID && read -r never < "$0""#);
    assert_eq!(output.status.code(), Some(128 + 15), "{output:?}");
    assert!(!data.path().join("postgres/data/postmaster.pid").exists(), "the server was stopped");
}
