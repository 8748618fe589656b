//! What one job reads does not grow with what others have open.

use sqlx::PgPool;
use time::Duration;

use crate::harness::{App, eventually};

/// Far more than anything here needs to read.
const OPEN: i64 = 5_000;

/// So many copies of the only generation, waiting. They have no place in the backlog, so nobody dispatches them.
const WAITING: &str = "
    insert into generation.generations
    select copy.* from generation.generations g cross join generate_series(1, $1) as n,
        jsonb_populate_record(g, jsonb_build_object('id', gen_random_uuid(), 'request_id', n::text,
            'state', 'queued', 'dispatched_at', null)) as copy";

/// Index entries and rows of the table of generations that anybody has read.
const READ: &str = "
    select (coalesce(sum(i.idx_tup_read), 0) + max(t.seq_tup_read))::bigint
    from pg_stat_user_tables t join pg_stat_user_indexes i using (relid) where t.relname = 'generations'";

/// Longer than a lease.
const LAPSE: Duration = Duration::seconds(31);

#[tokio::test]
async fn a_job_and_a_sweep_read_no_more_when_many_generations_are_open() {
    let mut app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    sqlx::query(WAITING).bind(OPEN as i32).execute(&app.pool).await.expect("many more");
    let lost = worker.job().await;
    assert_eq!(lost.renew().await, (true, false));
    // What the sweeper finds is offered again.
    app.shift(LAPSE).await;
    worker.job().await.deliver_all().await;
    ada.sees_the_end(&created.name).await;
    drop(worker);
    // A backend tells what it has read when it ends.
    app.gateway.stop().await;
    let ended = async || backends(&app.pool).await <= i64::from(app.pool.size());
    eventually("the gateway's connections end", ended).await;
    let read = app.number(READ).await;
    assert!(read < OPEN, "{read} rows or entries of indexes were read");

    let owner = app.database.owner("generation");
    sqlx::query("delete from generation.generations where state = 'queued'")
        .execute(&owner)
        .await
        .expect("gone");
    app.start_again().await;
    app.ends_clean().await;
}

async fn backends(pool: &PgPool) -> i64 {
    sqlx::query_scalar(
        "select count(*) from pg_stat_activity where datname = current_database() and usename = current_user",
    )
    .fetch_one(pool)
    .await
    .expect("a count")
}
