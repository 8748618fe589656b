//! The life of a private server.

use std::path::Path;

use secrecy::ExposeSecret;
use sqlx::{Connection, Executor, PgConnection};

use super::*;

/// A folder that an unprivileged user can enter, which `/tmp` promises and a private home does not.
fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("imagioo-pg-").tempdir_in("/tmp").expect("a temporary folder")
}

fn options(folder: &Path) -> PostgresOptions {
    PostgresOptions { durable: false, ..PostgresOptions::new(folder.join("postgres")) }
}

async fn open(url: &SecretString) -> PgConnection {
    PgConnection::connect(url.expose_secret()).await.expect("the address works")
}

async fn count(postgres: &PrivatePostgres) -> i64 {
    let access = postgres.ensure_database("imagioo").await.expect("a database");
    let mut migrator = open(&access.migrator_url("billing").expect("known")).await;
    migrator.execute("create schema if not exists billing").await.expect("allowed");
    migrator.execute("create table if not exists billing.starts ()").await.expect("allowed");
    migrator.execute("insert into billing.starts default values").await.expect("allowed");
    sqlx::query_scalar("select count(*) from billing.starts").fetch_one(&mut migrator).await.expect("counted")
}

#[tokio::test]
async fn a_restart_keeps_the_data_and_a_second_process_is_refused() {
    let folder = folder();
    let options = options(folder.path());
    let first = PrivatePostgres::start(&options).await.expect("starts");
    assert_eq!(count(&first).await, 1);
    let refused = PrivatePostgres::start(&options).await;
    assert!(matches!(refused, Err(PostgresError::Locked { .. })), "{refused:?}");
    first.stop().await.expect("stops");
    let second = PrivatePostgres::start(&options).await.expect("starts again");
    assert!(!second.server.adopted());
    assert_eq!(count(&second).await, 2);
    second.stop().await.expect("stops");
}

#[tokio::test]
async fn a_left_over_server_is_adopted_and_stopped() {
    let folder = folder();
    let options = options(folder.path());
    let killed = PrivatePostgres::start(&options).await.expect("starts");
    assert_eq!(count(&killed).await, 1);
    let port = killed.port();
    let PrivatePostgres { server, site, .. } = killed;
    server.abandon();
    drop(site);
    let heir = PrivatePostgres::start(&options).await.expect("adopts");
    assert!(heir.server.adopted());
    assert_eq!(heir.port(), port);
    assert_eq!(count(&heir).await, 2);
    heir.stop().await.expect("stops what it adopted");
    let next = PrivatePostgres::start(&options).await.expect("starts anew");
    assert!(!next.server.adopted(), "the adopted one is gone");
    next.stop().await.expect("stops");
}

#[tokio::test]
async fn a_server_that_dies_is_revived_under_its_address() {
    let folder = folder();
    let mut postgres = PrivatePostgres::start(&options(folder.path())).await.expect("starts");
    let access = postgres.ensure_database("imagioo").await.expect("a database");
    let before = postgres.admin_url();
    postgres.server.kill();
    postgres.ended().await;
    postgres.relaunch().await.expect("launches again");
    assert_eq!(postgres.admin_url().expose_secret(), before.expose_secret());
    open(&access.service_url("billing").expect("known")).await.ping().await.expect("the same password works");
    postgres.stop().await.expect("stops");
}

#[tokio::test]
async fn a_killed_server_recovers_although_its_process_id_is_taken() {
    let folder = folder();
    let options = options(folder.path());
    let first = PrivatePostgres::start(&options).await.expect("starts");
    let pid_file = first.site.folder.data().join("postmaster.pid");
    let text = std::fs::read_to_string(&pid_file).expect("a running server has one");
    first.stop().await.expect("stops");
    let (_, rest) = text.split_once('\n').expect("several lines");
    std::fs::write(&pid_file, format!("{}\n{rest}", std::process::id())).expect("written");
    let second = PrivatePostgres::start(&options).await.expect("starts");
    second.stop().await.expect("stops");
}

#[tokio::test]
async fn a_service_role_reaches_neither_other_schemas_nor_the_superuser() {
    let folder = folder();
    let postgres = PrivatePostgres::start(&options(folder.path())).await.expect("starts");
    assert_eq!(count(&postgres).await, 1);
    let access = postgres.ensure_database("imagioo").await.expect("a database");
    let mut account = open(&access.service_url("account").expect("known")).await;
    assert!(account.execute("select * from billing.starts").await.is_err());
    assert!(account.execute("create table public.mine ()").await.is_err());
    let wrong = format!("postgres://postgres:wrong@127.0.0.1:{}/postgres", postgres.port());
    assert!(PgConnection::connect(&wrong).await.is_err());
    let none = format!("postgres://postgres@127.0.0.1:{}/postgres", postgres.port());
    assert!(PgConnection::connect(&none).await.is_err());
    drop(account);
    postgres.stop().await.expect("stops");
}

#[tokio::test]
async fn a_long_path_is_refused_with_advice() {
    let folder = folder();
    let refused = PrivatePostgres::start(&options(&folder.path().join("x".repeat(90)))).await;
    assert!(matches!(refused, Err(PostgresError::PathTooLong { .. })), "{refused:?}");
}

#[tokio::test]
async fn root_is_told_when_the_servers_user_cannot_enter() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).expect("mine");
    let outcome = PrivatePostgres::start(&options(folder.path())).await;
    if nix::unistd::geteuid().is_root() {
        assert!(matches!(outcome, Err(PostgresError::Unreachable { .. })), "{outcome:?}");
    } else {
        outcome.expect("our own folder").stop().await.expect("stops");
    }
}

#[tokio::test]
async fn a_lost_password_is_named() {
    let folder = folder();
    let options = options(folder.path());
    PrivatePostgres::start(&options).await.expect("starts").stop().await.expect("stops");
    std::fs::remove_file(options.folder.join("superuser-password")).expect("removed");
    let refused = PrivatePostgres::start(&options).await;
    assert!(matches!(refused, Err(PostgresError::PasswordLost { .. })), "{refused:?}");
}
