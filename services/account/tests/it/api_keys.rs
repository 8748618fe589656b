//! API keys.

use std::time::Duration;

use imagioo_proto::account::v1::{
    CreateApiKeyRequest, CreateApiKeyResponse, ListApiKeysRequest, ListApiKeysResponse,
};
use imagioo_rpc::{Code, Effect, RpcError};
use imagioo_types::{ApiKeyId, Clock as _, SystemClock};
use prost_types::Timestamp;
use time::OffsetDateTime;

use crate::app::{App, authorised, eventually};

#[tokio::test]
async fn s67_a_key_works_until_it_is_revoked_and_then_nowhere() {
    let app = App::start().await;
    let session = app.person("ada@example.com").await;
    let me = app.get_me(&session.access_token).await.expect("known");
    let created = app.create_key(&session.access_token).await.expect("created");
    let key = created.api_key.expect("a key");
    assert!(created.secret.starts_with(&key.prefix) && created.secret.starts_with("img_live_"));

    let token = app.exchange(&created.secret).await.expect("exchanged");
    assert_eq!(app.get_me(&token).await.expect("the key's owner"), me);
    let elsewhere = app.verifier();
    elsewhere.ready().await;
    elsewhere.verify(&token, Effect::Change).await.expect("accepted elsewhere");

    app.revoke_key(&session.access_token, &key.name).await.expect("revoked");
    app.revoke_key(&session.access_token, &key.name).await.expect("repeating it changes nothing");
    let refused = app.exchange(&created.secret).await.expect_err("revoked");
    assert_eq!(refused.code(), Code::ApiKeyInvalid);
    eventually("its token is refused here", async || {
        app.get_me(&token).await.is_err_and(|error| error.code() == Code::TokenRevoked)
    })
    .await;
    eventually("its token is refused elsewhere", async || {
        let verdict = elsewhere.verify(&token, Effect::Read).await;
        verdict.is_err_and(|error| error.code() == Code::TokenRevoked)
    })
    .await;
    app.get_me(&session.access_token).await.expect("the session is not the key");
}

#[tokio::test]
async fn a_wrong_key_is_refused_whatever_is_wrong_with_it() {
    let app = App::start().await;
    let session = app.person("ada@example.com").await;
    let secret = app.create_key(&session.access_token).await.expect("created").secret;
    let other = app.create_key(&session.access_token).await.expect("created").secret;
    let swapped = format!("{}{}", &secret[..42], &other[42..]);
    let answers = [
        app.exchange("img_live_nonsense").await,
        app.exchange(&secret[..secret.len() - 1]).await,
        app.exchange(&secret.to_uppercase()).await,
        app.exchange(&swapped).await,
        app.exchange(&format!("{secret} ")).await,
    ];
    for answer in answers {
        let error = answer.expect_err("refused");
        assert_eq!(error.code(), Code::ApiKeyInvalid);
        assert!(!error.to_string().contains("img_live"));
    }
}

#[tokio::test]
async fn an_expiring_key_bounds_its_tokens_and_ends_on_time() {
    let app = App::start().await;
    let session = app.person("ada@example.com").await;
    let end = SystemClock.now() + Duration::from_secs(60);
    let created = create(&app, &session.access_token, "CI", Some(end)).await.expect("created");
    let token = app.exchange(&created.secret).await.expect("it works");
    let identity = app.verifier().verify(&token, Effect::Read).await.expect("valid");
    assert!(identity.expires_at <= end, "{} after {end}", identity.expires_at);
    app.advance_clock(Duration::from_secs(61)).await;
    let error = app.exchange(&created.secret).await.expect_err("over");
    assert_eq!(error.code(), Code::ApiKeyInvalid);
}

#[tokio::test]
async fn a_key_needs_a_name_that_can_be_stored_and_an_end_in_the_future() {
    let app = App::start().await;
    let session = app.person("ada@example.com").await;
    let now = SystemClock.now();
    for (name, end, field) in [
        ("", None, "display_name"),
        ("nul \0", None, "display_name"),
        ("late", Some(now - Duration::from_secs(5)), "expire_time"),
    ] {
        let error = create(&app, &session.access_token, name, end).await.expect_err("refused");
        assert_eq!((error.code(), error.violations()[0].0.as_str()), (Code::InvalidArgument, field));
    }
    let message = CreateApiKeyRequest {
        display_name: "never".into(),
        expire_time: Some(Timestamp { seconds: i64::MAX, nanos: -1 }),
    };
    let request = authorised(&session.access_token, message);
    let status = app.accounts.clone().create_api_key(request).await.expect_err("no instant");
    assert_eq!(RpcError::from(status).code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_key_cannot_create_another_one() {
    let app = App::start().await;
    let session = app.person("ada@example.com").await;
    let secret = app.create_key(&session.access_token).await.expect("created").secret;
    let token = app.exchange(&secret).await.expect("exchanged");
    let error = app.create_key(&token).await.expect_err("a stolen key must not multiply");
    assert_eq!(error.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn keys_are_listed_newest_first_page_by_page_without_their_secrets() {
    let app = App::start().await;
    let session = app.person("ada@example.com").await;
    let mut names = Vec::new();
    for _ in 0..5 {
        let created = app.create_key(&session.access_token).await.expect("created");
        names.push(created.api_key.expect("a key").name);
    }
    names.reverse();
    let (mut listed, mut token, mut sizes) = (Vec::new(), String::new(), Vec::new());
    loop {
        let page = list(&app, &session.access_token, 2, &token).await.expect("listed");
        sizes.push(page.api_keys.len());
        listed.extend(page.api_keys.into_iter().map(|key| key.name));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(listed, names);
    assert_eq!(sizes, [2, 2, 1]);
    let all = list(&app, &session.access_token, 5, "").await.expect("listed");
    assert!(all.next_page_token.is_empty(), "a full last page is the last");
    let error = list(&app, &session.access_token, 2, "garbage").await.expect_err("refused");
    assert_eq!(error.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn the_last_use_is_noted_to_the_minute_and_written_once_a_minute() {
    let app = App::start().await;
    let session = app.person("ada@example.com").await;
    let secret = app.create_key(&session.access_token).await.expect("created").secret;
    let mut versions = Vec::new();
    for shift in [0, 0, 0, 60, 0] {
        app.advance_clock(Duration::from_secs(shift)).await;
        app.exchange(&secret).await.expect("exchanged");
        let version = sqlx::query_scalar::<_, String>("select xmin::text from account.api_keys");
        versions.push(version.fetch_one(&app.pool).await.expect("one key"));
    }
    versions.dedup();
    assert!((2..=3).contains(&versions.len()), "{versions:?}, 3 if the test crossed a minute");
    let listed = list(&app, &session.access_token, 0, "").await.expect("listed").api_keys;
    assert_eq!(listed[0].last_use_time.expect("used").seconds % 60, 0);
}

#[tokio::test]
async fn s68_the_key_of_another_person_answers_like_one_that_never_was() {
    let app = App::start().await;
    let ada = app.person("ada@example.com").await;
    let eve = app.person("eve@example.com").await;
    let key = app.create_key(&ada.access_token).await.expect("created").api_key.expect("a key");
    let foreign = app.revoke_key(&eve.access_token, &key.name).await.expect_err("not hers");
    let unknown = ApiKeyId::generate().name();
    let unknown = app.revoke_key(&eve.access_token, &unknown).await.expect_err("nobody's");
    let malformed = app.revoke_key(&eve.access_token, "apiKeys/1").await.expect_err("no name");
    assert_eq!(foreign.code(), Code::NotFound);
    assert_eq!(foreign.to_string(), unknown.to_string());
    assert_eq!(foreign.to_string(), malformed.to_string());
    assert!(list(&app, &eve.access_token, 0, "").await.expect("listed").api_keys.is_empty());
}

async fn create(
    app: &App,
    access_token: &str,
    display_name: &str,
    end: Option<OffsetDateTime>,
) -> Result<CreateApiKeyResponse, RpcError> {
    let expire_time = end.map(|end| Timestamp { seconds: end.unix_timestamp(), nanos: 0 });
    let message = CreateApiKeyRequest { display_name: display_name.into(), expire_time };
    Ok(app.accounts.clone().create_api_key(authorised(access_token, message)).await?.into_inner())
}

async fn list(
    app: &App,
    access_token: &str,
    page_size: i32,
    page_token: &str,
) -> Result<ListApiKeysResponse, RpcError> {
    let message = ListApiKeysRequest { page_size, page_token: page_token.into() };
    Ok(app.accounts.clone().list_api_keys(authorised(access_token, message)).await?.into_inner())
}
