//! Sign-up and the account itself.

use imagioo_proto::account::v1::AccountVerified;
use imagioo_queue::Subscription;
use imagioo_rpc::Code;

use crate::app::{App, PASSWORD, eventually};

#[tokio::test]
async fn a_person_signs_up_signs_in_and_sees_their_account() {
    let app = App::start().await;
    let signed_up = app.sign_up(" Ada@Example.com ".trim()).await;
    let user = signed_up.user.expect("a user");
    let session = app.sign_in(" aDA@example.COM ", PASSWORD).await.expect("signed in");
    let me = app.get_me(&session.access_token).await.expect("known");
    assert_eq!(me, user);
    assert_eq!(me.email, "Ada@Example.com");
    assert!(!me.email_verified);
    assert_ne!(session.name, signed_up.session.expect("a session").name);
}

#[tokio::test]
async fn a_new_account_is_announced_once_its_consumer_listens() {
    let app = App::start().await;
    let user = app.sign_up("ada@example.com").await.user.expect("a user");
    assert_eq!(app.outbox().await, 1, "nobody has taken it");
    let subscription = Subscription::queue("billing.account-verified", 1);
    let mut deliveries = app.queue.consume(subscription).await.expect("consumed");
    let delivery = deliveries.next().await.expect("announced");
    let event: AccountVerified = delivery.decode().expect("this event");
    assert_eq!(event.user, user.name);
    assert_eq!(event.verify_time, user.create_time);
    delivery.ack().await;
    eventually("the outbox is empty", async || app.outbox().await == 0).await;
}

#[tokio::test]
async fn concurrent_sign_ups_with_one_address_make_one_account() {
    let app = App::start().await;
    let spellings = ["ada@example.com", "ADA@example.com", "Ada@Example.Com", "adA@eXample.com"];
    let attempts = (0..12).map(|index| app.try_sign_up(spellings[index % spellings.len()], PASSWORD));
    let (created, refused): (Vec<_>, Vec<_>) =
        futures::future::join_all(attempts).await.into_iter().partition(Result::is_ok);
    assert_eq!(created.len(), 1);
    assert!(refused.into_iter().all(|error| error.expect_err("refused").code() == Code::EmailTaken));
    let counts: (i64, i64, i64) = sqlx::query_as(
        "select (select count(*) from account.users), (select count(*) from account.sessions),
                (select count(*) from account.outbox)",
    )
    .fetch_one(&app.pool)
    .await
    .expect("counted");
    assert_eq!(counts, (1, 1, 1));
}

#[tokio::test]
async fn s55_weak_passwords_are_refused_with_the_field_and_the_reason() {
    let app = App::start().await;
    for weak in ["Password123", "zzzzzzzzzz", "ada@example.com", "00000000"] {
        let error = app.try_sign_up("ada@example.com", weak).await.expect_err("weak");
        assert_eq!(error.code(), Code::PasswordTooWeak, "{weak}");
        assert_eq!(error.violations()[0].0, "password");
        assert!(!error.to_string().contains(weak), "the answer does not repeat it");
    }
    for (exact, other) in [
        ("  blanks around  ", "blanks around"),
        ("nul \0 inside", "nul "),
        ("caf\u{e9} au lait", "cafe\u{301} au lait"),
        ("🦊🐙🦉🐝🦋🐢🦀🐬", "🦊🐙🦉🐝🦋🐢🦀"),
    ] {
        let email = format!("p{}@example.com", exact.len());
        app.try_sign_up(&email, exact).await.expect("accepted");
        app.sign_in(&email, exact).await.expect("the exact bytes");
        let error = app.sign_in(&email, other).await.expect_err("other bytes");
        assert_eq!(error.code(), Code::WrongCredentials, "{exact}");
    }
}

#[tokio::test]
async fn text_that_is_no_address_is_a_bad_request_at_sign_up_and_nobody_at_sign_in() {
    let app = App::start().await;
    for address in ["nobody", "a@b@c", "a b@example.com", "nul\0@example.com", "@", "ö"] {
        let error = app.try_sign_up(address, PASSWORD).await.expect_err("no address");
        assert_eq!(error.code(), Code::InvalidArgument, "{address:?}");
        let error = app.sign_in(address, PASSWORD).await.expect_err("nobody");
        assert_eq!(error.code(), Code::WrongCredentials, "{address:?}");
    }
}

#[tokio::test]
async fn a_call_without_a_token_is_unauthenticated() {
    let app = App::start().await;
    let status = app.accounts.clone().get_me(imagioo_proto::account::v1::GetMeRequest {}).await;
    assert_eq!(imagioo_rpc::RpcError::from(status.expect_err("nobody")).code(), Code::Unauthenticated);
    let error = app.get_me("not.a.token").await.expect_err("nobody");
    assert_eq!(error.code(), Code::Unauthenticated);
}
