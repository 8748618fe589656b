//! What the service writes about its work.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

use crate::app::{App, PASSWORD};

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn s79_neither_address_nor_password_nor_token_reaches_the_log() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(log.clone());
    tracing::subscriber::set_global_default(subscriber.finish()).expect("the first one");

    let app = App::start().await;
    let session = app.person("log.canary@example.com").await;
    let user = app.get_me(&session.access_token).await.expect("known").name;
    app.try_sign_up("log.canary@example.com", "canary password").await.expect_err("taken");
    app.try_sign_up("log.canary.example.com", "canary password").await.expect_err("no address");
    app.sign_in("log.canary@example.com", "canary password").await.expect_err("wrong");
    app.sign_in("log.canary@example.com", PASSWORD).await.expect("right");
    let next = app.refresh(&session.refresh_token).await.expect("refreshed");
    let key = app.create_key(&next.access_token).await.expect("created");
    let access = app.exchange(&key.secret).await.expect("exchanged");
    app.exchange(&key.secret[1..]).await.expect_err("damaged");
    app.refresh(&session.refresh_token).await.expect_err("reused");
    app.get_me(&format!("{access}x")).await.expect_err("damaged");
    sqlx::query("update account.users set password_hash = $1")
        .bind("canary password")
        .execute(&app.pool)
        .await
        .expect("stored");
    app.sign_in("log.canary@example.com", PASSWORD).await.expect_err("an internal error");

    let text = String::from_utf8(log.0.lock().unwrap_or_else(PoisonError::into_inner).clone());
    let text = text.expect("text");
    let id = user.strip_prefix("users/").expect("a user name");
    assert!(text.contains(id) && text.contains("refresh token used twice"), "it was logged at all");
    let refresh: Vec<_> = session.refresh_token.split('_').collect();
    for secret in [
        "log.canary",
        "canary password",
        PASSWORD,
        &session.access_token,
        refresh[2],
        refresh[3],
        &key.secret[45..],
        &access,
    ] {
        let line = text.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{line:?}");
    }
}
