//! Following everything that a user has: what is open, then every change, from any replica, across lost connections.

use imagioo_proto::generation::v1::{GenerationState, WatchGenerationRequest};
use imagioo_queue::Queue;
use imagioo_rpc::Code;

use crate::harness::{App, Gateway, wanted, within};

use GenerationState::{Dispatched, Queued, Running, Succeeded};

#[tokio::test]
async fn a_watch_of_everything_begins_with_what_is_open_and_tells_every_change_of_ones_own() {
    let app = App::start().await;
    let (ada, eve) = (app.user(), app.user());
    let mut worker = app.worker("w1").await;
    let past = ada.create("a past fox").await;
    worker.work_off(1).await;
    ada.sees_the_end(&past.name).await;
    let (open, foreign) = (ada.create("an open fox").await, eve.create("eve's").await);
    let mut watching = ada.watch_all("").await;
    watching.until_a_cursor().await;
    assert_eq!(watching.shown.keys().collect::<Vec<_>>(), [&open.name]);
    let new = ada.create("a new fox").await;
    worker.work_off(3).await;
    for name in [&open.name, &new.name] {
        let ended = watching.until_state(name, Succeeded).await;
        assert_eq!(ended.images.len(), 1);
        assert_eq!(&ended, &ada.get(name).await.expect("hers"));
    }
    assert!(!watching.shown.contains_key(&foreign.name) && !watching.shown.contains_key(&past.name));
    app.ends_clean().await;
}

#[tokio::test]
async fn who_comes_back_with_a_cursor_misses_no_ending_even_at_another_replica() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let other = app.replica().await;
    let (before, meanwhile) = (ada.create("a fox").await, ada.create("a wolf").await);
    let mut watching = ada.watch_all("").await;
    worker.work_off(1).await;
    watching.until_state(&before.name, Succeeded).await;
    watching.until_a_cursor().await;
    let cursor = watching.cursor.clone();
    drop(watching);
    worker.work_off(1).await;
    ada.sees_the_end(&meanwhile.name).await;

    let mut again = ada.at(&other).watch_all(&cursor).await;
    again.until_state(&meanwhile.name, Succeeded).await;
    let mut anew = ada.watch_all("").await;
    anew.until_a_cursor().await;
    assert!(anew.shown.is_empty(), "nothing is open: {:?}", anew.shown);
    app.ends_clean().await;
}

#[tokio::test]
async fn progress_and_pictures_reach_a_watcher_of_everything_at_another_replica() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let other = app.replica().await;
    let created = ada.create("a fox").await;
    let mut watching = ada.at(&other).watch_all("").await;
    let job = worker.job().await;
    watching.until_state(&created.name, Running).await;
    job.progress(40, Some(b"half a fox")).await;
    let shown =
        watching.until(&created.name, |shown| shown.progress.as_ref().is_some_and(|it| it.percent == 40));
    shown.await;
    let preview = loop {
        if let Some(preview) = watching.next().await.expect("no error").preview {
            break preview;
        }
    };
    assert_eq!(preview.generation, created.name);
    assert_eq!(&preview.preview.expect("a picture").data[..], b"half a fox");
    job.deliver_all().await;
    watching.until_state(&created.name, Succeeded).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn a_replica_that_hears_no_hints_tells_every_change_all_the_same() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let lonely = Queue::in_process();
    app.billing.listen(&lonely).await;
    let mut deaf = Gateway::start(app.config.clone(), &lonely, &app.cache, &app.storage, &app.clock).await;
    deaf.serves(&app.user()).await;
    let mut watching = ada.at(&deaf).watch_all("").await;
    let created = ada.create("a fox").await;
    let job = worker.job().await;
    watching.until_state(&created.name, Running).await;
    job.deliver_all().await;
    watching.until_state(&created.name, Succeeded).await;
    deaf.stop().await;
    app.billing.listen(&app.queue).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn a_watch_of_everything_shows_nothing_more_to_who_was_signed_out() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let mut watching = ada.watch_all("").await;
    watching.until_state(&created.name, Dispatched).await;
    app.account.revoke_session(ada.session);
    ada.until_refused().await;
    worker.work_off(1).await;
    let refusal = within("the end of the stream", async {
        loop {
            match watching.next().await {
                Ok(step) => assert!(step.generation.is_none(), "shown to nobody: {step:?}"),
                Err(refusal) => return refusal,
            }
        }
    });
    assert_eq!(refusal.await.code(), Code::TokenRevoked);
    app.signed_in_again(&ada).sees_the_end(&created.name).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn a_watch_goes_on_from_the_version_that_was_seen() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let job = worker.job().await;
    let running = ada.sees(&created.name, Running).await;
    let since = |after_version| {
        let request = ada.says(WatchGenerationRequest { name: created.name.clone(), after_version });
        let mut generations = ada.generations();
        async move {
            within("an answer", generations.watch_generation(request)).await.expect("watched").into_inner()
        }
    };
    let mut late = since(running.version).await;
    job.deliver_all().await;
    let shown = within("a change", async {
        loop {
            let step = late.message().await.expect("no error").expect("more to come");
            if let Some(generation) = step.generation {
                return generation;
            }
        }
    });
    let ended = shown.await;
    assert_eq!(ended.state(), Succeeded);
    let mut after_the_end = since(ended.version).await;
    assert_eq!(within("the end", after_the_end.message()).await.expect("no error"), None);
    app.ends_clean().await;
}

#[tokio::test]
async fn who_watches_too_much_is_refused_until_a_stream_ends_and_a_cursor_of_nobody_is() {
    let app = App::with("watches.per_user = 2").await;
    let (ada, eve) = (app.user(), app.user());
    let error = ada.try_watch_all("no cursor").await.err().expect("refused");
    assert_eq!((error.code(), error.violations()[0].0.as_str()), (Code::InvalidArgument, "cursor"));
    let (first, second) = (ada.watch_all("").await, ada.watch_all("").await);
    let error = ada.try_watch_all("").await.err().expect("too many");
    assert_eq!(error.code(), Code::TooManyWatches);
    eve.watch_all("").await;
    drop(first);
    crate::harness::eventually("a place is free", async || ada.try_watch_all("").await.is_ok()).await;
    drop(second);
    app.ends_clean().await;
}

#[tokio::test]
async fn a_watcher_is_told_of_a_new_position_although_nothing_else_changed() {
    let app = App::with("share.in_flight = 1").await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let mut last = None;
    for _ in 0..4 {
        last = Some(ada.ask(wanted("a fox")).await.expect("accepted"));
    }
    let last = last.expect("four");
    let (mut one, mut all) = (ada.watch(&last.name).await, ada.watch_all("").await);
    assert_eq!(one.change().await.queue_position, Some(2));
    assert_eq!(all.until_state(&last.name, Queued).await.queue_position, Some(2));
    worker.work_off(1).await;
    let moved = one.change().await;
    assert_eq!((moved.state(), moved.version, moved.queue_position), (Queued, last.version, Some(1)));
    all.until(&last.name, |shown| shown.queue_position == Some(1)).await;
    worker.work_off(3).await;
    one.until_the_end().await;
    app.ends_clean().await;
}
