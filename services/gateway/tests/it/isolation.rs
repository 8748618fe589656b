//! What one person's request can see and do in the database, whatever the program asks for.

use imagioo_proto::generation::v1::{Preset, WebhookDeliveryState};
use imagioo_runtime::database::begin_as;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::harness::{App, User, eventually, failed, receiver};

const USER_ROLE: &str = "imagioo_generation_user";
const FORBIDDEN: &str = "42501";

/// Rows of everybody in every table; nothing writes any more.
async fn populated() -> (App, User, User) {
    let app = App::with("share.in_flight = 1").await;
    let server = receiver().await;
    let (ada, eve, mut worker) = (app.user(), app.user(), app.worker("w1").await);
    for user in [&ada, &eve] {
        let preset = Preset { title: "Oils".to_owned(), ..Preset::default() };
        user.create_preset("oils", preset).await.expect("made");
        user.set_key("near", "key-of-somebody").await.expect("set");
        let hook = user.hook(&server.url("/")).await;
        user.test_hook(&hook.name).await.expect("a test");
        user.create("a fox").await;
        let job = worker.job().await;
        job.record(0, "task").await.expect("held");
        job.deliver_all().await;
        eventually("both events are delivered", async || {
            let log = user.deliveries(&hook.name).await.expect("a log");
            log.len() == 2 && log.iter().all(|one| one.state() == WebhookDeliveryState::Delivered)
        })
        .await;
    }
    for user in [&ada, &eve] {
        user.create_many(2).await;
    }
    (app, ada, eve)
}

#[tokio::test]
async fn s70_a_request_sees_its_own_rows_even_without_a_filter() {
    let (app, ada, eve) = populated().await;
    let mut seen = 0;
    for table in tables(&app).await {
        let all = format!("select count(*) from generation.{table}");
        let total: i64 =
            sqlx::query_scalar(AssertSqlSafe(all.clone())).fetch_one(&app.pool).await.expect("counted");
        if !readable(&app, &table).await {
            assert_eq!(count(&app, &ada, &all).await, Err(FORBIDDEN.to_owned()), "{table}");
            continue;
        }
        seen += 1;
        let hers = format!("{all} where owner = '{}'", ada.id.uuid());
        let own: i64 = sqlx::query_scalar(AssertSqlSafe(hers)).fetch_one(&app.pool).await.expect("counted");
        assert!(0 < own && own < total, "{table}: {own} of {total}");
        assert_eq!(count(&app, &ada, &all).await, Ok(own), "{table}");
        assert_eq!(count(&app, &app.user(), &all).await, Ok(0), "{table}: somebody who has nothing");
        let foreign = format!("{all} where owner = '{}'", eve.id.uuid());
        assert_eq!(count(&app, &ada, &foreign).await, Ok(0), "{table}: asking for another's");
    }
    assert_eq!(
        seen, 8,
        "generations, images, presets and their versions, webhooks with deliveries and attempts, keys of their own"
    );
    finish(app).await;
}

#[tokio::test]
async fn s70_a_request_changes_nothing_in_any_table() {
    let (app, ada, _) = populated().await;
    for table in tables(&app).await {
        for change in
            ["update generation.{} set owner = owner", "delete from generation.{}", "truncate generation.{}"]
        {
            let mut transaction = begin_as(&app.pool, USER_ROLE, ada.id).await.expect("begun");
            let change = change.replace("{}", &table);
            let done = sqlx::query(AssertSqlSafe(change.clone())).execute(&mut *transaction).await;
            let code = done.err().map(|error| code(&error));
            let refused = code.as_deref().is_some_and(|code| code == FORBIDDEN || code == "42703");
            assert!(refused, "{change}: {code:?}");
        }
    }
    finish(app).await;
}

#[tokio::test]
async fn s70_every_table_that_a_request_can_reach_is_guarded() {
    let app = App::start().await;
    let unguarded: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class
         where relnamespace = 'generation'::regnamespace and relkind in ('r', 'p', 'v', 'm')
           and not relrowsecurity and relname not in ('clock', '_sqlx_migrations')
           and (has_any_column_privilege($1, oid, 'select, insert, update')
                or has_table_privilege($1, oid, 'delete, truncate'))",
    )
    .bind(USER_ROLE)
    .fetch_all(&app.pool)
    .await
    .expect("read");
    assert!(unguarded.is_empty(), "{unguarded:?}");
    app.ends_clean().await;
}

async fn tables(app: &App) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class
         where relnamespace = 'generation'::regnamespace and relkind = 'r'
           and relname not in ('clock', '_sqlx_migrations')",
    )
    .fetch_all(&app.pool)
    .await
    .expect("tables");
    assert!(tables.len() >= 6, "{tables:?}");
    tables
}

async fn readable(app: &App, table: &str) -> bool {
    let sql = "select has_any_column_privilege($1, $2, 'select')";
    let table = format!("generation.{table}");
    sqlx::query_scalar(sql).bind(USER_ROLE).bind(table).fetch_one(&app.pool).await.expect("known")
}

/// Counts as somebody's request; the SQL state of a refusal.
async fn count(app: &App, user: &User, sql: &str) -> Result<i64, String> {
    let mut transaction = begin_as(&app.pool, USER_ROLE, user.id).await.expect("begun");
    let connection: &mut PgConnection = &mut transaction;
    let sql = AssertSqlSafe(sql.to_owned());
    sqlx::query_scalar(sql).fetch_one(connection).await.map_err(|error| code(&error))
}

fn code(error: &sqlx::Error) -> String {
    let code = error.as_database_error().and_then(|error| error.code());
    code.map_or_else(|| error.to_string(), Into::into)
}

/// Ends what [`populated`] left open.
async fn finish(app: App) {
    let open: Vec<Uuid> = sqlx::query_scalar("select id from generation.generations where ended_at is null")
        .fetch_all(&app.pool)
        .await
        .expect("rows");
    let mut worker = app.worker("w2").await;
    for _ in open {
        worker.job().await.report(failed("OVER")).await;
    }
    app.ends_clean().await;
}
