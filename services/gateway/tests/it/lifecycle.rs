//! From a create to its images, as its owner sees it.

use imagioo_proto::generation::v1::{
    CreateGenerationRequest, EstimateGenerationRequest, GenerationSettings, GenerationState, GetModelRequest,
    ImageFormat, ListModelsRequest,
};
use imagioo_rpc::Code;

use crate::harness::{App, wanted};

#[tokio::test]
async fn a_generation_starts_at_once_and_its_watcher_sees_every_step_to_the_images() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let call = CreateGenerationRequest { count: 2, ..wanted("a fox") };
    let created = ada.ask(call).await.expect("accepted");
    assert_eq!(created.state(), GenerationState::Dispatched, "there is room: it does not wait");
    assert_eq!((created.price, created.charge, created.queue_position), (10, 0, Some(0)));

    let mut watching = ada.watch(&created.name).await;
    let first = watching.change().await;
    assert_eq!(first.version, created.version);
    let attempt = worker.job().await;
    let running = watching.until(GenerationState::Running).await;
    assert!(running.version > first.version && running.start_time.is_some());

    attempt.progress(40, Some(b"half a fox")).await;
    let progress = watching.change().await.progress.expect("it runs");
    assert_eq!((progress.stage.as_str(), progress.percent), ("generating", 40));
    let preview = watching.next().await.expect("no error").expect("a step").preview.expect("a preview");
    assert_eq!(preview.data, b"half a fox".as_slice());

    attempt.deliver(2).await;
    let ended = watching.until_the_end().await;
    assert_eq!(ended.state(), GenerationState::Succeeded);
    assert!(ended.version > running.version && ended.end_time.is_some() && ended.failure.is_none());
    assert_eq!(ended.charge, 10);
    assert_eq!(ended.images.iter().map(|image| image.index).collect::<Vec<_>>(), [0, 1]);
    app.ends_clean().await;
}

#[tokio::test]
async fn what_create_answers_is_what_is_stored() {
    let app = App::start().await;
    let ada = app.user();
    let settings = GenerationSettings { seed: Some(7), ..GenerationSettings::default() };
    let call = CreateGenerationRequest {
        request_id: "mine".to_owned(),
        settings: Some(settings),
        count: 2,
        ..wanted("a fox")
    };
    let created = ada.ask(call.clone()).await.expect("accepted");
    assert_eq!(ada.get(&created.name).await.expect("it is there"), created);
    assert_eq!(ada.ask(call).await.expect("the same"), created, "and so does its repetition");
    app.worker("w1").await.work_off(1).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn the_settlement_tells_billing_the_charge_and_the_images() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let call = CreateGenerationRequest { count: 3, ..wanted("a fox") };
    let created = ada.ask(call).await.expect("accepted");
    worker.work_off(1).await;
    let billing = app.billing.clone();
    assert_eq!(app.ends_clean().await.of(&created.name), (15, 3));
    let holds = billing.holds();
    assert_eq!(holds.len(), 1);
    assert_eq!((holds[0].owner, holds[0].generation.as_str(), holds[0].amount), (ada.id, &*created.name, 15));
}

#[tokio::test]
async fn the_job_is_what_was_asked_for_with_defaults_filled_in() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let settings = GenerationSettings {
        size: "512x512".to_owned(),
        format: ImageFormat::Jpeg.into(),
        seed: Some(7),
        ..GenerationSettings::default()
    };
    let call = CreateGenerationRequest { settings: Some(settings), count: 2, ..wanted("a fox\n\tin snow") };
    let created = ada.ask(call).await.expect("accepted");
    let job = worker.job().await;
    assert_eq!(job.job.generation, created.name);
    assert_eq!(job.job.owner, ada.id.name());
    assert_eq!((job.job.attempt, job.job.epoch, job.job.count), (1, 1, 2));
    assert_eq!(job.job.prompt, "a fox\n\tin snow");
    assert_eq!(job.job.screening, "allow:off");
    assert_eq!(job.job.settings, created.settings);
    let settings = job.job.settings.clone().expect("settings");
    assert_eq!(
        (settings.size.as_str(), settings.format(), settings.seed),
        ("512x512", ImageFormat::Jpeg, Some(7))
    );
    let deployment = job.job.deployment.clone().expect("a deployment");
    assert_eq!((deployment.id.as_str(), deployment.provider.as_str()), ("sketch", "sketch"));
    assert!(job.job.lease.is_some() && job.job.deadline.is_some() && job.job.recorded_calls.is_empty());
    job.deliver_all().await;

    let plain = ada.create("a fox").await.settings.expect("settings");
    assert_eq!((plain.size.as_str(), plain.format(), plain.seed), ("1024x1024", ImageFormat::Png, None));
    worker.work_off(1).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn a_create_that_waits_answers_with_the_images() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let call = CreateGenerationRequest { wait_seconds: 60, ..wanted("a fox") };
    let (answer, ()) = tokio::join!(ada.ask(call), worker.work_off(1));
    let answer = answer.expect("accepted");
    assert_eq!(answer.state(), GenerationState::Succeeded);
    assert_eq!(answer.images.len(), 1);
    app.ends_clean().await;
}

#[tokio::test]
async fn a_create_whose_wait_is_over_answers_with_what_there_is() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let call = CreateGenerationRequest { wait_seconds: 1, ..wanted("a fox") };
    let answer = ada.ask(call).await.expect("accepted");
    assert_eq!(answer.state(), GenerationState::Dispatched);
    worker.work_off(1).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn any_replica_serves_any_watcher() {
    let app = App::start().await;
    let mut other = app.replica().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let mut watching = ada.at(&other).watch(&created.name).await;
    watching.until(GenerationState::Dispatched).await;
    let job = worker.job().await;
    watching.until(GenerationState::Running).await;
    job.progress(70, None).await;
    assert_eq!(watching.change().await.progress.expect("it runs").percent, 70);
    job.deliver_all().await;
    assert_eq!(watching.until_the_end().await.state(), GenerationState::Succeeded);
    other.stop().await;
    app.ends_clean().await;
}

#[tokio::test]
async fn a_change_that_nobody_hinted_at_is_seen_all_the_same() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let mut watching = ada.watch(&created.name).await;
    let version = watching.change().await.version;
    let change = sqlx::query("update generation.generations set version = version + 1").execute(&app.pool);
    change.await.expect("changed");
    assert_eq!(watching.change().await.version, version + 1);
    worker.work_off(1).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn a_watch_of_what_has_ended_shows_it_once_and_closes() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    worker.work_off(1).await;
    let mut watching = ada.watch(&created.name).await;
    assert_eq!(watching.change().await.state(), GenerationState::Succeeded);
    assert!(watching.next().await.expect("no error").is_none());
    app.ends_clean().await;
}

#[tokio::test]
async fn an_estimate_costs_nothing_and_leaves_nothing() {
    let app = App::start().await;
    let ada = app.user();
    let request = EstimateGenerationRequest {
        model: "models/careful".to_owned(),
        settings: Some(GenerationSettings { quality: "high".to_owned(), ..GenerationSettings::default() }),
        ..EstimateGenerationRequest::default()
    };
    let answer = ada.generations().estimate_generation(ada.says(request)).await.expect("estimated");
    assert_eq!(answer.get_ref().price, 21);
    assert_eq!((app.count().await, app.billing.calls()), (0, 0));
    app.ends_clean().await;
}

#[tokio::test]
async fn the_catalogue_is_listed_in_its_order_and_an_unknown_model_is_not_found() {
    let app = App::start().await;
    let ada = app.user();
    let listed = ada.models().list_models(ada.says(ListModelsRequest {})).await.expect("listed").into_inner();
    let names: Vec<_> = listed.models.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(names, ["models/sketch", "models/careful", "models/narrow", "models/routed"]);
    let request = |name: &str| ada.says(GetModelRequest { name: name.to_owned() });
    let found = ada.models().get_model(request("models/careful")).await.expect("found").into_inner();
    assert_eq!(found.model.as_ref(), Some(&listed.models[1]));
    let error = ada.models().get_model(request("models/none")).await.expect_err("unknown");
    assert_eq!(imagioo_rpc::RpcError::from(error).code(), Code::NotFound);
    app.ends_clean().await;
}
