//! Sessions: refresh, reuse, limits, sign-out.

use std::time::Duration;

use imagioo_rpc::Code;

use crate::app::{App, PASSWORD, eventually};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn each_refresh_replaces_the_token_and_keeps_the_session() {
    let app = App::start().await;
    let mut session = app.person("ada@example.com").await;
    for _ in 0..3 {
        let next = app.refresh(&session.refresh_token).await.expect("refreshed");
        assert_eq!(next.name, session.name);
        assert_ne!(next.refresh_token, session.refresh_token);
        app.get_me(&next.access_token).await.expect("signed in");
        session = next;
    }
}

#[tokio::test]
async fn s59_a_refresh_token_used_twice_ends_its_session_however_old_it_is() {
    let app = App::start().await;
    let first = app.person("ada@example.com").await;
    let second = app.refresh(&first.refresh_token).await.expect("refreshed");
    let third = app.refresh(&second.refresh_token).await.expect("refreshed");
    let bystander = app.sign_in("ada@example.com", PASSWORD).await.expect("another session");

    let reused = app.refresh(&first.refresh_token).await.expect_err("spent two refreshes ago");
    assert_eq!(reused.code(), Code::Unauthenticated);
    let ended = app.refresh(&third.refresh_token).await.expect_err("the session is over");
    assert_eq!(ended.to_string(), reused.to_string(), "the answer does not tell why");
    eventually("its access token is refused", async || {
        app.get_me(&third.access_token).await.is_err_and(|error| error.code() == Code::TokenRevoked)
    })
    .await;
    app.refresh(&bystander.refresh_token).await.expect("other sessions go on");
    let cause: Option<String> =
        sqlx::query_scalar("select end_cause from account.sessions where ended_at is not null")
            .fetch_one(&app.pool)
            .await
            .expect("one ended session");
    assert_eq!(cause.as_deref(), Some("token_reused"));
}

#[tokio::test]
async fn of_concurrent_refreshes_with_one_token_at_most_one_succeeds() {
    let app = App::start().await;
    let session = app.person("ada@example.com").await;
    let attempts = (0..8).map(|_| app.refresh(&session.refresh_token));
    let answers = futures::future::join_all(attempts).await;
    let succeeded: Vec<_> = answers.into_iter().flatten().collect();
    assert_eq!(succeeded.len(), 1);
    app.refresh(&succeeded[0].refresh_token).await.expect_err("the reuse ended the session");
}

#[tokio::test]
async fn a_session_id_alone_neither_refreshes_nor_ends_a_session() {
    let app = App::start().await;
    let ada = app.person("ada@example.com").await;
    let eve = app.person("eve@example.com").await;
    let (ada_parts, eve_parts) = (split(&ada.refresh_token), split(&eve.refresh_token));
    let forged = [ada_parts[0], ada_parts[1], eve_parts[2], eve_parts[3]].join("_");
    let error = app.refresh(&forged).await.expect_err("forged");
    assert_eq!(error.code(), Code::Unauthenticated);
    let error = app.sign_out(&forged).await.expect_err("forged");
    assert_eq!(error.code(), Code::Unauthenticated);
    app.refresh(&ada.refresh_token).await.expect("untouched");
}

#[tokio::test]
async fn s60_signing_out_ends_the_session_and_repeating_it_changes_nothing() {
    let app = App::start().await;
    let session = app.person("ada@example.com").await;
    app.get_me(&session.access_token).await.expect("signed in");
    app.sign_out(&session.refresh_token).await.expect("signed out");
    app.sign_out(&session.refresh_token).await.expect("still signed out");
    app.refresh(&session.refresh_token).await.expect_err("over");
    eventually("the access token is refused", async || {
        app.get_me(&session.access_token).await.is_err_and(|error| error.code() == Code::TokenRevoked)
    })
    .await;
    app.sign_out("imr_nonsense").await.expect_err("no token of ours");
}

#[tokio::test]
async fn a_session_ends_when_it_idles_and_in_any_case_after_its_longest_life() {
    let app = App::start_with(toml::toml! { sessions = { idle_hours = 10, longest_hours = 24 } }).await;
    let idle = app.person("ada@example.com").await;
    let busy = app.sign_in("ada@example.com", PASSWORD).await.expect("signed in");
    app.advance_clock(9 * HOUR).await;
    let busy = app.refresh(&busy.refresh_token).await.expect("within the idle limit");
    app.advance_clock(2 * HOUR).await;
    app.refresh(&idle.refresh_token).await.expect_err("idle for too long");
    app.advance_clock(7 * HOUR).await;
    let busy = app.refresh(&busy.refresh_token).await.expect("refreshed in time");
    app.advance_clock(6 * HOUR + Duration::from_secs(60)).await;
    app.refresh(&busy.refresh_token).await.expect_err("lived long enough");
}

#[tokio::test]
async fn ended_sessions_old_attempts_and_old_revocations_are_swept() {
    let app = App::start_with(toml::toml! { sweeper = { every_seconds = 1 } }).await;
    let ended = app.person("ada@example.com").await;
    app.sign_out(&ended.refresh_token).await.expect("signed out");
    app.sign_in("nobody@example.com", PASSWORD).await.expect_err("unknown");
    app.advance_clock(29 * 24 * HOUR).await;
    let kept = app.sign_in("ada@example.com", PASSWORD).await.expect("a younger session");
    app.advance_clock(2 * 24 * HOUR).await;
    eventually("only what is alive remains", async || {
        let counts: (i64, i64, i64) = sqlx::query_as(
            "select (select count(*) from account.sessions), (select count(*) from account.revocations),
                    (select count(*) from account.sign_in_attempts)",
        )
        .fetch_one(&app.pool)
        .await
        .expect("counted");
        counts == (1, 0, 0)
    })
    .await;
    app.refresh(&kept.refresh_token).await.expect("untouched");
}

fn split(token: &str) -> Vec<&str> {
    token.split('_').collect()
}
