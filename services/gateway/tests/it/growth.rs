//! What one job reads does not grow with what others have open.

use sqlx::PgPool;
use time::Duration;

use crate::harness::{App, eventually, received, receiver};

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

/// So many endpoints of other people, and so many events that wait for hers until tomorrow.
const OTHERS: &str = "
    insert into generation.webhook_endpoints
    select copy.* from generation.webhook_endpoints e cross join generate_series(1, $1) as n,
        jsonb_populate_record(e, jsonb_build_object('id', gen_random_uuid(), 'owner', gen_random_uuid(),
            'request_id', n::text)) as copy";
const LATER: &str = "
    insert into generation.webhook_deliveries (endpoint, event, owner, type, about, due_at)
    select e.id, gen_random_uuid(), e.owner, 'webhook.test', e.id, generation.clock_now() + interval '1 day'
    from generation.webhook_endpoints e cross join generate_series(1, $1) where e.owner = $2";

/// The same as [`READ`], of everything that has to do with webhooks.
const READ_OF_WEBHOOKS: &str = "
    select (select coalesce(sum(idx_tup_read), 0) from pg_stat_user_indexes where relname like 'webhook%')::bigint
         + (select coalesce(sum(seq_tup_read), 0) from pg_stat_user_tables where relname like 'webhook%')::bigint";

#[tokio::test]
async fn an_outcome_and_its_delivery_read_no_more_when_many_endpoints_and_events_wait() {
    let mut app = App::start().await;
    let (ada, server) = (app.user(), receiver().await);
    ada.hook(&server.url("/")).await;
    // Rows that are not committed yet are read, too; nobody looks meanwhile.
    app.gateway.stop().await;
    let mut own = app.pool.acquire().await.expect("a connection");
    sqlx::query(OTHERS).bind(OPEN as i32).execute(&mut *own).await.expect("many more");
    sqlx::query(LATER).bind(OPEN as i32).bind(ada.id.uuid()).execute(&mut *own).await.expect("many more");
    // What the test itself has read is told now, and not counted.
    sqlx::query("select pg_stat_force_next_flush()").execute(&mut *own).await.expect("told");
    drop(own);
    let tested = app.number(READ_OF_WEBHOOKS).await;
    app.start_again().await;
    let (ada, mut worker) = (app.signed_in_again(&ada), app.worker("w1").await);
    ada.create("a fox").await;
    worker.work_off(1).await;
    received(&server, 1).await;
    drop(worker);
    app.gateway.stop().await;
    let ended = async || backends(&app.pool).await <= i64::from(app.pool.size());
    eventually("the gateway's connections end", ended).await;
    let read = app.number(READ_OF_WEBHOOKS).await - tested;
    assert!(read < OPEN, "{read} rows or entries of indexes were read");

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
