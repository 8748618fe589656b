//! What is kept of a key, and who sees what of it.

use imagioo_proto::generation::v1::{ProviderKeyState, Routing};
use imagioo_rpc::Code;
use imagioo_runtime::database::begin_as;
use sqlx::Row as _;

use super::running::routed;
use crate::harness::App;

const KEY: &str = "sk-live-0123456789-abcd";

#[tokio::test]
async fn a_key_is_sealed_in_every_column_and_shown_to_nobody() {
    let app = App::start().await;
    let (ada, eve) = (app.user(), app.user());
    let kept = ada.set_key("near", KEY).await.expect("set");
    assert_eq!((kept.name.as_str(), kept.provider.as_str()), ("providerKeys/near", "near"));
    assert_eq!((kept.hint.as_str(), kept.state()), ("abcd", ProviderKeyState::Active));
    let listed = ada.list_keys().await;
    assert_eq!(listed.provider_keys, [kept]);
    let offers: Vec<_> = listed.providers.iter().map(|one| (one.provider.as_str(), one.price)).collect();
    assert_eq!(offers, [("careful", 1), ("dear", 2), ("near", 2)]);
    assert_eq!(eve.list_keys().await.provider_keys, [], "another's");

    // The whole row as text, with the sealed bytes as they are and as hexadecimal digits.
    let row = sqlx::query("select k::text as row, sealed from generation.provider_keys k");
    let row = row.fetch_one(&app.pool).await.expect("one row");
    let (text, sealed): (String, Vec<u8>) = (row.get("row"), row.get("sealed"));
    assert!(!text.contains("sk-live") && !text.contains("0123456789"), "{text}");
    assert!(!sealed.windows(6).any(|bytes| KEY.as_bytes().windows(6).any(|part| part == bytes)));

    let mut request = begin_as(&app.pool, "imagioo_generation_user", ada.id).await.expect("begun");
    let read = sqlx::query("select sealed from generation.provider_keys").fetch_all(&mut *request).await;
    let code =
        read.expect_err("refused").as_database_error().and_then(|error| error.code().map(String::from));
    assert_eq!(code.as_deref(), Some("42501"), "a request of a user does not even see its own sealed key");
    drop(request);
    app.ends_clean().await;
}

#[tokio::test]
async fn the_same_key_is_sealed_differently_for_everybody_and_does_not_open_in_anothers_row() {
    let app = App::start().await;
    let (ada, eve) = (app.user(), app.user());
    for user in [&ada, &eve] {
        user.set_key("near", KEY).await.expect("set");
    }
    let distinct = app.number("select count(distinct sealed) from generation.provider_keys").await;
    assert_eq!(distinct, 2);
    // Somebody with a hand in the database puts Ada's key into Eve's row.
    sqlx::query(
        "update generation.provider_keys set sealed =
             (select sealed from generation.provider_keys where owner = $1) where owner = $2",
    )
    .bind(ada.id.uuid())
    .bind(eve.id.uuid())
    .execute(&app.pool)
    .await
    .expect("moved");
    let mut near = app.worker_for("near", "w1").await;
    let created = eve.ask(routed(Routing::default())).await.expect("accepted");
    let offer = near.take().await;
    assert!(near.start(&offer).await.is_none(), "no job on what is not hers");
    let ended = eve.sees_the_end(&created.name).await;
    assert_eq!(ended.failure.expect("a failure").reason, "OWN_KEY_UNREADABLE");
    app.ends_clean().await;
}

#[tokio::test]
async fn setting_a_key_again_replaces_it_and_deleting_it_leaves_nothing() {
    let app = App::start().await;
    let (ada, eve) = (app.user(), app.user());
    let first = ada.set_key("near", KEY).await.expect("set");
    eve.set_key("near", KEY).await.expect("set");
    let second = ada.set_key("near", "sk-live-0123456789-wxyz").await.expect("set again");
    assert_eq!((second.hint.as_str(), second.create_time), ("wxyz", first.create_time));
    assert_eq!(ada.list_keys().await.provider_keys, [second]);
    ada.delete_key("near").await.expect("deleted");
    assert_eq!(ada.list_keys().await.provider_keys, []);
    let gone = ada.delete_key("near").await.expect_err("gone");
    assert_eq!(gone.code(), Code::NotFound);
    assert_eq!(app.number("select count(*) from generation.provider_keys").await, 1, "Eve's is still there");
    app.ends_clean().await;
}

#[tokio::test]
async fn what_is_no_key_or_for_nobody_is_refused_without_being_repeated() {
    let app = App::start().await;
    let ada = app.user();
    for (provider, key, field) in [
        ("near", "short", "key"),
        ("near", "sk-live with a blank", "key"),
        ("near", "sk-live-0123\nx-injected: 1", "key"),
        ("far", KEY, "provider"),
        ("moon", KEY, "provider"),
    ] {
        let error = ada.set_key(provider, key).await.expect_err("refused");
        assert_eq!(error.code(), Code::InvalidArgument, "{provider} {key}");
        let told = format!("{error:?} {error}");
        assert_eq!(error.violations()[0].0, field, "{told}");
        assert!(!told.contains(key), "{told}");
    }
    let error = ada.set_key("moon", KEY).await.expect_err("refused");
    assert!(error.violations()[0].1.contains("careful, dear, near"), "{error:?}");
    app.ends_clean().await;
}
