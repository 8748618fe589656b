//! Ending early: at once before a worker runs, by request while it does, never twice and never for more than came.

use futures::StreamExt as _;
use futures::future::{join_all, try_join_all};
use imagioo_proto::generation::v1::{CreateGenerationRequest, GenerationState};
use imagioo_proto::jobs::v1::manifest::Ending;
use imagioo_proto::jobs::v1::{CancelUpstream, Cancelled, Charged, Complete};
use imagioo_rpc::Code;
use time::Duration;

use crate::harness::{App, eventually, retry, wanted, within};

#[tokio::test]
async fn what_waits_or_is_offered_is_cancelled_at_once_and_free() {
    let app = App::with("share.in_flight = 1").await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create_many(3).await;
    let offer = worker.take().await;
    for index in [1, 0] {
        let cancelled = ada.cancel(&created[index].name).await.expect("cancelled");
        assert_eq!((cancelled.state(), cancelled.charge), (GenerationState::Cancelled, 0));
        assert!(cancelled.failure.is_none() && cancelled.end_time.is_some());
        app.keeps_the_laws().await;
    }
    assert!(worker.start(&offer).await.is_none(), "its offer is void");
    worker.work_off(1).await;
    assert_eq!(
        ada.sees_the_end(&created[2].name).await.state(),
        GenerationState::Succeeded,
        "the slot was free"
    );
    app.ends_clean().await;
}

#[tokio::test]
async fn a_running_generation_is_asked_to_stop_by_hint_and_by_renewal() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let job = worker.job().await;
    let mut hints = app.queue.listen::<CancelUpstream>().await.expect("listening");
    assert_eq!(job.renew().await, (true, false));
    let asked = ada.cancel(&created.name).await.expect("asked");
    assert_eq!(asked.state(), GenerationState::Running, "until the worker has stopped");
    let hint = within("a hint", hints.next()).await.expect("a hint");
    assert_eq!((hint.generation.as_str(), hint.attempt), (created.name.as_str(), 1));
    assert_eq!(job.renew().await, (true, true));
    job.report(Ending::Cancelled(Cancelled {})).await;
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!((ended.state(), ended.charge), (GenerationState::Cancelled, 0));
    assert!(ended.failure.is_none());
    app.ends_clean().await;
}

#[tokio::test]
async fn what_was_delivered_before_the_worker_stopped_is_kept_and_charged() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.ask(CreateGenerationRequest { count: 3, ..wanted("a fox") }).await.expect("accepted");
    let job = worker.job().await;
    let image = job.store(0).await;
    ada.cancel(&created.name).await.expect("asked");
    assert!(job.conclude(vec![image], Ending::Cancelled(Cancelled {})).await);
    job.announce().await;
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!((ended.state(), ended.charge), (GenerationState::Succeeded, 5));
    assert_eq!(ended.failure.expect("why two are missing").reason, "CANCELLED");
    app.ends_clean().await;
}

#[tokio::test]
async fn a_cancelled_generation_is_not_tried_again() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let job = worker.job().await;
    ada.cancel(&created.name).await.expect("asked");
    job.report(retry(Charged::No, None)).await;
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!((ended.state(), ended.charge), (GenerationState::Cancelled, 0));
    assert!(ended.failure.is_none(), "it did not fail, it was cancelled");
    app.ends_clean().await;
}

#[tokio::test]
async fn a_cancellation_at_the_instant_of_a_retry_is_not_forgotten() {
    // So many failures would else shut the deployment.
    let app = App::with("share.in_flight = 8\nbreaker = { failures = 1000 }").await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    for _ in 0..20 {
        let created = ada.create("a fox").await;
        let job = worker.job().await;
        let (asked, ()) = tokio::join!(ada.cancel(&created.name), job.report(retry(Charged::No, None)));
        asked.expect("answered");
        assert_eq!(ada.sees_the_end(&created.name).await.state(), GenerationState::Cancelled);
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn a_retry_that_waits_is_cancelled_at_once() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let later = imagioo_types::Clock::now(&app.clock) + Duration::minutes(5);
    worker.job().await.report(retry(Charged::No, Some(later))).await;
    let cancelled = ada.cancel(&created.name).await.expect("cancelled");
    assert_eq!((cancelled.state(), cancelled.failure), (GenerationState::Cancelled, None));
    app.ends_clean().await;
}

#[tokio::test]
async fn what_has_ended_is_answered_unchanged() {
    let app = App::with("share.in_flight = 1").await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create_many(2).await;
    ada.cancel(&created[1].name).await.expect("cancelled");
    worker.work_off(1).await;
    for generation in &created {
        let before = ada.sees_the_end(&generation.name).await;
        assert_eq!(ada.cancel(&generation.name).await.expect("answered"), before);
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn who_takes_over_a_cancelled_generation_is_told_and_keeps_what_was_delivered() {
    let app = App::start().await;
    let (ada, mut one) = (app.user(), app.worker("w1").await);
    let created = ada.ask(CreateGenerationRequest { count: 2, ..wanted("a fox") }).await.expect("accepted");
    let silent = one.job().await;
    let image = silent.store(0).await;
    ada.cancel(&created.name).await.expect("asked");
    drop(one);
    let mut two = app.worker("w2").await;
    app.shift(Duration::seconds(31)).await;
    let job = two.job().await;
    assert!(job.job.cancel_requested, "before it buys anything");
    assert_eq!(job.renew().await, (true, true));
    assert!(job.conclude(vec![image], Ending::Cancelled(Cancelled {})).await);
    job.announce().await;
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!((ended.state(), ended.charge), (GenerationState::Succeeded, 5));
    app.ends_clean().await;
}

#[tokio::test]
async fn what_was_cancelled_and_nobody_took_over_is_cancelled_and_not_a_failure() {
    let app = App::with("retries.takeovers = 1").await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create_many(2).await;
    for _ in &created {
        let job = worker.job().await;
        ada.cancel(&job.job.generation).await.expect("asked");
    }
    app.shift(Duration::seconds(31)).await;
    let given_up = worker.job().await.job.generation;
    app.shift(Duration::seconds(31)).await;
    assert_eq!(ada.sees_the_end(&given_up).await.state(), GenerationState::Cancelled, "lost once too often");
    app.shift(Duration::hours(3)).await;
    for generation in &created {
        let ended = ada.sees_the_end(&generation.name).await;
        assert_eq!((ended.state(), ended.charge), (GenerationState::Cancelled, 0));
        assert!(ended.failure.is_none());
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn r49_a_call_broken_off_repeated_and_cancelled_twice_at_its_end_is_one_job_and_one_charge() {
    let app = App::with("share.in_flight = 8").await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    for round in 0..20 {
        let request_id = format!("round {round}");
        let call = || CreateGenerationRequest { request_id: request_id.clone(), ..wanted("a fox") };
        // A client that hangs up at some point of its call, and then asks again.
        let mut broken = Box::pin(ada.ask(call()));
        for _ in 0..round {
            if futures::poll!(broken.as_mut()).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(broken);
        let names = try_join_all((0..3).map(|_| ada.ask(call()))).await.expect("accepted");
        let name = names[0].name.as_str();
        assert!(names.iter().all(|found| found.name == name));

        let job = worker.job().await;
        assert_eq!(job.job.generation, name);
        assert!(job.conclude(vec![job.store(0).await], Ending::Complete(Complete {})).await);
        let (cancels, ()) = tokio::join!(join_all((0..2).map(|_| ada.cancel(name))), job.announce());
        assert!(cancels.iter().all(Result::is_ok), "{cancels:?}");
        let ended = ada.sees_the_end(name).await;
        assert_eq!((ended.state(), ended.charge), (GenerationState::Succeeded, 5), "it was delivered");
    }
    assert_eq!((app.billing.holds().len(), app.count().await), (20, 20));
    let holds = app.billing.holds();
    let settled = app.ends_clean().await;
    for hold in holds {
        assert_eq!(settled.of(&hold.generation), (5, 1));
    }
}

#[tokio::test]
async fn cancelled_and_started_at_the_same_instant_it_ends_once() {
    let app = App::with("share.in_flight = 8").await;
    let mut other = app.replica().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let there = ada.at(&other);
    for _ in 0..20 {
        let created = ada.create("a fox").await;
        let offer = worker.take().await;
        let (one, two, job) =
            tokio::join!(ada.cancel(&created.name), there.cancel(&created.name), worker.start(&offer));
        let (one, two) = (one.expect("answered"), two.expect("answered"));
        match job {
            None => assert_eq!(one.state(), GenerationState::Cancelled),
            Some(job) => {
                assert_eq!((one.state(), two.state()), (GenerationState::Running, GenerationState::Running));
                eventually("the renewal says so", async || job.renew().await == (true, true)).await;
                job.report(Ending::Cancelled(Cancelled {})).await;
            }
        }
        assert_eq!(ada.sees_the_end(&created.name).await.state(), GenerationState::Cancelled);
    }
    other.stop().await;
    app.ends_clean().await;
}

#[tokio::test]
async fn somebody_elses_generation_is_not_found_and_goes_on() {
    let app = App::start().await;
    let (ada, eve, mut worker) = (app.user(), app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    assert_eq!(eve.cancel(&created.name).await.expect_err("not hers").code(), Code::NotFound);
    worker.work_off(1).await;
    assert_eq!(ada.sees_the_end(&created.name).await.state(), GenerationState::Succeeded);
    app.ends_clean().await;
}
