//! Generations that start from pictures: uploads, masks, versions.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use imagioo_proto::generation::v1::image_input::Source;
use imagioo_proto::generation::v1::{
    CreateGenerationRequest, GenerationSettings, ImageInput, ImageOrigin, InputRole, Operation,
    RunGenerationAgainRequest,
};
use imagioo_rpc::Code;

use crate::harness::{App, wanted};

/// A picture of so many pixels whose bytes depend on `shade`.
fn picture(width: u32, height: u32, shade: u8) -> Vec<u8> {
    let pixels = RgbImage::from_pixel(width, height, Rgb([shade, 40, 80]));
    let mut file = Cursor::new(Vec::new());
    DynamicImage::from(pixels).write_to(&mut file, ImageFormat::Png).expect("encodes");
    file.into_inner()
}

fn image(name: &str) -> ImageInput {
    ImageInput { source: Some(Source::Image(name.to_owned())) }
}

fn data(file: Vec<u8>) -> ImageInput {
    ImageInput { source: Some(Source::Data(file.into())) }
}

#[tokio::test]
async fn an_upload_is_kept_once_and_can_be_downloaded() {
    let app = App::start().await;
    let (ada, bob) = (app.user(), app.user());
    let file = picture(64, 48, 1);
    let kept = ada.upload(&file).await.expect("kept");
    assert_eq!((kept.origin(), kept.width, kept.height), (ImageOrigin::Upload, 64, 48));
    assert!(kept.generation.is_empty());
    assert_eq!(ada.upload(&file).await.expect("the same").name, kept.name);
    assert_ne!(bob.upload(&file).await.expect("his own").name, kept.name);
    assert_eq!(ada.download(&kept.name, 0).await.expect("bytes").1.concat(), file);
    let foreign = bob.get_image(&kept.name).await.expect_err("foreign");
    assert_eq!(foreign.code(), Code::NotFound);
    app.ends_clean().await;
}

#[tokio::test]
async fn what_is_no_picture_is_refused_and_nothing_is_kept() {
    let app = App::start().await;
    let ada = app.user();
    let whole = picture(64, 48, 1);
    for file in [b"<html>".to_vec(), Vec::new(), whole[..whole.len() - 20].to_vec(), b"GIF89a".to_vec()] {
        assert_eq!(ada.upload(&file).await.expect_err("refused").code(), Code::ImageUnusable);
        let call = CreateGenerationRequest { references: vec![data(file)], ..wanted("a fox") };
        assert_eq!(ada.ask(call).await.expect_err("refused").code(), Code::ImageUnusable);
    }
    assert!(ada.list_images(10, "").await.expect("a page").images.is_empty());
    assert_eq!(app.billing.calls(), 0, "nothing is held");
    app.ends_clean().await;
}

#[tokio::test]
async fn a_worker_is_given_every_picture_in_its_role() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let (first, second) = (picture(64, 48, 1), picture(32, 32, 2));
    let known = ada.upload(&first).await.expect("kept");
    let call = CreateGenerationRequest {
        references: vec![image(&known.name), data(second.clone())],
        mask: Some(data(picture(64, 48, 255))),
        ..wanted("a hat")
    };
    let created = ada.ask(call).await.expect("accepted");
    assert_eq!(created.operation(), Operation::Inpaint, "found from the mask");
    let roles: Vec<_> = created.inputs.iter().map(|input| input.role()).collect();
    assert_eq!(roles, [InputRole::Reference, InputRole::Reference, InputRole::Mask]);
    assert_eq!(created.inputs[0].image, known.name);
    assert_eq!(ada.download(&created.inputs[1].image, 0).await.expect("kept").1.concat(), second);

    let attempt = worker.job().await;
    assert_eq!(attempt.job.operation(), Operation::Inpaint);
    let sizes: Vec<_> = attempt.job.inputs.iter().map(|input| (input.width, input.height)).collect();
    assert_eq!(sizes, [(64, 48), (32, 32), (64, 48)]);
    let key = attempt.job.inputs[0].object_key.parse().expect("a key");
    assert_eq!(app.storage.read(&key).await.expect("readable").expect("there"), first);
    attempt.deliver_all().await;
    app.ends_clean().await;
}

#[tokio::test]
async fn pictures_that_do_not_suit_are_refused_before_anything_is_held() {
    let app = App::start().await;
    let (ada, bob) = (app.user(), app.user());
    let own = ada.upload(&picture(64, 48, 1)).await.expect("kept").name;
    let foreign = bob.upload(&picture(64, 48, 2)).await.expect("kept").name;
    let with = |references: Vec<ImageInput>| CreateGenerationRequest { references, ..wanted("a fox") };
    let mask = |mask: Vec<u8>| CreateGenerationRequest { mask: Some(data(mask)), ..with(vec![image(&own)]) };
    let upscale = |settings| CreateGenerationRequest {
        operation: Operation::Upscale.into(),
        settings: Some(settings),
        ..with(vec![image(&own)])
    };
    let factor = |factor| GenerationSettings { upscale_factor: Some(factor), ..Default::default() };
    let cases = [
        (with(vec![image(&foreign)]), Code::NotFound),
        (with(vec![image("images/none")]), Code::InvalidArgument),
        (with(vec![ImageInput { source: None }]), Code::InvalidArgument),
        (with(vec![image(&own), image(&own), image(&own)]), Code::SettingUnsupported),
        (mask(picture(48, 64, 3)), Code::InvalidArgument),
        (upscale(factor(3)), Code::SettingUnsupported),
        (
            CreateGenerationRequest { model: "models/careful".to_owned(), ..with(vec![image(&own)]) },
            Code::SettingUnsupported,
        ),
        (CreateGenerationRequest { prompt: String::new(), ..with(vec![image(&own)]) }, Code::InvalidArgument),
        (
            CreateGenerationRequest { parent: "generations/none".to_owned(), ..wanted("a fox") },
            Code::InvalidArgument,
        ),
    ];
    for (call, expected) in cases {
        let refusal = ada.ask(call.clone()).await.expect_err("refused");
        assert_eq!(refusal.code(), expected, "{call:?}");
    }
    assert_eq!(app.billing.calls(), 0, "nothing is held");
    let accepted = CreateGenerationRequest { prompt: String::new(), ..upscale(factor(2)) };
    assert!(ada.ask(accepted).await.is_ok(), "an upscale needs no words");
    app.worker("w1").await.work_off(1).await;
    app.ends_clean().await;
}

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
