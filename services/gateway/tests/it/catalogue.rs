//! The catalogue changes while the gateway runs.

use imagioo_proto::generation::v1::GenerationState;
use imagioo_rpc::Code;

use crate::harness::{App, eventually, wanted};

#[tokio::test]
async fn a_changed_catalogue_is_in_force_without_a_restart_and_the_one_that_priced_is_recorded() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let cheap = ada.create("a fox").await;
    let before = ada.list_models().await.catalogue_version;
    assert_eq!((cheap.price, &cheap.catalogue_version), (5, &before));
    app.edit_catalogue(|text| text.replace("prices = [{ credits = 5 }]", "prices = [{ credits = 7 }]"));
    eventually("the new catalogue", async || ada.list_models().await.catalogue_version != before).await;
    let dear = ada.create("a fox").await;
    assert_eq!(dear.price, 7);
    worker.work_off(2).await;
    let charges = [ada.sees_the_end(&cheap.name).await.charge, ada.sees_the_end(&dear.name).await.charge];
    assert_eq!(charges, [5, 7], "each at the price of its day");
    let recorded = "select count(*) from generation.catalogues c where exists (
        select from generation.generations g where g.catalogue_version = c.version)";
    assert_eq!(app.number(recorded).await, 2, "both are kept as they were written");
    app.ends_clean().await;
}

#[tokio::test]
async fn a_file_with_mistakes_leaves_the_last_good_one_in_force() {
    let app = App::start().await;
    let ada = app.user();
    let before = ada.list_models().await;
    app.edit_catalogue(|_| "version = ".to_owned());
    app.edit_catalogue(|text| text.replace("max_count = 4", "max_count = 0").replace("test", "bad"));
    app.edit_catalogue(|text| text.replace("title = \"Sketch\"", "title = \"Drawn\""));
    eventually("the next good one", async || ada.list_models().await != before).await;
    assert_eq!(ada.list_models().await.models[0].title, "Drawn");
    app.ends_clean().await;
}

/// What a deployment is told besides may be in a file of its own, which changes by itself.
#[tokio::test]
async fn a_changed_file_that_the_catalogue_names_is_in_force_and_a_bad_one_leaves_the_last_good_one() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let version = async || ada.list_models().await.catalogue_version;
    let mut before = version().await;
    let names = "provider_model = \"sketch\"\noptions = { graph_file = \"graph.json\" }";
    app.edit_catalogue(|text| text.replacen("provider_model = \"sketch\"", names, 1));
    // Nothing was there; then it is.
    for steps in [1.0, 20.0] {
        app.write_beside_catalogue("graph.json", &format!("{{\"steps\": {steps}}}"));
        eventually("the new graph", async || version().await != before).await;
        before = version().await;
        ada.create("a fox").await;
        let job = worker.job().await;
        let told = format!("{:?}", job.job.deployment.as_ref().map(|place| &place.options));
        assert!(told.contains("graph") && told.contains(&format!("NumberValue({steps:?})")), "{told}");
        job.deliver_all().await;
    }
    app.write_beside_catalogue("graph.json", "{");
    ada.create("another fox").await;
    worker.work_off(1).await;
    assert_eq!(version().await, before, "the last good one stays");
    app.ends_clean().await;
}

#[tokio::test]
async fn a_model_past_its_sunset_is_refused_with_its_successor_and_its_history_opens() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let old = ada.create("a fox").await;
    worker.work_off(1).await;
    app.edit_catalogue(|text| {
        let gone = "title = \"Sketch\"\nsunset = \"2020-01-01\"\nsuccessor = \"careful\"";
        text.replacen("title = \"Sketch\"", gone, 1)
    });
    eventually("it is gone", async || {
        ada.list_models().await.models.iter().all(|model| model.name != "models/sketch")
    })
    .await;
    let refused = ada.ask(wanted("another fox")).await.expect_err("gone");
    assert_eq!(refused.code(), Code::ModelSunset);
    assert!(format!("{refused:?}").contains("models/careful"), "{refused:?}");
    let seen = ada.get(&old.name).await.expect("history");
    assert_eq!((seen.state(), seen.images.len()), (GenerationState::Succeeded, 1));
    app.ends_clean().await;
}

/// A deployment that is no longer offered gives its generations back; they cost nothing.
#[tokio::test]
async fn a_generation_whose_deployment_is_gone_fails_for_free() {
    let app = App::with("retries.attempts = 1").await;
    let (ada, mut worker) = (app.user(), app.worker_for("narrow", "w1").await);
    let created = ada.ask(imagioo_proto::generation::v1::CreateGenerationRequest {
        model: "models/narrow".to_owned(),
        ..wanted("a fox")
    });
    let created = created.await.expect("accepted");
    let offer = worker.take().await;
    let before = ada.list_models().await.catalogue_version;
    app.edit_catalogue(|text| text.replace("id = \"narrow\"\nprovider", "id = \"other\"\nprovider"));
    eventually("the new catalogue", async || ada.list_models().await.catalogue_version != before).await;
    assert!(worker.start(&offer).await.is_none(), "there is nothing to do");
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!((ended.state(), ended.charge), (GenerationState::Failed, 0));
    assert_eq!(ended.failure.expect("a reason").reason, "DEPLOYMENT_GONE");
    app.ends_clean().await;
}
