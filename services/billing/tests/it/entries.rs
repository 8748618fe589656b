//! The journal: append-only, balanced, and visible to its owner only.

use imagioo_types::UserId;
use sqlx::PgPool;

use crate::app::App;

async fn code_of(pool: &PgPool, sql: &'static str) -> String {
    let error = sqlx::raw_sql(sql).execute(pool).await.expect_err("the statement is refused");
    error.as_database_error().and_then(|error| error.code()).expect("an SQLSTATE").into_owned()
}

const DENIED: &str = "42501";
const REFUSED: &str = "23001";
const BROKEN: &str = "23514";

const CHANGES: [&str; 6] = [
    "update billing.entries set amount = amount + 1",
    "delete from billing.entries",
    "truncate billing.entries",
    "update billing.write_offs set amount = amount + 1",
    "delete from billing.write_offs",
    "truncate billing.write_offs",
];

#[tokio::test]
async fn b02_the_service_role_may_not_change_what_was_posted() {
    let app = App::start().await;
    app.grant(UserId::generate(), "pack", 10).await;
    for sql in CHANGES {
        assert_eq!(code_of(&app.pool, sql).await, DENIED, "{sql}");
    }
}

#[tokio::test]
async fn b02_not_even_the_owner_of_the_table_can_change_what_was_posted() {
    let app = App::start().await;
    app.grant(UserId::generate(), "pack", 10).await;
    let owner = app.owner();
    for sql in CHANGES {
        assert_eq!(code_of(&owner, sql).await, REFUSED, "{sql}");
    }
    assert_eq!(app.booked("available").await, 10);
}

#[tokio::test]
async fn b02_a_resolved_hold_cannot_be_resolved_again_by_sql() {
    let app = App::start().await;
    let user = UserId::generate();
    app.grant(user, "pack", 10).await;
    let held = app.hold(user, "a", 4).await.expect("held");
    app.release(user, held).await.expect("released");
    let sql = "update billing.holds set state = 'captured', captured = 4";
    assert_eq!(code_of(&app.pool, sql).await, REFUSED);
}

#[tokio::test]
async fn a_posting_that_does_not_sum_to_zero_is_refused() {
    let app = App::start().await;
    let one_sided =
        "insert into billing.entries (posting, line, owner, account, amount, kind, effective_at, posted_at)
        values (gen_random_uuid(), 0, gen_random_uuid(), 'spent', 5, 'adjust', now(), now())";
    assert_eq!(code_of(&app.pool, one_sided).await, BROKEN);
    let crossed = "with two as (select gen_random_uuid() as a, gen_random_uuid() as b)
        insert into billing.entries (posting, line, owner, account, amount, kind, effective_at, posted_at)
        select a, 0, a, 'spent', 5, 'adjust', now(), now() from two
        union all select b, 0, b, 'adjustment', -5, 'adjust', now(), now() from two";
    assert_eq!(code_of(&app.pool, crossed).await, BROKEN);
    assert_eq!(app.booked("spent").await, 0);
}

#[tokio::test]
async fn figures_below_zero_or_above_the_grant_are_refused() {
    let app = App::start().await;
    app.grant(UserId::generate(), "pack", 10).await;
    for sql in [
        "update billing.wallets set available = -1",
        "update billing.wallets set reserved = -1",
        "update billing.wallets set debt = -1",
        "update billing.buckets set remaining = -1",
        "update billing.buckets set remaining = 11",
        "update billing.buckets set reserved = 1",
    ] {
        assert_eq!(code_of(&app.pool, sql).await, BROKEN, "{sql}");
    }
}

#[tokio::test]
async fn the_user_role_sees_the_rows_of_its_owner_and_writes_nothing() {
    let app = App::start().await;
    let (mine, other) = (UserId::generate(), UserId::generate());
    for (user, key) in [(mine, "mine"), (other, "other")] {
        app.grant(user, key, 10).await;
        app.hold(user, "a", 4).await.expect("held");
    }
    for table in ["wallets", "buckets", "entries"] {
        let mut session = imagioo_runtime::database::begin_as(&app.pool, "imagioo_billing_user", mine)
            .await
            .expect("begin");
        let sql = sqlx::AssertSqlSafe(format!("select distinct owner from billing.{table}"));
        let seen: Vec<UserId> = sqlx::query_scalar(sql).fetch_all(&mut *session).await.expect("rows");
        assert_eq!(seen, [mine], "{table}");
        let sql = sqlx::AssertSqlSafe(format!("delete from billing.{table}"));
        assert!(sqlx::query(sql).execute(&mut *session).await.is_err(), "{table}");
    }
    for table in ["holds", "write_offs"] {
        let mut session = imagioo_runtime::database::begin_as(&app.pool, "imagioo_billing_user", mine)
            .await
            .expect("begin");
        let sql = sqlx::AssertSqlSafe(format!("select 1 from billing.{table}"));
        assert!(sqlx::query(sql).execute(&mut *session).await.is_err(), "{table}");
    }
}
