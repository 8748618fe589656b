//! What billing is told about an old hold, and what can no longer happen after that.

use imagioo_proto::generation::v1::hold_resolution_service_client::HoldResolutionServiceClient;
use imagioo_proto::generation::v1::resolve_hold_response::Answer;
use imagioo_proto::generation::v1::{
    CreateGenerationRequest, HoldAlive, HoldSettled, HoldUnknown, ResolveHoldRequest,
};
use imagioo_rpc::{Code, RpcError};
use imagioo_types::{GenerationId, ServiceName, UserId};

use crate::harness::{App, failed, wanted};

async fn resolve(app: &App, generation: &str, owner: UserId) -> Result<Answer, RpcError> {
    let mut client = HoldResolutionServiceClient::new(app.internal(ServiceName::Billing));
    let request = ResolveHoldRequest { generation: generation.to_owned(), owner: owner.name() };
    Ok(client.resolve_hold(request).await?.into_inner().answer.expect("an answer"))
}

const ALIVE: Answer = Answer::Alive(HoldAlive {});
const UNKNOWN: Answer = Answer::Unknown(HoldUnknown {});

fn settled(charge: i64) -> Answer {
    Answer::Settled(HoldSettled { charge })
}

fn named(request_id: &str) -> CreateGenerationRequest {
    CreateGenerationRequest { request_id: request_id.to_owned(), ..wanted("a fox") }
}

#[tokio::test]
async fn the_hold_of_what_is_under_way_lives_and_that_of_what_ended_costs_what_it_cost() {
    let app = App::with("share.in_flight = 2").await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create_many(3).await;
    let job = worker.job().await;
    for generation in &created {
        assert_eq!(resolve(&app, &generation.name, ada.id).await.expect("answered"), ALIVE);
    }
    job.report(failed("BROKEN")).await;
    ada.cancel(&created[2].name).await.expect("cancelled");
    worker.work_off(1).await;
    for (generation, charge) in created.iter().zip([0, 5, 0]) {
        assert_eq!(resolve(&app, &generation.name, ada.id).await.expect("answered"), settled(charge));
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn after_a_hold_was_called_unknown_its_generation_cannot_come_to_be() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    app.billing.lose_answers(true);
    ada.ask(named("slow")).await.expect_err("the line broke");
    app.billing.lose_answers(false);
    let hold = app.billing.holds().remove(0);
    for _ in 0..2 {
        assert_eq!(resolve(&app, &hold.generation, ada.id).await.expect("answered"), UNKNOWN);
    }
    let error = ada.ask(named("slow")).await.expect_err("too late");
    assert_eq!(error.code(), Code::RequestGivenUp);
    assert_eq!(app.count().await, 0);
    assert_eq!(ada.get(&hold.generation).await.expect_err("it never was").code(), Code::NotFound);
    assert_eq!(ada.cancel(&hold.generation).await.expect_err("it never was").code(), Code::NotFound);
    assert!(ada.list(10, "").await.expect("listed").generations.is_empty());
    ada.ask(named("another try")).await.expect("accepted");
    worker.work_off(1).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn asked_at_the_instant_of_the_insert_one_of_both_wins() {
    let app = App::with("share.in_flight = 40").await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let mut born = 0;
    for round in 0..30 {
        let request_id = format!("round {round}");
        app.billing.lose_answers(true);
        ada.ask(named(&request_id)).await.expect_err("the line broke");
        app.billing.lose_answers(false);
        let hold = app.billing.holds().remove(round);
        let (created, answer) =
            tokio::join!(ada.ask(named(&request_id)), resolve(&app, &hold.generation, ada.id));
        match (created, answer.expect("answered")) {
            (Ok(created), Answer::Alive(_)) => {
                assert_eq!(created.name, hold.generation);
                born += 1;
            }
            (Err(error), Answer::Unknown(_)) => assert_eq!(error.code(), Code::RequestGivenUp, "{error}"),
            both => panic!("two answers: {both:?}"),
        }
        app.keeps_the_laws().await;
    }
    worker.work_off(born).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn names_that_are_none_are_refused_by_field() {
    let app = App::start().await;
    let (generation, owner) = (GenerationId::generate().name(), UserId::generate());
    let mut client = HoldResolutionServiceClient::new(app.internal(ServiceName::Billing));
    for (generation, owner, field) in [
        ("", owner.name(), "generation"),
        ("gen_0", owner.name(), "generation"),
        (&*generation, String::new(), "owner"),
        (&*generation, generation.clone(), "owner"),
    ] {
        let request = ResolveHoldRequest { generation: generation.to_owned(), owner };
        let error = RpcError::from(client.resolve_hold(request).await.expect_err(field));
        assert_eq!((error.code(), error.violations()[0].0.as_str()), (Code::InvalidArgument, field));
    }
    assert_eq!(app.number("select count(*) from generation.generations").await, 0);
    app.ends_clean().await;
}
