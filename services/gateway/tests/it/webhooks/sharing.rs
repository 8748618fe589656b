//! Many deliveries at once: over replicas, beside slow receivers, after a crash.

use std::collections::HashSet;
use std::sync::Arc;

use imagioo_proto::generation::v1::WebhookDeliveryState;
use imagioo_testkit::web::Reply;
use time::Duration;
use tokio::sync::Notify;

use crate::harness::{App, answering, eventually, received, receiver};

#[tokio::test]
async fn two_replicas_deliver_everything_once() {
    let app = App::with("share.in_flight = 100").await;
    let mut second = app.replica().await;
    let (ada, mut worker, server) = (app.user(), app.worker("w1").await, receiver().await);
    let hooks = [ada.hook(&server.url("/a")).await, ada.hook(&server.url("/b")).await];
    ada.create_many(10).await;
    ada.at(&second).create_many(10).await;
    worker.work_off(20).await;
    received(&server, 40).await;
    for hook in &hooks {
        eventually("all delivered", async || {
            let log = ada.deliveries(&hook.name).await.expect("a log");
            log.len() == 20 && log.iter().all(|one| one.state() == WebhookDeliveryState::Delivered)
        })
        .await;
        let log = ada.deliveries(&hook.name).await.expect("a log");
        assert!(log.iter().all(|one| one.attempt_count == 1));
    }
    let asked = server.asked().clone();
    assert_eq!(asked.len(), 40);
    let ids: HashSet<_> = asked
        .iter()
        .map(|asked| (asked.path.clone(), asked.header("webhook-id").map(str::to_owned)))
        .collect();
    assert_eq!(ids.len(), 40, "nothing twice");
    second.stop().await;
    app.ends_clean().await;
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_up_no_other() {
    let app =
        App::with("share.in_flight = 100\nwebhooks.timeout_seconds = 120\nwebhooks.in_flight = 6").await;
    let (ada, eve, mut worker) = (app.user(), app.user(), app.worker("w1").await);
    let yes = || Reply::json(200, "{}");
    let released = Arc::new(Notify::new());
    let held = Arc::clone(&released);
    let hanging =
        move |number| if number < 4 { Reply::When(Arc::clone(&held), Box::new(yes())) } else { yes() };
    let (slow, quick) = (answering(hanging).await, receiver().await);
    ada.hook(&slow.url("/")).await;
    let hook = eve.hook(&quick.url("/")).await;
    ada.create_many(12).await;
    worker.work_off(12).await;
    received(&slow, 4).await;
    for _ in 0..3 {
        eve.create("a fox").await;
        worker.job().await.deliver_all().await;
    }
    received(&quick, 3).await;
    assert_eq!(slow.asked().len(), 4, "as many as one endpoint may have under way");
    eventually("all delivered", async || {
        let log = eve.deliveries(&hook.name).await.expect("a log");
        log.iter().all(|one| one.state() == WebhookDeliveryState::Delivered)
    })
    .await;
    released.notify_waiters();
    app.ends_clean().await;
}

#[tokio::test]
async fn what_a_dead_replica_was_sending_is_sent_by_another() {
    let app = App::start().await;
    let answers = |number| match number {
        0 => Reply::json(500, "").with("retry-after", "3600"),
        _ => Reply::json(200, ""),
    };
    let (ada, server) = (app.user(), answering(answers).await);
    let hook = ada.hook(&server.url("/")).await;
    ada.test_hook(&hook.name).await.expect("a test");
    ada.attempted(&hook.name, 1).await;
    // As a replica leaves it that dies after it took the delivery.
    sqlx::query(
        "update generation.webhook_deliveries
         set claim = gen_random_uuid(), due_at = generation.clock_now() + interval '1 hour', attempts = 2",
    )
    .execute(&app.pool)
    .await
    .expect("taken");
    let taken = ada.attempted(&hook.name, 1).await;
    assert_eq!((taken.state(), taken.next_attempt_time), (WebhookDeliveryState::Pending, None), "under way");
    app.shift(Duration::hours(1)).await;
    let delivered = ada.delivery_in(&hook.name, WebhookDeliveryState::Delivered).await;
    assert_eq!(delivered.attempt_count, 3);
    app.ends_clean().await;
}

#[tokio::test]
async fn a_removed_endpoint_receives_nothing_more_and_outcomes_go_on() {
    let app = App::with("share.in_flight = 100").await;
    let (ada, mut worker, server) = (app.user(), app.worker("w1").await, receiver().await);
    let hook = ada.hook(&server.url("/")).await;
    let created = ada.create_many(10).await;
    let delete = ada.delete_hook(&hook.name);
    let (removed, ()) = tokio::join!(delete, worker.work_off(10));
    removed.expect("removed");
    for generation in created {
        ada.sees_the_end(&generation.name).await;
    }
    assert_eq!(app.number("select count(*) from generation.webhook_deliveries").await, 0);
    app.ends_clean().await;
}
