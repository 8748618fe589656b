//! Sign-in: equal answers, slowed guesses, upgraded hashes.

use std::time::{Duration, Instant};

use argon2::password_hash::PasswordHasher as _;
use argon2::{Algorithm, Argon2, Params, Version};
use imagioo_proto::account::v1::SignInRequest;
use imagioo_rpc::{Code, RpcError};
use tonic::Status;

use crate::app::{App, PASSWORD};

#[tokio::test]
async fn s57_a_wrong_password_and_an_unknown_address_get_the_same_answer() {
    let app = App::start().await;
    app.person("ada@example.com").await;
    let known = refusal(&app, "ada@example.com").await;
    let unknown = refusal(&app, "bob@example.com").await;
    assert_eq!(RpcError::from(known.clone()).code(), Code::WrongCredentials);
    assert_eq!((known.code(), known.message()), (unknown.code(), unknown.message()));
    assert_eq!(known.details(), unknown.details());
    let names = |status: &Status| {
        let headers = status.metadata().clone().into_headers();
        headers.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&known), names(&unknown));
}

#[tokio::test]
async fn s58_guesses_at_one_address_are_slowed_known_or_not_and_never_lock_it() {
    let app = App::start_with(toml::toml! {
        [sign_in]
        free_attempts = 3
        first_delay_seconds = 100
        longest_delay_seconds = 800
    })
    .await;
    app.person("ada@example.com").await;
    app.person("eve@example.com").await;
    for address in ["ada@example.com", "bob@example.com"] {
        for _ in 0..4 {
            let error = app.sign_in(address, "a wrong password").await.expect_err("wrong");
            assert_eq!(error.code(), Code::WrongCredentials, "{address}");
        }
        let error = app.sign_in(&address.to_uppercase(), PASSWORD).await.expect_err("slowed");
        assert_eq!(error.code(), Code::RateLimited, "{address}");
        let delay = error.delay().expect("says when");
        assert!(delay <= Duration::from_secs(100), "{delay:?}");
    }
    app.sign_in("eve@example.com", PASSWORD).await.expect("other addresses are not concerned");

    for expected in [200, 400, 800, 800] {
        app.advance_clock(Duration::from_secs(800)).await;
        app.sign_in("ada@example.com", "a wrong password").await.expect_err("wrong");
        let error = app.sign_in("ada@example.com", "a wrong password").await.expect_err("slowed");
        let delay = error.delay().expect("says when").as_secs();
        assert!((expected - 60..=expected).contains(&delay), "{delay} instead of {expected}");
    }
    app.advance_clock(Duration::from_secs(800)).await;
    app.sign_in("ada@example.com", PASSWORD).await.expect("the owner is let in");
    for _ in 0..3 {
        let error = app.sign_in("ada@example.com", "a wrong password").await.expect_err("wrong");
        assert_eq!(error.code(), Code::WrongCredentials, "counting began anew");
    }
}

#[tokio::test]
async fn s58_parallel_guesses_do_not_slip_past_the_count() {
    let app =
        App::start_with(toml::toml! { sign_in = { free_attempts = 3, first_delay_seconds = 30 } }).await;
    let guesses = (0..20).map(|_| app.sign_in("ada@example.com", "a wrong password"));
    let answers = futures::future::join_all(guesses).await;
    let looked_at = answers
        .into_iter()
        .filter(|answer| answer.as_ref().is_err_and(|error| error.code() == Code::WrongCredentials))
        .count();
    assert_eq!(looked_at, 4, "three free ones and the one that earned the delay");
}

#[tokio::test]
async fn s55_an_older_hash_is_upgraded_by_signing_in() {
    let app = App::start().await;
    app.person("ada@example.com").await;
    let weak = Params::new(8_192, 1, 1, None).expect("valid parameters");
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, weak);
    let hash = argon.hash_password(PASSWORD.as_bytes()).expect("hashed").to_string();
    store_hash(&app, &hash).await;

    app.sign_in("ada@example.com", "a wrong password").await.expect_err("wrong");
    assert_eq!(stored_hash(&app).await, hash, "a wrong password upgrades nothing");
    app.sign_in("ada@example.com", PASSWORD).await.expect("signed in");
    let upgraded = stored_hash(&app).await;
    assert!(upgraded.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{upgraded}");
    app.sign_in("ada@example.com", PASSWORD).await.expect("still the password");
    assert_eq!(stored_hash(&app).await, upgraded, "upgraded once");
}

#[tokio::test]
async fn s56_a_crafted_hash_in_the_database_costs_nothing() {
    let app = App::start().await;
    app.person("ada@example.com").await;
    let honest = stored_hash(&app).await;
    for crafted in ["m=8388608", "m=4294967295"] {
        store_hash(&app, &honest.replace("m=19456", crafted)).await;
        let started = Instant::now();
        let error = app.sign_in("ada@example.com", PASSWORD).await.expect_err("refused");
        assert_eq!(error.code(), Code::Internal);
        assert!(!error.to_string().contains("hash"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}

async fn refusal(app: &App, email: &str) -> Status {
    let request = SignInRequest { email: email.into(), password: "a wrong password".into() };
    app.accounts.clone().sign_in(request).await.expect_err("refused")
}

async fn store_hash(app: &App, hash: &str) {
    sqlx::query("update account.users set password_hash = $1")
        .bind(hash)
        .execute(&app.pool)
        .await
        .expect("stored");
}

async fn stored_hash(app: &App) -> String {
    let hash = sqlx::query_scalar("select password_hash from account.users");
    hash.fetch_one(&app.pool).await.expect("one person")
}
