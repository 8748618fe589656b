//! What comes from what: parents, families, files that were made here.

use imagioo_proto::generation::v1::{
    CreateGenerationRequest, GenerationSettings, Operation, RunGenerationAgainRequest,
};
use imagioo_proto::jobs::v1::Complete;
use imagioo_proto::jobs::v1::manifest::Ending;
use imagioo_rpc::Code;

use super::{data, image, picture};
use crate::harness::{App, User, Worker, wanted};

#[tokio::test]
async fn versions_form_a_tree_and_the_same_can_be_run_again() {
    let app = App::start().await;
    let (ada, bob, mut worker) = (app.user(), app.user(), app.worker("w1").await);
    let settings = GenerationSettings { seed: Some(7), ..Default::default() };
    let first = ada
        .ask(CreateGenerationRequest { settings: Some(settings), ..wanted("a fox") })
        .await
        .expect("accepted");
    worker.work_off(1).await;
    let made = ada.get(&first.name).await.expect("it is there").images.remove(0);

    let edit = CreateGenerationRequest { references: vec![image(&made.name)], ..wanted("with a hat") };
    let edit = ada.ask(edit).await.expect("accepted");
    assert_eq!((edit.parent.as_str(), edit.operation()), (first.name.as_str(), Operation::ImageToImage));
    let again = |request_id: &str, keep_seed| RunGenerationAgainRequest {
        request_id: request_id.to_owned(),
        name: first.name.clone(),
        keep_seed,
        ..Default::default()
    };
    let repeated = ada.run_again(again("r1", true)).await.expect("accepted");
    assert_eq!((repeated.parent.as_str(), repeated.prompt.as_str()), (first.name.as_str(), "a fox"));
    assert_eq!(repeated.settings.as_ref().and_then(|settings| settings.seed), Some(7));
    assert_eq!(ada.run_again(again("r1", true)).await.expect("the same").name, repeated.name);
    let other = ada.run_again(again("r1", false)).await.expect_err("another body");
    assert_eq!(other.code(), Code::RequestIdReused);
    let edited_again = RunGenerationAgainRequest { name: edit.name.clone(), ..Default::default() };
    let grandchild = ada.run_again(edited_again).await.expect("accepted");
    assert_eq!(grandchild.inputs, edit.inputs);

    worker.work_off(3).await;
    let expected = [&grandchild.name, &repeated.name, &edit.name, &first.name];
    for member in expected {
        let versions = ada.versions(member).await.expect("a page");
        assert_eq!(versions.iter().map(|version| &version.name).collect::<Vec<_>>(), expected);
    }
    assert_eq!(bob.versions(&first.name).await.expect_err("foreign").code(), Code::NotFound);
    assert_eq!(bob.run_again(again("r2", true)).await.expect_err("foreign").code(), Code::NotFound);
    app.ends_clean().await;
}

/// A generation of this user whose one image is this file: their names.
async fn made(ada: &User, worker: &mut Worker, file: &[u8]) -> (String, String) {
    let created = ada.create("a fox").await;
    let attempt = worker.job().await;
    let stored = attempt.store_bytes(0, file.to_vec().into()).await;
    assert!(attempt.conclude(vec![stored], Ending::Complete(Complete {})).await);
    attempt.announce().await;
    let image = ada.sees_the_end(&created.name).await.images.remove(0);
    (created.name, image.name)
}

#[tokio::test]
async fn the_file_of_an_image_that_is_sent_back_is_that_image() {
    let app = App::start().await;
    let (ada, bob, mut worker) = (app.user(), app.user(), app.worker("w1").await);
    let file = picture(64, 48, 1);
    let (first, hers) = made(&ada, &mut worker, &file).await;

    assert_eq!(ada.upload(&file).await.expect("known").name, hers);
    let edit = CreateGenerationRequest { references: vec![data(file)], ..wanted("with a hat") };
    let edited = ada.ask(edit.clone()).await.expect("accepted");
    assert_eq!((&edited.parent, &edited.inputs[0].image), (&first, &hers));
    let theirs = bob.ask(edit).await.expect("accepted");
    assert_eq!(theirs.parent, "", "what is hers is nothing that he comes from");
    assert_ne!(theirs.inputs[0].image, hers);
    worker.work_off(2).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn of_equal_images_the_first_is_the_one_that_a_file_stands_for() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let file = picture(64, 48, 1);
    let uploaded = ada.upload(&file).await.expect("kept").name;
    let (_, first) = made(&ada, &mut worker, &file).await;
    made(&ada, &mut worker, &file).await;
    assert_eq!(ada.upload(&file).await.expect("known").name, first);
    assert!(ada.get_image(&uploaded).await.is_ok(), "what was uploaded before stays");
    app.ends_clean().await;
}
