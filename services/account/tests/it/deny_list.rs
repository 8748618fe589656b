//! The stream of revocations.

use std::time::Duration;

use imagioo_proto::account::v1::watch_revocations_response::Event;
use imagioo_proto::account::v1::{WatchRevocationsRequest, WatchRevocationsResponse, revocation::Subject};
use imagioo_types::SessionId;
use tonic::Streaming;

use crate::app::{App, PASSWORD, user_id};

#[tokio::test]
async fn a_watcher_gets_a_snapshot_then_changes_and_a_beat_every_second() {
    let app = App::start().await;
    let first = app.person("ada@example.com").await;
    app.sign_out(&first.refresh_token).await.expect("signed out");
    let mut early = watch(&app).await;
    let snapshot = until_snapshot_with(&app, &first.name).await;
    assert!(matches!(next(&mut early).await, Event::Snapshot(_)), "always the first event");
    assert_eq!(snapshot.len(), 1);

    let second = app.sign_in("ada@example.com", PASSWORD).await.expect("signed in");
    app.sign_out(&second.refresh_token).await.expect("signed out");
    loop {
        match next(&mut early).await {
            Event::Revocation(change) if change.subject == Some(Subject::Session(second.name.clone())) => {
                break;
            }
            Event::Revocation(_) | Event::Heartbeat(_) => {}
            Event::Snapshot(_) => panic!("a second snapshot"),
        }
    }
    for _ in 0..3 {
        assert!(matches!(next(&mut early).await, Event::Heartbeat(_)));
    }
}

#[tokio::test]
async fn s60_a_slow_transaction_hides_no_revocation() {
    let app = App::start().await;
    let signed_up = app.sign_up("ada@example.com").await;
    let (user, session) = (signed_up.user.expect("a user"), signed_up.session.expect("a session"));
    let mut events = watch(&app).await;
    assert!(matches!(next(&mut events).await, Event::Snapshot(_)));

    let slow = SessionId::generate();
    let mut transaction = imagioo_runtime::database::begin(&app.pool).await.expect("begun");
    sqlx::query(
        "insert into account.revocations (owner, kind, subject, expires_at)
         values ($1, 'session', $2, account.clock_now() + interval '5 minutes')",
    )
    .bind(user_id(&user).uuid())
    .bind(slow.uuid())
    .execute(&mut *transaction)
    .await
    .expect("inserted");
    let (signed_out, ()) = tokio::join!(app.sign_out(&session.refresh_token), async {
        for _ in 0..3 {
            let event = next(&mut events).await;
            assert!(matches!(event, Event::Heartbeat(_)), "later numbers wait for the earlier one");
        }
        transaction.commit().await.expect("committed");
    });
    signed_out.expect("signed out");
    let mut told = Vec::new();
    while told.len() < 2 {
        if let Event::Revocation(change) = next(&mut events).await {
            told.extend(change.subject);
        }
    }
    assert_eq!(told, [Subject::Session(slow.name()), Subject::Session(session.name)]);
}

#[tokio::test]
async fn a_revocation_is_forgotten_when_no_token_can_contradict_it() {
    let app = App::start().await;
    let session = app.person("ada@example.com").await;
    app.sign_out(&session.refresh_token).await.expect("signed out");
    let seconds: f64 = sqlx::query_scalar(
        "select extract(epoch from expires_at - revoked_at)::float8 from account.revocations",
    )
    .fetch_one(&app.pool)
    .await
    .expect("one revocation");
    assert!((330.0..600.0).contains(&seconds), "life of a token and the clocks' difference: {seconds}");
}

async fn watch(app: &App) -> Streaming<WatchRevocationsResponse> {
    let stream = app.identity.clone().watch_revocations(WatchRevocationsRequest {}).await;
    stream.expect("a stream").into_inner()
}

/// The next event; the service promises one every second.
async fn next(events: &mut Streaming<WatchRevocationsResponse>) -> Event {
    let message = tokio::time::timeout(Duration::from_secs(10), events.message()).await;
    message.expect("a beat in time").expect("a live stream").expect("no end").event.expect("an event")
}

/// Snapshots of new watchers until one lists this session.
async fn until_snapshot_with(app: &App, session: &str) -> Vec<Subject> {
    loop {
        let Event::Snapshot(snapshot) = next(&mut watch(app).await).await else {
            panic!("the first event is a snapshot");
        };
        let subjects: Vec<_> = snapshot.revocations.into_iter().filter_map(|one| one.subject).collect();
        if subjects.contains(&Subject::Session(session.into())) {
            return subjects;
        }
    }
}

#[tokio::test]
async fn a_shutdown_ends_the_streams_of_watchers_and_drains() {
    let app = App::start().await;
    let mut events = watch(&app).await;
    next(&mut events).await;
    app.shutdown.request();
    app.shutdown.drained().await;
    assert!(!app.shutdown.is_forced(), "nothing had to be dropped");
}
