//! What the public port tells about itself, to anybody.

use futures::stream;
use imagioo_rpc::plain_endpoint;
use tonic::Status;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1alpha;

use crate::harness::{App, Setup};

/// Asks without credentials.
async fn ask(app: &App, question: MessageRequest) -> Result<MessageResponse, Status> {
    let channel = plain_endpoint(&app.gateway.address).expect("an address").connect_lazy();
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(stream::iter([request]))
        .await?
        .into_inner();
    let answer = answers.message().await?.and_then(|answer| answer.message_response);
    Ok(answer.expect("an answer"))
}

async fn symbol(app: &App, name: &str) -> Result<MessageResponse, Status> {
    ask(app, MessageRequest::FileContainingSymbol(name.to_owned())).await
}

#[tokio::test]
async fn anybody_is_told_about_the_services_for_users_and_about_no_others() {
    let app = App::start().await;
    let answer = ask(&app, MessageRequest::ListServices(String::new())).await.expect("an answer");
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    let expected = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "imagioo.account.v1.AccountService",
        "imagioo.billing.v1.BillingService",
        "imagioo.generation.v1.GenerationService",
        "imagioo.generation.v1.ImageService",
        "imagioo.generation.v1.ModelService",
        "imagioo.generation.v1.PresetService",
        "imagioo.generation.v1.WebhookService",
    ];
    for name in expected {
        assert!(names.iter().any(|known| known == name), "{name} is not told about: {names:?}");
    }
    for internal in ["Admin", "LeaseService", "HoldService", "HoldResolutionService", "IdentityService"] {
        assert!(!names.iter().any(|name| name.contains(internal)), "{internal}: {names:?}");
    }

    for known in ["imagioo.billing.v1.BillingService", "imagioo.generation.v1.CreateGenerationRequest"] {
        let answer = symbol(&app, known).await;
        assert!(matches!(answer, Ok(MessageResponse::FileDescriptorResponse(_))), "{known}: {answer:?}");
    }
    for hidden in [
        "imagioo.generation.v1.LeaseService",
        "imagioo.generation.v1.StartGenerationRequest",
        "imagioo.billing.v1.HoldService",
        "imagioo.generation.v1.PresetAdminService",
        "imagioo.jobs.v1.Manifest",
    ] {
        let answer = symbol(&app, hidden).await;
        assert!(!matches!(answer, Ok(MessageResponse::FileDescriptorResponse(_))), "{hidden} is told about");
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn clients_of_the_older_version_are_told_the_same() {
    let app = App::start().await;
    let channel = plain_endpoint(&app.gateway.address).expect("an address").connect_lazy();
    let question = v1alpha::server_reflection_request::MessageRequest::ListServices(String::new());
    let request = v1alpha::ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let answers = client.server_reflection_info(stream::iter([request])).await.expect("answered");
    let answer = answers.into_inner().message().await.expect("an answer").expect("an answer");
    assert!(format!("{answer:?}").contains("imagioo.generation.v1.GenerationService"), "{answer:?}");
    app.ends_clean().await;
}

#[tokio::test]
async fn an_operator_can_have_it_tell_nothing() {
    let app = App::set_up(Setup { config: "reflection = false".into(), ..Setup::default() }).await;
    let error = ask(&app, MessageRequest::ListServices(String::new())).await.expect_err("silent");
    assert_eq!(error.code(), tonic::Code::Unimplemented);
    let ada = app.user();
    ada.generations().list_generations(ada.says(Default::default())).await.expect("all else works");
    app.ends_clean().await;
}
