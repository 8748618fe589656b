//! Keys that a provider does not take.

use imagioo_proto::generation::v1::{
    DeploymentState, GenerationState, KeySource, ProviderKey, ProviderKeyState, Routing,
};
use imagioo_proto::jobs::v1::Charged;
use imagioo_rpc::Code;

use super::running::routed;
use crate::harness::{App, User, eventually, failed, passing};

const KEY: &str = "sk-of-ada-0123456789";

async fn key(user: &User) -> ProviderKey {
    user.list_keys().await.provider_keys.remove(0)
}

async fn standing(user: &User, deployment: &str) -> DeploymentState {
    let models = user.list_models().await.models;
    let found = models.into_iter().flat_map(|model| model.deployments).find(|found| found.id == deployment);
    found.expect("in the catalogue").state()
}

fn anywhere() -> Routing {
    Routing { regions: vec!["eu".to_owned(), "us".to_owned()], fallback: true, dearer: true, key_source: 0 }
}

#[tokio::test]
async fn a_refused_key_ends_the_generation_uncharged_and_is_not_used_again_until_it_is_set_anew() {
    let app = App::start().await;
    let (ada, mut near) = (app.user(), app.worker_for("near", "w1").await);
    for (reason, noted) in [("OWN_KEY_REFUSED", "REFUSED"), ("OWN_KEY_EXHAUSTED", "EXHAUSTED")] {
        let set = ada.set_key("near", KEY).await.expect("set");
        assert_eq!((set.state(), set.reject_reason.as_str()), (ProviderKeyState::Active, ""));
        let created = ada.ask(routed(anywhere())).await.expect("accepted");
        let waiting = ada.ask(routed(Routing::default())).await.expect("accepted");
        near.job().await.report(failed(reason)).await;
        let ended = ada.sees_the_end(&created.name).await;
        assert_eq!(
            (ended.state(), ended.charge),
            (GenerationState::Failed, 0),
            "neither again nor elsewhere"
        );
        let failure = ended.failure.expect("a failure");
        assert_eq!(failure.reason, reason);
        assert!(failure.message.contains("your own key for near") && failure.message.contains("set"));
        let rejected = key(&ada).await;
        assert_eq!((rejected.state(), rejected.reject_reason.as_str()), (ProviderKeyState::Rejected, noted));
        assert!(rejected.reject_time.is_some());

        let offer = near.take().await;
        assert!(near.start(&offer).await.is_none(), "what waited does not try it again");
        assert_eq!(ada.sees_the_end(&waiting.name).await.failure.expect("a failure").reason, reason);
    }
    let set = ada.set_key("near", KEY).await.expect("set anew");
    assert_eq!((set.state(), set.reject_time), (ProviderKeyState::Active, None));
    let created = ada.ask(routed(Routing::default())).await.expect("accepted");
    near.job().await.deliver_all().await;
    assert_eq!(ada.sees_the_end(&created.name).await.charge, 4);
    app.ends_clean().await;
}

#[tokio::test]
async fn after_a_rejection_nothing_runs_at_the_operators_price_unasked() {
    let app = App::start().await;
    let (ada, mut near) = (app.user(), app.worker_for("near", "w1").await);
    ada.set_key("near", KEY).await.expect("set");
    ada.ask(routed(Routing::default())).await.expect("accepted");
    near.job().await.report(failed("OWN_KEY_REFUSED")).await;
    let own = Routing { key_source: KeySource::Own.into(), ..Routing::default() };
    for routing in [Routing::default(), Routing { fallback: true, ..Routing::default() }, own] {
        let error = ada.ask(routed(routing)).await.expect_err("refused");
        assert_eq!(error.code(), Code::SettingUnsupported);
        let (field, what) = &error.violations()[0];
        assert_eq!(field, "routing.key_source");
        assert!(what.contains("near was rejected") && what.contains("set a new one"), "{what}");
    }
    let operators = Routing { key_source: KeySource::Operator.into(), ..Routing::default() };
    for routing in [Routing { dearer: true, ..Routing::default() }, operators] {
        assert_eq!(ada.ask(routed(routing)).await.expect("accepted").price, 10);
        near.job().await.deliver_all().await;
    }
    ada.delete_key("near").await.expect("deleted");
    assert_eq!(ada.ask(routed(Routing::default())).await.expect("accepted").price, 10);
    near.job().await.deliver_all().await;
    app.ends_clean().await;
}

#[tokio::test]
async fn a_key_that_was_set_meanwhile_is_not_held_to_account_for_the_one_before() {
    let app = App::start().await;
    let (ada, mut near) = (app.user(), app.worker_for("near", "w1").await);
    ada.set_key("near", KEY).await.expect("set");
    ada.ask(routed(Routing::default())).await.expect("accepted");
    let attempt = near.job().await;
    ada.set_key("near", "sk-of-ada-another-one").await.expect("set again");
    attempt.report(failed("OWN_KEY_REFUSED")).await;
    assert_eq!(key(&ada).await.state(), ProviderKeyState::Active);
    app.ends_clean().await;
}

#[tokio::test]
async fn what_a_provider_thinks_of_one_users_key_shuts_nobody_out() {
    let app = App::with("retries.attempts = 1\nbreaker = { failures = 1, shut_seconds = 60 }").await;
    let (ada, eve, mut near) = (app.user(), app.user(), app.worker_for("near", "w1").await);
    for ending in [
        failed("OWN_KEY_REFUSED"),
        failed("OWN_KEY_EXHAUSTED"),
        failed("PROVIDER_AUTH"),
        failed("PROVIDER_QUOTA"),
        passing("PROVIDER_RATE_LIMITED", Charged::No, None),
    ] {
        ada.set_key("near", KEY).await.expect("set");
        let created = ada.ask(routed(Routing::default())).await.expect("accepted");
        near.job().await.report(ending).await;
        assert_eq!(ada.sees_the_end(&created.name).await.state(), GenerationState::Failed);
    }
    // What is known of the other deployment was learned after what might have been learned of this one.
    let abroad = Routing { regions: vec!["us".to_owned()], ..Routing::default() };
    let created = eve.ask(routed(abroad)).await.expect("accepted");
    let mut far = app.worker_for("far", "w2").await;
    far.job().await.report(passing("PROVIDER_UNAVAILABLE", Charged::No, None)).await;
    assert_eq!(eve.sees_the_end(&created.name).await.state(), GenerationState::Failed);
    eventually("that one is shut", async || standing(&eve, "far").await == DeploymentState::Shut).await;
    assert_eq!(standing(&eve, "near").await, DeploymentState::Available);
    let created = eve.ask(routed(Routing::default())).await.expect("accepted");
    near.job().await.deliver_all().await;
    assert_eq!(eve.sees_the_end(&created.name).await.charge, 10);
    app.ends_clean().await;
}
