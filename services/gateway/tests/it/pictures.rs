//! Generations that start from pictures: uploads, masks, versions.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use imagioo_proto::generation::v1::image_input::Source;
use imagioo_proto::generation::v1::{
    CreateGenerationRequest, EstimateGenerationRequest, GenerationSettings, ImageInput, ImageOrigin,
    InputRole, Margins, Operation,
};
use imagioo_rpc::Code;

use crate::harness::{App, eventually, wanted};

mod versions;

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
async fn what_would_become_larger_than_a_worker_keeps_is_refused_before_anything_is_held() {
    let app = App::with("results.max_pixels = 12288").await;
    let ada = app.user();
    let (fits, larger) = (picture(64, 48, 1), picture(65, 48, 1));
    let upscale = |file: &[u8]| CreateGenerationRequest {
        operation: Operation::Upscale.into(),
        references: vec![data(file.to_vec())],
        ..wanted("")
    };
    let refused = ada.ask(upscale(&larger)).await.expect_err("130x96 pixels");
    assert_eq!(refused.code(), Code::SettingUnsupported);
    assert_eq!(refused.violations()[0].0, "settings.upscale_factor");
    assert!(refused.violations()[0].1.contains("130x96"), "{refused}");
    let sized = ada.ask(wanted("a fox")).await.expect_err("1024x1024 pixels");
    assert_eq!(sized.violations()[0].0, "settings.size");

    let before = ada.list_models().await;
    app.edit_catalogue(|text| text.replacen("\"upscale\"]", "\"upscale\", \"outpaint\"]", 1));
    eventually("the new catalogue", async || ada.list_models().await != before).await;
    let outpaint = |right| CreateGenerationRequest {
        operation: Operation::Outpaint.into(),
        references: vec![data(fits.clone())],
        settings: Some(GenerationSettings {
            margins: Some(Margins { right, ..Margins::default() }),
            ..GenerationSettings::default()
        }),
        ..wanted("")
    };
    let refused = ada.ask(outpaint(193)).await.expect_err("257x48 pixels");
    assert_eq!(refused.violations()[0].0, "settings.margins");
    assert_eq!((app.billing.calls(), app.count().await), (0, 0), "nothing is held");
    assert!(ada.ask(upscale(&fits)).await.is_ok() && ada.ask(outpaint(192)).await.is_ok());
    app.worker("w1").await.work_off(2).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn what_larger_references_cost_is_estimated_held_and_charged_alike() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let before = ada.list_models().await;
    app.edit_catalogue(|text| {
        let price =
            "prices = [{ credits = 5, credits_per_reference = 1, credits_per_input_megapixel = 1.5 }]";
        text.replacen("prices = [{ credits = 5 }]", price, 1)
    });
    eventually("the new catalogue", async || ada.list_models().await != before).await;
    let shown = ada.list_models().await.models.remove(0);
    assert_eq!((shown.price, shown.prices[0].credits_per_input_megapixel), (5, 1.5));
    assert_eq!(ada.create("a fox").await.price, 5, "without references nothing is added");
    worker.work_off(1).await;

    let (large, small) = (picture(1100, 1000, 1), picture(64, 48, 2));
    let kept = ada.upload(&large).await.expect("kept").name;
    let estimate = |references: i32, reference_images: Vec<String>| {
        ada.says(EstimateGenerationRequest {
            model: "models/sketch".to_owned(),
            count: 2,
            references,
            reference_images,
            ..EstimateGenerationRequest::default()
        })
    };
    let unknown = ada.generations().estimate_generation(estimate(1, Vec::new())).await.expect("a price");
    assert_eq!(unknown.into_inner().price, 2 * (5 + 3), "a reference and one megapixel, rounded up");
    let known =
        ada.generations().estimate_generation(estimate(0, vec![kept.clone()])).await.expect("a price");
    assert_eq!(known.into_inner().price, 2 * (5 + 1 + 3), "two begun megapixels");

    let call = |most| CreateGenerationRequest {
        count: 2,
        references: vec![image(&kept), data(small.clone())],
        max_credits: Some(most),
        ..wanted("a hat")
    };
    // Two references, three begun megapixels.
    let each = 5 + 7;
    let dear = ada.ask(call(2 * each - 1)).await.expect_err("too dear");
    assert_eq!((dear.code(), dear.details()["price"].as_str()), (Code::PriceAboveLimit, "24"));
    let made = ada.ask(call(2 * each)).await.expect("accepted");
    assert_eq!(made.price, 2 * each);
    worker.job().await.deliver(1).await;
    assert_eq!(ada.sees_the_end(&made.name).await.charge, each, "one of two was delivered");
    app.ends_clean().await;
}
