//! What the database gives away: to a dump, and to one person's request.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::app::{App, PASSWORD, user_id};

const USER_ROLE: &str = "imagioo_account_user";

#[tokio::test]
async fn s59_a_dump_of_the_database_contains_nothing_that_opens_anything() {
    let app = App::start().await;
    let session = app.person("ada.canary@example.com").await;
    let session = app.refresh(&session.refresh_token).await.expect("refreshed");
    let key = app.create_key(&session.access_token).await.expect("created");
    let access = app.exchange(&key.secret).await.expect("exchanged");
    app.sign_in("bob.canary@example.com", PASSWORD).await.expect_err("unknown");

    let dump = dump(&app).await;
    let refresh: Vec<_> = session.refresh_token.split('_').collect();
    let (_, api_secret) = key.secret["img_live_".len()..].split_once('_').expect("has parts");
    let (api_secret, _) = api_secret.split_once('_').expect("has parts");
    for secret in [PASSWORD, refresh[2], refresh[3], api_secret, &access, &session.access_token] {
        assert!(!dump.contains(secret), "a secret is stored");
        let encoded: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!dump.contains(&encoded), "a secret is stored as bytes");
    }
    assert!(dump.contains("ada.canary"), "the dump is a dump");
    assert!(!dump.contains("bob.canary"), "an attempt does not store the address");
}

#[tokio::test]
async fn s70_a_request_sees_its_own_rows_even_without_a_filter() {
    let app = App::start().await;
    let (ada, eve) = (app.sign_up("ada@example.com").await, app.sign_up("eve@example.com").await);
    for person in [&ada, &eve] {
        let session = person.session.as_ref().expect("a session");
        let key = app.create_key(&session.access_token).await.expect("created").api_key.expect("a key");
        app.revoke_key(&session.access_token, &key.name).await.expect("revoked");
    }
    let mut connection = app.pool.acquire().await.expect("a connection");
    let ada = user_id(&ada.user.expect("a user")).uuid();
    for table in ["users where true", "api_keys where true"] {
        let sql = format!("select count(*) from account.{table}");
        assert_eq!(count(&mut connection, &sql).await, 2, "the service sees all: {table}");
        assert_eq!(count_as(&mut connection, &ada.to_string(), &sql).await, Ok(1), "{table}");
        assert_eq!(count_as(&mut connection, "", &sql).await, Ok(0), "nobody's request: {table}");
    }
    for forbidden in [
        "select count(password_hash) from account.users",
        "select count(secret_hash) from account.api_keys",
        "select count(*) from account.outbox",
        "select count(*) from account.sign_in_attempts",
    ] {
        let answer = count_as(&mut connection, &ada.to_string(), forbidden).await;
        assert_eq!(answer, Err("42501".into()), "{forbidden}");
    }
    let foreign = format!(
        "with written as (
             insert into account.api_keys (id, owner, display_name, secret_hash)
             select gen_random_uuid(), '{}', 'planted', sha256('x') returning 1
         ) select count(*) from written",
        user_id(&eve.user.expect("a user")).uuid()
    );
    assert_eq!(count_as(&mut connection, &ada.to_string(), &foreign).await, Err("42501".into()));
    let foreign = "with written as (
             update account.api_keys set revoked_at = null returning 1
         ) select count(*) from written";
    assert_eq!(count_as(&mut connection, &ada.to_string(), foreign).await, Ok(1), "only her own");
}

#[tokio::test]
async fn s70_every_table_that_a_request_can_reach_is_guarded() {
    let app = App::start().await;
    let unguarded: Vec<String> = sqlx::query_scalar(
        "select c.relname::text from pg_class c
         where c.relnamespace = 'account'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
           and not c.relrowsecurity and c.relname not in ('clock', '_sqlx_migrations')
           and (has_any_column_privilege($1, c.oid, 'select, insert, update')
                or has_table_privilege($1, c.oid, 'delete, truncate'))",
    )
    .bind(USER_ROLE)
    .fetch_all(&app.pool)
    .await
    .expect("read");
    assert!(unguarded.is_empty(), "{unguarded:?}");
}

async fn count(connection: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await.expect("counted")
}

/// Counts as the role of one person's request; the SQL state of a refusal.
async fn count_as(connection: &mut PgConnection, owner: &str, sql: &str) -> Result<i64, String> {
    let mut transaction = connection.begin().await.expect("begun");
    sqlx::query(AssertSqlSafe(format!("set local role {USER_ROLE}")))
        .execute(&mut *transaction)
        .await
        .expect("the service may");
    sqlx::query("select set_config('imagioo.owner', $1, true)")
        .bind(owner)
        .execute(&mut *transaction)
        .await
        .expect("set");
    let counted = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *transaction).await;
    counted.map_err(|error| {
        let code = error.as_database_error().and_then(|error| error.code());
        code.map_or_else(|| error.to_string(), Into::into)
    })
}

/// Every row of every table of the schema, as text.
async fn dump(app: &App) -> String {
    let tables: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class
         where relnamespace = 'account'::regnamespace and relkind = 'r' and relname not like '\\_sqlx%'",
    )
    .fetch_all(&app.pool)
    .await
    .expect("tables");
    assert!(tables.len() >= 7, "{tables:?}");
    let mut text = String::new();
    for table in tables {
        let rows = AssertSqlSafe(format!("select t::text from account.{table} as t"));
        let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(&app.pool).await.expect("rows");
        text.extend(rows);
    }
    text
}
