//! Prompts are screened before anything is held, queued or sent (s85).

pub(crate) mod endpoint;
mod lists;

use imagioo_rpc::{Code, RpcError};

use crate::harness::App;

/// What a blocked call says, and that it left nothing behind.
async fn assert_blocked(app: &App, error: &RpcError, screen: &str, (categories, fields): (&str, &[&str])) {
    assert_eq!(error.code(), Code::ContentPolicy, "{error}");
    let details = error.details();
    let told = ["stage", "screen", "categories"].map(|key| details[key].as_str());
    assert_eq!(told, ["input", screen, categories], "{error}");
    let named: Vec<_> = error.violations().iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(named, fields, "{error}");
    assert!(error.message().contains("change it"), "{error}");
    assert_eq!(error.delay(), None, "the same words will not pass later");
    assert_untouched(app).await;
}

/// Nothing is held, and there is no generation.
async fn assert_untouched(app: &App) {
    assert_eq!((app.billing.calls(), app.count().await), (0, 0));
    assert_eq!(app.number("select count(*) from generation.backlog").await, 0);
}
