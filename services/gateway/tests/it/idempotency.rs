//! The same call again: one generation, one hold, one charge, whatever broke in between.

use futures::future::join_all;
use imagioo_proto::generation::v1::{CreateGenerationRequest, GenerationState};
use imagioo_rpc::Code;

use crate::harness::{App, wanted};

fn named(request_id: &str) -> CreateGenerationRequest {
    CreateGenerationRequest { request_id: request_id.to_owned(), ..wanted("a fox") }
}

#[tokio::test]
async fn one_call_thirty_two_times_at_once_is_one_generation_with_one_hold() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let answers = join_all((0..32).map(|_| ada.ask(named("once")))).await;
    let names: Vec<_> = answers.into_iter().map(|answer| answer.expect("accepted").name).collect();
    assert!(names.iter().all(|name| *name == names[0]));
    assert_eq!((app.billing.calls(), app.billing.holds().len(), app.count().await), (32, 1, 1));
    app.keeps_the_laws().await;
    worker.work_off(1).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn one_call_at_two_replicas_at_once_is_one_generation() {
    let app = App::start().await;
    let (mut other, mut worker) = (app.replica().await, app.worker("w1").await);
    let ada = app.user();
    let there = ada.at(&other);
    for round in 0..8 {
        let request_id = format!("round {round}");
        let calls = (0..8).map(|turn| if turn % 2 == 0 { &ada } else { &there });
        let answers = join_all(calls.map(|user| user.ask(named(&request_id)))).await;
        let names: Vec<_> = answers.into_iter().map(|answer| answer.expect("accepted").name).collect();
        assert!(names.iter().all(|name| *name == names[0]));
        app.keeps_the_laws().await;
    }
    assert_eq!((app.billing.holds().len(), app.count().await), (8, 8));
    worker.work_off(8).await;
    other.stop().await;
    app.ends_clean().await;
}

#[tokio::test]
async fn another_body_under_a_used_request_id_is_refused_by_name() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.ask(named("once")).await.expect("accepted");
    let others = [
        CreateGenerationRequest { prompt: "a wolf".to_owned(), ..named("once") },
        CreateGenerationRequest { count: 2, ..named("once") },
        CreateGenerationRequest { model: "models/narrow".to_owned(), ..named("once") },
    ];
    for other in others {
        let error = ada.ask(other).await.expect_err("another body");
        assert_eq!(error.code(), Code::RequestIdReused);
        assert_eq!(error.violations()[0].0, "request_id");
    }
    assert_eq!(app.billing.holds().len(), 1);
    assert_eq!(ada.get(&created.name).await.expect("untouched").prompt, "a fox");
    worker.work_off(1).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn how_long_to_wait_and_what_to_pay_at_most_are_not_part_of_the_body() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.ask(named("once")).await.expect("accepted");
    worker.work_off(1).await;
    let again = CreateGenerationRequest { max_credits: Some(5), wait_seconds: 9, ..named("once") };
    let again = ada.ask(again).await.expect("the same");
    assert_eq!((again.state(), again.name), (GenerationState::Succeeded, created.name));
    app.ends_clean().await;
}

#[tokio::test]
async fn the_same_request_id_of_two_people_is_two_generations() {
    let app = App::start().await;
    let (ada, eve, mut worker) = (app.user(), app.user(), app.worker("w1").await);
    let (hers, theirs) = (ada.ask(named("once")).await, eve.ask(named("once")).await);
    assert_ne!(hers.expect("accepted").name, theirs.expect("accepted").name);
    worker.work_off(2).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn without_a_request_id_every_call_is_a_new_generation() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    assert_ne!(ada.create("a fox").await.name, ada.create("a fox").await.name);
    worker.work_off(2).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn a_repetition_that_would_be_refused_now_still_answers_with_the_generation() {
    let mut app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.ask(named("once")).await.expect("accepted");
    worker.work_off(1).await;
    app.billing.refuse(Code::InsufficientCredits);
    assert_eq!(ada.ask(named("once")).await.expect("the same").name, created.name);
    assert_eq!(ada.ask(named("more")).await.expect_err("no credits").code(), Code::InsufficientCredits);
    let cheap = CreateGenerationRequest { max_credits: Some(1), ..named("once") };
    assert_eq!(ada.ask(cheap).await.expect("the same").name, created.name, "the price was agreed on before");

    app.restart_with_catalogue(|text| text.replace("id = \"sketch\"", "id = \"sketch-2\"")).await;
    let ada = app.signed_in_again(&ada);
    assert_eq!(ada.ask(named("once")).await.expect("the model is gone, it is not").name, created.name);
    assert_eq!(ada.ask(named("more")).await.expect_err("gone").code(), Code::ModelUnknown);
    app.ends_clean().await;
}

#[tokio::test]
async fn a_crash_between_hold_and_insert_heals_when_the_call_is_repeated() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    app.billing.lose_answers(true);
    assert_eq!(ada.ask(named("once")).await.expect_err("the line broke").code(), Code::Unavailable);
    assert_eq!((app.billing.holds().len(), app.count().await), (1, 0));
    app.billing.lose_answers(false);
    let created = ada.ask(named("once")).await.expect("healed");
    let holds = app.billing.holds();
    assert_eq!(holds.len(), 1);
    assert_eq!(created.name, holds[0].generation, "the generation that the hold is for");
    worker.work_off(1).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn a_hold_at_yesterdays_price_is_not_used_for_todays() {
    let mut app = App::start().await;
    let ada = app.user();
    app.billing.lose_answers(true);
    ada.ask(named("once")).await.expect_err("the line broke");
    app.billing.lose_answers(false);
    app.restart_with_catalogue(|text| text.replace("credits = 5 ", "credits = 50 ")).await;
    let ada = app.signed_in_again(&ada);
    let error = ada.ask(named("once")).await.expect_err("another price");
    assert_eq!(error.code(), Code::RequestIdReused);
    assert_eq!(app.count().await, 0);
    let mut worker = app.worker("w1").await;
    assert_eq!(ada.ask(named("twice")).await.expect("a new agreement").price, 50);
    worker.work_off(1).await;
    app.ends_clean().await;
}
