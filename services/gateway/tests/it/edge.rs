//! The two ports: who gets in, as whom, how often, and what is nowhere to be found.

use futures::future::join_all;
use http::uri::PathAndQuery;
use imagioo_proto::account::v1::GetMeRequest;
use imagioo_proto::account::v1::account_service_client::AccountServiceClient;
use imagioo_proto::generation::v1::generation_admin_service_client::GenerationAdminServiceClient;
use imagioo_proto::generation::v1::generation_service_client::GenerationServiceClient;
use imagioo_proto::generation::v1::hold_resolution_service_client::HoldResolutionServiceClient;
use imagioo_proto::generation::v1::lease_service_client::LeaseServiceClient;
use imagioo_proto::generation::v1::{
    CheckGenerationsRequest, ListGenerationsRequest, RenewLeasesRequest, ResolveHoldRequest,
};
use imagioo_rpc::{Code, RpcError, SERVICE_HEADER, keys, plain_endpoint};
use imagioo_types::{GenerationId, ManualClock, ServiceName, UserId};
use tempfile::TempDir;
use time::Duration;
use tonic::Request;
use tonic::body::Body;
use tonic::client::GrpcService;

use crate::harness::{App, Setup, eventually, service_keys, wanted};

/// Calls any method with a message without fields; `request` may carry headers.
async fn call<C: GrpcService<Body>>(
    channel: C,
    path: &'static str,
    request: Request<()>,
) -> Result<(), RpcError>
where
    C::Error: std::fmt::Debug,
    C::ResponseBody: Send + 'static,
    <C::ResponseBody as tonic::transport::Body>::Error: Into<tonic::codegen::StdError> + Send,
{
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.expect("connected");
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    client.unary(request, PathAndQuery::from_static(path), codec).await?;
    Ok(())
}

#[tokio::test]
async fn s71_a_service_header_of_a_client_is_gone_before_a_call_is_passed_on() {
    let app = App::start().await;
    let ada = app.user();
    for pretender in [ServiceName::Operator, ServiceName::Gateway] {
        let channel = app.public_as(pretender, ServiceName::Account);
        let status = AccountServiceClient::new(channel).get_me(ada.says(GetMeRequest {})).await;
        assert_eq!(RpcError::from(status.expect_err("nobody is there")).code(), Code::Unimplemented);
    }
    let seen = app.account.passed_on();
    assert_eq!(seen.len(), 2);
    for (headers, service) in seen {
        assert_eq!(service, Some(ServiceName::Gateway), "the gateway speaks for itself");
        assert_eq!(headers.get_all(SERVICE_HEADER).iter().count(), 1);
        assert_eq!(headers["authorization"], format!("Bearer {}", ada.credential));
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn s71_the_internal_port_lets_in_the_right_service_with_a_token_of_its_own_for_here_and_now() {
    let app = App::start().await;
    let renewal = || RenewLeasesRequest { worker: "w1".to_owned(), leases: Vec::new() };
    let worker = app.internal(ServiceName::Worker);
    LeaseServiceClient::new(worker).renew_leases(renewal()).await.expect("the right service");

    let nobody = plain_endpoint(&app.gateway.internal).expect("an address").connect_lazy();
    let status = LeaseServiceClient::new(nobody).renew_leases(renewal()).await.expect_err("no token");
    assert_eq!(RpcError::from(status).code(), Code::Unauthenticated);

    let none = Duration::ZERO;
    let foreign = TempDir::new().expect("a folder");
    keys::generate(foreign.path()).expect("keys");
    let clock = ManualClock::at(imagioo_types::Clock::now(&app.clock));
    let stranger = service_keys(&foreign, ServiceName::Worker, &clock);
    let stranger =
        imagioo_rpc::connect(&app.gateway.internal, &stranger, ServiceName::Gateway).expect("an address");
    for (what, channel, code) in [
        ("another service", app.internal(ServiceName::Billing), Code::PermissionDenied),
        ("the operator", app.internal(ServiceName::Operator), Code::PermissionDenied),
        (
            "for another one",
            app.internal_with(ServiceName::Worker, ServiceName::Billing, none),
            Code::Unauthenticated,
        ),
        (
            "expired",
            app.internal_with(ServiceName::Worker, ServiceName::Gateway, Duration::minutes(3)),
            Code::Unauthenticated,
        ),
        (
            "of tomorrow",
            app.internal_with(ServiceName::Worker, ServiceName::Gateway, -Duration::days(1)),
            Code::Unauthenticated,
        ),
        ("another key", stranger, Code::Unauthenticated),
    ] {
        let status = LeaseServiceClient::new(channel).renew_leases(renewal()).await.expect_err(what);
        assert_eq!(RpcError::from(status).code(), code, "{what}");
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn a_worker_cannot_ask_about_holds_and_billing_can() {
    let app = App::start().await;
    let (generation, owner) = (GenerationId::generate().name(), UserId::generate().name());
    let request = || ResolveHoldRequest { generation: generation.clone(), owner: owner.clone() };
    let mut worker = HoldResolutionServiceClient::new(app.internal(ServiceName::Worker));
    let status = worker.resolve_hold(request()).await.expect_err("not its business");
    assert_eq!(RpcError::from(status).code(), Code::PermissionDenied);
    assert_eq!(app.number("select count(*) from generation.generations").await, 0, "no tombstone");
    let mut billing = HoldResolutionServiceClient::new(app.internal(ServiceName::Billing));
    billing.resolve_hold(request()).await.expect("its business");
    app.ends_clean().await;
}

#[tokio::test]
async fn public_methods_are_not_served_at_the_internal_port() {
    let app = App::start().await;
    let ada = app.user();
    let request = || ada.says(ListGenerationsRequest::default());
    let plain = plain_endpoint(&app.gateway.internal).expect("an address").connect_lazy();
    let status =
        GenerationServiceClient::new(plain).list_generations(request()).await.expect_err("no service");
    assert_eq!(RpcError::from(status).code(), Code::Unauthenticated);
    for service in ServiceName::ALL {
        let mut client = GenerationServiceClient::new(app.internal(service));
        let status = client.list_generations(request()).await.expect_err("off the list");
        assert_eq!(RpcError::from(status).code(), Code::PermissionDenied, "{service}");
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn what_is_not_public_does_not_exist_at_the_public_port() {
    let app = App::start().await;
    let ada = app.user();
    for path in [
        "/imagioo.generation.v1.LeaseService/StartGeneration",
        "/imagioo.generation.v1.LeaseService/RenewLeases",
        "/imagioo.generation.v1.HoldResolutionService/ResolveHold",
        "/imagioo.billing.v1.HoldService/HoldCredits",
        "/imagioo.account.v1.IdentityService/ExchangeApiKey",
        "/imagioo.generation.v1.GenerationService/EraseGeneration",
        "/imagioo.generation.v2.GenerationService/CreateGeneration",
        "/nothing",
        "/",
    ] {
        let error = call(ada.channel.clone(), path, ada.says(())).await.expect_err(path);
        assert_eq!(error.code(), Code::Unimplemented, "{path}: {error}");
        let worker = app.public_as(ServiceName::Worker, ServiceName::Gateway);
        let error = call(worker, path, ada.says(())).await.expect_err(path);
        assert_eq!(error.code(), Code::Unimplemented, "{path}: {error}");
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn health_is_open_and_operator_methods_are_the_operators() {
    let app = App::start().await;
    let ada = app.user();
    call(ada.channel.clone(), "/grpc.health.v1.Health/Check", Request::new(())).await.expect("healthy");

    let check = CheckGenerationsRequest {};
    let operator = app.public_as(ServiceName::Operator, ServiceName::Gateway);
    let counts = GenerationAdminServiceClient::new(operator).check_generations(check).await.expect("counted");
    assert_eq!((counts.get_ref().non_terminal, counts.get_ref().outbox), (0, 0));

    let mut client = GenerationAdminServiceClient::new(ada.channel.clone());
    let status = client.check_generations(ada.says(check)).await.expect_err("a user");
    assert_eq!(RpcError::from(status).code(), Code::Unauthenticated);
    let worker = app.public_as(ServiceName::Worker, ServiceName::Gateway);
    let status =
        GenerationAdminServiceClient::new(worker).check_generations(check).await.expect_err("a worker");
    assert_eq!(RpcError::from(status).code(), Code::PermissionDenied);
    app.ends_clean().await;
}

#[tokio::test]
async fn an_api_key_is_exchanged_once_and_again_before_its_token_runs_out() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let (_, secret) = app.account.create_key(ada.id);
    let program = ada.with(&secret);
    let answers = join_all((0..16).map(|_| program.list(1, ""))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    program.create("a fox").await;
    assert_eq!(app.account.exchanges(), 1);
    worker.work_off(1).await;
    assert_eq!(ada.list(10, "").await.expect("hers").generations.len(), 1, "the key acts for its owner");

    app.clock.advance(Duration::seconds(4 * 60 + 40));
    program.list(1, "").await.expect("still good");
    assert_eq!(app.account.exchanges(), 2);
    app.ends_clean().await;
}

#[tokio::test]
async fn an_unknown_api_key_is_asked_about_every_time() {
    let app = App::start().await;
    let stranger = app.user().with("img_live_0_0");
    for _ in 0..3 {
        assert_eq!(stranger.list(1, "").await.expect_err("unknown").code(), Code::ApiKeyInvalid);
    }
    assert_eq!(app.account.exchanges(), 3, "a key that is made later works at once");
    app.ends_clean().await;
}

#[tokio::test]
async fn wrong_api_keys_are_counted_by_address_and_after_too_many_nobody_is_asked_about_another() {
    let app = App::with("limits.address_burst = 2\nlimits.address_per_minute = 1").await;
    let ada = app.user();
    let (_, known) = app.account.create_key(ada.id);
    let (_, other) = app.account.create_key(ada.id);
    ada.with(&known).list(1, "").await.expect("a good key");
    let guess = async |number: usize| {
        let program = ada.with(&format!("img_live_0_{number}"));
        program.list(1, "").await.expect_err("no such key").code()
    };
    let mut told = Vec::new();
    for number in 0..5 {
        told.push(guess(number).await);
    }
    let (invalid, limited) = (Code::ApiKeyInvalid, Code::RateLimited);
    assert_eq!(told, [invalid, invalid, limited, limited, limited]);
    assert_eq!(app.account.exchanges(), 4, "the last two were not asked about");
    let refused = ada.with(&other).list(1, "").await.expect_err("nor is a good one that nobody knows here");
    assert!(refused.delay().is_some());
    ada.with(&known).list(1, "").await.expect("who was let in before still is");
    ada.list(1, "").await.expect("and so is everybody with a token");
    app.ends_clean().await;
}

#[tokio::test]
async fn a_revoked_api_key_stops_working_although_its_token_is_remembered() {
    let app = App::start().await;
    let ada = app.user();
    let (key, secret) = app.account.create_key(ada.id);
    let program = ada.with(&secret);
    program.list(1, "").await.expect("it works");
    app.account.revoke_key(key);
    assert_eq!(program.until_refused().await.code(), Code::TokenRevoked);
    let error = program.ask(wanted("a fox")).await.expect_err("revoked");
    assert_eq!(error.code(), Code::TokenRevoked);
    assert_eq!(app.account.exchanges(), 1);
    ada.list(1, "").await.expect("she is signed in all the same");
    app.ends_clean().await;
}

#[tokio::test]
async fn a_revoked_session_is_refused_and_its_watch_shows_nothing_more() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let here = app.signed_in_again(&ada);
    let created = ada.create("a fox").await;
    let (mut left, mut kept) = (ada.watch(&created.name).await, here.watch(&created.name).await);
    left.change().await;
    app.account.revoke_session(ada.session);
    assert_eq!(ada.until_refused().await.code(), Code::TokenRevoked);
    worker.work_off(1).await;
    let error = left.next().await.expect_err("nothing after the sign-out");
    assert_eq!(error.code(), Code::TokenRevoked);
    kept.until_the_end().await;
    app.ends_clean().await;
}

#[tokio::test]
async fn a_watch_outlives_its_token_but_a_call_does_not() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let mut watching = ada.watch(&created.name).await;
    watching.change().await;
    app.clock.advance(Duration::minutes(6));
    assert_eq!(ada.get(&created.name).await.expect_err("expired").code(), Code::TokenExpired);
    worker.work_off(1).await;
    watching.until_the_end().await;
    app.ends_clean().await;
}

#[tokio::test]
async fn while_nobody_knows_who_was_signed_out_reading_goes_on_and_changing_does_not() {
    let app = App::set_up(Setup { silent_account: true, ..Setup::default() }).await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    ada.list(10, "").await.expect("reading goes on");
    assert_eq!(ada.get(&GenerationId::generate().name()).await.expect_err("none").code(), Code::NotFound);
    for error in [
        ada.ask(wanted("a fox")).await.expect_err("spends"),
        ada.cancel(&GenerationId::generate().name()).await.expect_err("changes"),
    ] {
        assert_eq!(error.code(), Code::Unavailable);
        assert!(error.delay().is_some(), "it says when to try again");
    }
    assert_eq!((app.billing.calls(), app.count().await), (0, 0));
    let database_answers = async || !app.gateway.readiness.closed().contains(&"gateway database");
    eventually("the database was asked", database_answers).await;
    assert_eq!(app.gateway.readiness.closed(), ["gateway"], "it does not ask for calls yet");
    app.account.be_silent(false);
    ada.until_changes_are_possible().await;
    eventually("it is ready", async || app.gateway.readiness.closed().is_empty()).await;
    ada.create("a fox").await;
    worker.work_off(1).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn a_user_who_calls_too_often_is_told_when_to_come_back_and_others_are_not() {
    let app = App::with("limits.user_burst = 3\nlimits.user_per_second = 1").await;
    let (ada, eve) = (app.user(), app.user());
    for _ in 0..3 {
        ada.list(1, "").await.expect("within the burst");
    }
    let error = ada.until_refused().await;
    assert_eq!(error.code(), Code::RateLimited);
    assert!(error.delay().is_some_and(|delay| delay <= std::time::Duration::from_secs(1)), "{error:?}");
    eve.list(1, "").await.expect("somebody else");
    assert_eq!(app.billing.calls(), 0);
    app.ends_clean().await;
}

#[tokio::test]
async fn calls_for_credentials_are_counted_by_address_and_passed_on_without_any() {
    let app = App::with("limits.address_burst = 2\nlimits.address_per_minute = 1").await;
    let ada = app.user();
    let sign_in = "/imagioo.account.v1.AccountService/SignIn";
    for _ in 0..2 {
        let error = call(ada.channel.clone(), sign_in, ada.says(())).await.expect_err("nobody is there");
        assert_eq!(error.code(), Code::Unimplemented);
    }
    let error = call(ada.channel.clone(), sign_in, ada.says(())).await.expect_err("one too many");
    assert_eq!(error.code(), Code::RateLimited);
    assert!(error.delay().is_some());
    let seen = app.account.passed_on();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|(headers, _)| !headers.contains_key("authorization")));
    app.ends_clean().await;
}

#[tokio::test]
async fn a_neighbour_that_does_not_answer_makes_a_call_unavailable() {
    let mut app = App::start().await;
    app.config.peers.billing = "http://127.0.0.1:9".to_owned();
    app.restart().await;
    let ada = app.user();
    let error = ada.ask(wanted("a fox")).await.expect_err("billing is gone");
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert_eq!(app.count().await, 0);
    eventually("reading goes on", async || ada.list(1, "").await.is_ok()).await;
    app.ends_clean().await;
}
