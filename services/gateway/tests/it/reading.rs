//! Lists, pages, images and their files.

use std::collections::HashSet;

use bytes::Bytes;
use http::uri::PathAndQuery;
use imagioo_proto::DESCRIPTOR_SET;
use imagioo_proto::generation::v1::{CreateGenerationRequest, GetGenerationRequest, Preset};
use imagioo_proto::jobs::v1::Complete;
use imagioo_proto::jobs::v1::manifest::Ending;
use imagioo_rpc::{Code, RpcError};
use imagioo_types::{GenerationId, ImageId, WebhookEndpointId};
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use crate::harness::{App, User, wanted};

/// A generation of `count` images, finished.
async fn finished(app: &App, user: &User, count: i32) -> String {
    let mut worker = app.worker("w1").await;
    let created = user.ask(CreateGenerationRequest { count, ..wanted("a fox") }).await.expect("accepted");
    worker.work_off(1).await;
    created.name
}

#[tokio::test]
async fn generations_are_listed_newest_first_page_by_page_each_once_and_only_ones_own() {
    let app = App::start().await;
    let (ada, eve) = (app.user(), app.user());
    let mut names = Vec::new();
    for count in [1, 2, 1, 3, 1] {
        names.insert(0, finished(&app, &ada, count).await);
        finished(&app, &eve, 1).await;
    }
    let whole = ada.list(0, "").await.expect("listed");
    assert_eq!(
        whole.generations.iter().map(|found| &found.name).collect::<Vec<_>>(),
        names.iter().collect::<Vec<_>>()
    );
    assert_eq!(whole.generations.iter().map(|found| found.images.len()).collect::<Vec<_>>(), [1, 3, 1, 2, 1]);
    assert_eq!(whole.next_page_token, "");

    let (mut paged, mut token) = (Vec::new(), String::new());
    loop {
        let page = ada.list(2, &token).await.expect("listed");
        assert!(page.generations.len() <= 2);
        paged.extend(page.generations);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
        // What comes meanwhile is on the first page, not on this one.
        finished(&app, &ada, 1).await;
    }
    assert_eq!(paged, whole.generations);
    assert!(app.user().list(10, "").await.expect("listed").generations.is_empty(), "somebody new has none");
    app.ends_clean().await;
}

#[tokio::test]
async fn a_page_token_of_somebody_else_shows_nothing_of_theirs() {
    let app = App::start().await;
    let (ada, eve) = (app.user(), app.user());
    finished(&app, &ada, 1).await;
    finished(&app, &ada, 1).await;
    let token = ada.list(1, "").await.expect("listed").next_page_token;
    assert!(!token.is_empty());
    assert!(eve.list(10, &token).await.expect("listed").generations.is_empty());
    app.ends_clean().await;
}

#[tokio::test]
async fn images_are_listed_newest_first_page_by_page_and_shown_alone() {
    let app = App::start().await;
    let (ada, eve) = (app.user(), app.user());
    finished(&app, &ada, 3).await;
    finished(&app, &eve, 2).await;
    finished(&app, &ada, 2).await;
    let all = ada.list_images(0, "").await.expect("listed").images;
    assert_eq!(all.len(), 5);
    assert!(all.is_sorted_by(|newer, older| newer.name > older.name));
    let mut paged = Vec::new();
    let mut token = String::new();
    loop {
        let page = ada.list_images(2, &token).await.expect("listed");
        paged.extend(page.images);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(paged, all);
    for image in &all {
        assert_eq!(&ada.get_image(&image.name).await.expect("hers"), image);
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn a_file_is_downloaded_in_small_pieces_and_from_where_it_broke_off() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let job = worker.job().await;
    let file: Bytes = (0..300_001_u32).map(|byte| (byte % 251) as u8).collect();
    let stored = job.store_bytes(0, file.clone()).await;
    assert!(job.conclude(vec![stored], Ending::Complete(Complete {})).await);
    job.announce().await;
    let image = ada.sees_the_end(&created.name).await.images.remove(0);
    assert_eq!((image.size_bytes, &image.sha256[..]), (300_001, &Sha256::digest(&file)[..]));

    for offset in [0, 1, 65_536, 300_000, 300_001] {
        let (first, pieces) = ada.download(&image.name, offset).await.expect("downloaded");
        assert_eq!(first, image);
        assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= 64 * 1024));
        assert_eq!(pieces.concat(), &file[usize::try_from(offset).expect("an offset")..], "from {offset}");
    }
    for offset in [300_002, i64::MAX, -1] {
        let error = ada.download(&image.name, offset).await.expect_err("beyond the end");
        assert_eq!((error.code(), error.violations()[0].0.as_str()), (Code::InvalidArgument, "offset"));
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn an_image_whose_file_is_gone_is_a_fault_of_ours_and_says_no_more() {
    let app = App::start().await;
    let ada = app.user();
    let (mut worker, created) = (app.worker("w1").await, ada.create("a fox").await);
    let job = worker.job().await;
    job.deliver_all().await;
    app.storage.delete(&job.key(0)).await.expect("deleted");
    let image = ada.sees_the_end(&created.name).await.images.remove(0);
    let error = ada.download(&image.name, 0).await.expect_err("gone");
    assert_eq!(error.code(), Code::Internal);
    assert!(!error.message().contains("object") && !error.message().contains(&job.key(0).to_string()));
    app.ends_clean().await;
}

#[tokio::test]
async fn every_call_that_names_something_answers_foreign_and_unknown_names_alike() {
    let app = App::start().await;
    let (ada, eve) = (app.user(), app.user());
    let generation = finished(&app, &ada, 1).await;
    let image = ada.list_images(1, "").await.expect("listed").images.remove(0).name;
    let hook = ada.hook("https://example.com/").await.name;
    let delivery = ada.test_hook(&hook).await.expect("a test").name;
    let unknown_hook = WebhookEndpointId::generate().name();
    let preset = Preset { title: "Oils".to_owned(), ..Preset::default() };
    ada.create_preset("oils", preset).await.expect("made");
    ada.set_key("near", "key-of-somebody").await.expect("set");
    let unknown_delivery = delivery.replace(&hook, &unknown_hook);
    let mut tried = HashSet::new();
    for (service, method) in methods_with_a_name() {
        let (foreign, unknown) = match service.as_str() {
            "GenerationService" => (generation.clone(), GenerationId::generate().name()),
            "ImageService" => (image.clone(), ImageId::generate().name()),
            "WebhookService" if method.ends_with("Delivery") => (delivery.clone(), unknown_delivery.clone()),
            "WebhookService" => (hook.clone(), unknown_hook.clone()),
            "ProviderKeyService" => ("providerKeys/near".to_owned(), "providerKeys/dear".to_owned()),
            "PresetService" => ("presets/oils".to_owned(), "presets/none".to_owned()),
            // Everybody's, and the operators'.
            "ModelService" | "PresetAdminService" => continue,
            other => panic!("{other}/{method} names something: say here whose it is"),
        };
        let path = format!("/imagioo.generation.v1.{service}/{method}");
        let (foreign, unknown) = (answer(&eve, &path, foreign).await, answer(&eve, &path, unknown).await);
        assert_eq!(foreign.code(), Code::NotFound, "{path}");
        assert_eq!(foreign.to_string(), unknown.to_string(), "{path}");
        assert_eq!(foreign.details(), unknown.details(), "{path}");
        tried.insert(method);
    }
    let expected = [
        "GetGeneration",
        "WatchGeneration",
        "CancelGeneration",
        "GetImage",
        "DownloadImage",
        "GetPreset",
        "DeletePreset",
        "DeleteProviderKey",
        "GetWebhookEndpoint",
        "DeleteWebhookEndpoint",
        "RotateWebhookSecret",
        "TestWebhookEndpoint",
        "GetWebhookDelivery",
        "ReplayWebhookDelivery",
    ];
    assert_eq!(tried, expected.map(str::to_owned).into());
    app.ends_clean().await;
}

/// Service and name of every public method whose request has a `name`.
fn methods_with_a_name() -> Vec<(String, String)> {
    let set = prost_types::FileDescriptorSet::decode(DESCRIPTOR_SET).expect("a descriptor set");
    let files: Vec<_> = set.file.iter().filter(|file| file.package() == "imagioo.generation.v1").collect();
    let has_name = |message: &str| {
        let name = message.rsplit('.').next().unwrap_or_default();
        let mut messages = files.iter().flat_map(|file| &file.message_type);
        let found = messages.find(|message| message.name() == name).expect("defined");
        found.field.iter().any(|field| field.name() == "name" && field.number() == 1)
    };
    let methods = files
        .iter()
        .flat_map(|file| &file.service)
        .flat_map(|service| service.method.iter().map(|method| (service.name().to_owned(), method)));
    methods
        .filter(|(_, method)| has_name(method.input_type()))
        .map(|(service, method)| (service, method.name().to_owned()))
        .collect()
}

/// How a call about `name` is refused. Every such request has its name in the first field.
async fn answer(user: &User, path: &str, name: String) -> RpcError {
    let mut client = tonic::client::Grpc::new(user.channel.clone());
    client.ready().await.expect("connected");
    let codec = tonic_prost::ProstCodec::<GetGenerationRequest, ()>::default();
    let path = path.parse::<PathAndQuery>().expect("a path");
    let refused = client.unary(user.says(GetGenerationRequest { name }), path, codec).await;
    RpcError::from(refused.expect_err("refused"))
}
