//! What runs on own keys costs, and what is said when there is none.

use imagioo_proto::generation::v1::{CreateGenerationRequest, EstimateGenerationRequest, KeySource, Routing};
use imagioo_rpc::Code;

use super::running::routed;
use crate::harness::App;

const KEY: &str = "sk-of-ada-0123456789";

fn on(key_source: KeySource) -> Routing {
    Routing { key_source: key_source.into(), ..Routing::default() }
}

#[tokio::test]
async fn an_estimate_says_whose_key_it_would_be_and_what_it_costs() {
    let app = App::start().await;
    let ada = app.user();
    let ask = async |routing: Routing| {
        let model = "models/routed".to_owned();
        let request =
            EstimateGenerationRequest { model, count: 2, routing: Some(routing), ..Default::default() };
        let answer = ada.estimate(request).await.expect("estimated");
        (answer.price, answer.key_source())
    };
    assert_eq!(ask(Routing::default()).await, (10, KeySource::Operator));
    ada.set_key("near", KEY).await.expect("set");
    assert_eq!(ask(Routing::default()).await, (4, KeySource::Own));
    assert_eq!(ask(on(KeySource::Own)).await, (4, KeySource::Own));
    assert_eq!(ask(on(KeySource::Operator)).await, (10, KeySource::Operator));
    let anywhere = Routing { fallback: true, dearer: true, ..Routing::default() };
    assert_eq!(ask(anywhere).await, (16, KeySource::Own), "the dearest would be held");
    app.ends_clean().await;
}

#[tokio::test]
async fn the_limit_of_the_caller_is_for_the_price_on_their_key() {
    let app = App::start().await;
    let ada = app.user();
    ada.set_key("near", KEY).await.expect("set");
    let limited =
        |most: i64, routing: Routing| CreateGenerationRequest { max_credits: Some(most), ..routed(routing) };
    for (most, routing) in [(3, Routing::default()), (9, on(KeySource::Operator))] {
        let error = ada.ask(limited(most, routing)).await.expect_err("too dear");
        assert_eq!(error.code(), Code::PriceAboveLimit);
    }
    assert_eq!(ada.ask(limited(4, Routing::default())).await.expect("accepted").price, 4);
    app.worker_for("near", "w1").await.work_off(1).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn whoever_insists_on_a_key_they_do_not_have_is_told_where_to_set_one() {
    let app = App::start().await;
    let ada = app.user();
    let error = ada.ask(routed(on(KeySource::Own))).await.expect_err("no key");
    assert_eq!(error.code(), Code::SettingUnsupported);
    let (field, what) = &error.violations()[0];
    assert_eq!(field, "routing.key_source");
    assert!(what.contains("dear, near") && what.contains("set one"), "{what}");
    let sketch = CreateGenerationRequest { model: "models/sketch".to_owned(), ..routed(on(KeySource::Own)) };
    let error = ada.ask(sketch).await.expect_err("none is taken");
    assert!(error.violations()[0].1.contains("leave it out"), "{error:?}");
    assert_eq!(app.billing.calls(), 0, "nothing was held");
    app.ends_clean().await;
}
