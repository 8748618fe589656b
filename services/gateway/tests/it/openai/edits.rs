//! `POST /v1/images/edits` and `/v1/images/variations`: pictures from forms and from JSON, masks of OpenAI.

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt as _, stream};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use imagioo_proto::generation::v1::{InputRole, Operation};
use serde_json::{Value, json};

use super::{EDITS, under_way};
use crate::harness::{App, Program, answer, eventually, form};

fn png(pixels: impl Into<DynamicImage>) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    pixels.into().write_to(&mut file, ImageFormat::Png).expect("encodes");
    file.into_inner()
}

fn picture(shade: u8) -> Vec<u8> {
    png(RgbImage::from_pixel(64, 48, Rgb([shade, 40, 80])))
}

/// Transparent on the left, where to edit.
fn mask(width: u32) -> Vec<u8> {
    png(RgbaImage::from_fn(width, 48, |x, _| Rgba([0, 0, 0, if x < 20 { 0 } else { 255 }])))
}

fn data_url(file: &[u8]) -> Value {
    json!({ "image_url": format!("data:image/png;base64,{}", STANDARD.encode(file)) })
}

#[tokio::test]
async fn a_form_and_json_with_the_same_pictures_are_the_same_edit() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let program = app.program(&ada);
    let texts = [
        ("prompt", "a red scarf"),
        ("model", "sketch"),
        ("n", "2"),
        ("size", "512x512"),
        ("input_fidelity", "low"),
    ];
    let files = [("image[]", picture(1)), ("image[]", picture(2)), ("mask", mask(64))];
    let files: Vec<_> = files.iter().map(|(name, file)| (*name, file.as_slice())).collect();
    let body = json!({
        "prompt": "a red scarf", "model": "sketch", "n": 2, "size": "512x512", "input_fidelity": "low",
        "images": [data_url(&picture(1)), data_url(&picture(2))], "mask": data_url(&mask(64)),
    });
    let mut inputs = Vec::new();
    for call in [
        program.call(reqwest::Method::POST, EDITS).multipart(form(&texts, &files)),
        program.call(reqwest::Method::POST, EDITS).json(&body),
    ] {
        let asked = under_way(answer(call));
        let job = worker.job().await;
        let settings = job.job.settings.clone().expect("settings");
        assert_eq!(
            (job.job.operation(), job.job.count, settings.size.as_str()),
            (Operation::Inpaint, 2, "512x512")
        );
        let roles: Vec<_> = job.job.inputs.iter().map(|input| input.role()).collect();
        assert_eq!(roles, [InputRole::Reference, InputRole::Reference, InputRole::Mask]);
        assert_eq!(job.input(1).await, picture(2));
        let turned = image::load_from_memory(&job.input(2).await).expect("a picture").into_luma8();
        assert_eq!(
            (turned.get_pixel(19, 5).0, turned.get_pixel(20, 5).0),
            ([255], [0]),
            "white where to repaint"
        );
        inputs.push(job.job.inputs.clone());
        job.deliver_all().await;
        asked.await.expect("answered").good();
    }
    assert_eq!(inputs[0], inputs[1], "each picture is kept once");
    app.ends_clean().await;
}

#[tokio::test]
async fn an_edit_without_a_mask_may_start_from_an_image_of_the_caller() {
    let app = App::start().await;
    let (ada, bob, mut worker) = (app.user(), app.user(), app.worker("w1").await);
    let kept = ada.upload(&picture(3)).await.expect("kept");
    let id = kept.name.trim_start_matches("images/").to_owned();
    let body = |id: &str| json!({ "prompt": "at night", "images": [{ "file_id": id }] });
    let program = app.program(&ada);
    let asked = body(&id);
    let asked = under_way(async move { program.post(EDITS, asked).await });
    let job = worker.job().await;
    assert_eq!(job.job.operation(), Operation::ImageToImage);
    assert_eq!(job.input(0).await, picture(3));
    job.deliver_all().await;
    asked.await.expect("answered").good();

    let foreign = app.program(&bob).post(EDITS, body(&kept.name)).await;
    assert_eq!((foreign.error().0, foreign.error().2.as_str()), (404, "not_found"));
    app.ends_clean().await;
}

#[tokio::test]
async fn a_user_has_room_for_so_many_pictures_on_their_way_and_all_of_it_back_once_they_arrived() {
    let app = App::with("http.user_bodies = 1").await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let program = app.program(&ada);
    let edit = |program: &Program| {
        let call = form(&[("prompt", "at night")], &[("image", &picture(1))]);
        under_way(answer(program.call(reqwest::Method::POST, EDITS).multipart(call)))
    };
    let (piece, never) = ([Ok::<_, std::io::Error>("{")], stream::pending());
    let slow = program.call(reqwest::Method::POST, EDITS).header("content-type", "application/json");
    let slow = under_way(slow.body(reqwest::Body::wrap_stream(stream::iter(piece).chain(never))).send());
    eventually("there is no room left", async || {
        let refused = program.post(EDITS, json!({})).await;
        refused.status.as_u16() == 429 && refused.error().2 == "rate_limit_exceeded"
    })
    .await;
    let other = edit(&app.program(&app.user()));
    worker.work_off(1).await;
    other.await.expect("answered").good();
    slow.abort();
    eventually("it is free again", async || program.post(EDITS, json!({})).await.status.as_u16() == 400)
        .await;
    let (first, job) = (edit(&program), worker.job().await);
    let (second, other) = (edit(&program), worker.job().await);
    for job in [job, other] {
        job.deliver_all().await;
    }
    for answer in [first, second] {
        answer.await.expect("answered").good();
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn a_variation_needs_a_picture_and_no_words() {
    let mut app = App::start().await;
    app.restart_with_catalogue(|text| {
        text.replace("\"inpaint\", \"upscale\"", "\"inpaint\", \"upscale\", \"variation\"")
    })
    .await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let program = app.program(&ada);
    let call =
        form(&[("n", "2"), ("response_format", "b64_json"), ("user", "u-1")], &[("image", &picture(1))]);
    let asked = program.clone();
    let asked = under_way(async move { asked.post_form("/v1/images/variations", call).await });
    let job = worker.job().await;
    assert_eq!((job.job.operation(), job.job.count, job.job.prompt.as_str()), (Operation::Variation, 2, ""));
    job.deliver_all().await;
    assert_eq!(asked.await.expect("answered").good()["data"].as_array().map(Vec::len), Some(2));

    for (texts, files, code, param) in [
        (vec![("n", "2")], vec![], "missing_required_parameter", "image"),
        (vec![("prompt", "a fox")], vec![("image", picture(1))], "unknown_parameter", "prompt"),
        (vec![("stream", "true")], vec![("image", picture(1))], "unknown_parameter", "stream"),
        (vec![], vec![("image", picture(1)), ("mask", mask(64))], "unknown_parameter", "mask"),
        (vec![("n", "two")], vec![("image", picture(1))], "invalid_value", "n"),
        (vec![("n", "1"), ("n", "2")], vec![("image", picture(1))], "invalid_value", "n"),
    ] {
        let files: Vec<_> = files.iter().map(|(name, file)| (*name, file.as_slice())).collect();
        let refused = program.post_form("/v1/images/variations", form(&texts, &files)).await;
        let expected = (400, "invalid_request_error".to_owned(), code.to_owned(), Some(param.to_owned()));
        assert_eq!(refused.error(), expected, "{texts:?}");
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn pictures_that_cannot_be_used_are_refused_before_anything_is_held() {
    let app = App::start().await;
    let program = app.program(&app.user());
    let opaque = png(RgbImage::from_pixel(64, 48, Rgb([0, 0, 0])));
    for (files, code, param) in [
        (vec![], "missing_required_parameter", "image"),
        (vec![("image", b"<html>".to_vec())], "invalid_image_file", "image"),
        (vec![("image", picture(1)), ("mask", b"<html>".to_vec())], "invalid_image_file", "mask"),
        (vec![("image", picture(1)), ("mask", opaque)], "invalid_image_file", "mask"),
        (vec![("image", picture(1)), ("mask", mask(32))], "invalid_value", "mask"),
        (vec![("image", picture(1)), ("mask", mask(64)), ("mask", mask(64))], "invalid_value", "mask"),
        (
            vec![("image[]", picture(1)), ("image[]", picture(2)), ("image[]", picture(3))],
            "unsupported_value",
            "image",
        ),
        (vec![("image", picture(1)), ("markup", mask(64))], "invalid_type", "markup"),
    ] {
        let files: Vec<_> = files.iter().map(|(name, file)| (*name, file.as_slice())).collect();
        let refused = program.post_form(EDITS, form(&[("prompt", "a fox")], &files)).await;
        let expected = (400, "invalid_request_error".to_owned(), code.to_owned(), Some(param.to_owned()));
        assert_eq!(refused.error(), expected, "{}", refused.body);
    }
    for (fidelity, code) in [("high", "unsupported_value"), ("medium", "invalid_value")] {
        let call = form(&[("prompt", "a fox"), ("input_fidelity", fidelity)], &[("image", &picture(1))]);
        let refused = program.post_form(EDITS, call).await;
        assert_eq!(
            (refused.error().2.as_str(), refused.error().3.as_deref()),
            (code, Some("input_fidelity"))
        );
        assert!(refused.body.contains("low"), "it says what to do: {}", refused.body);
    }
    for (image, code) in [
        (json!({ "image_url": "https://example.com/fox.png" }), "invalid_image_url"),
        (json!({ "image_url": "http://169.254.169.254/latest" }), "invalid_image_url"),
        (json!({ "file_id": "file-abc" }), "invalid_value"),
        (json!({ "image_url": "data:image/png;base64,Zm94", "file_id": "img_1" }), "invalid_type"),
        (json!("data:image/png;base64,Zm94"), "invalid_type"),
    ] {
        let refused = program.post(EDITS, json!({ "prompt": "a fox", "images": [image] })).await;
        assert_eq!((refused.error().0, refused.error().2.as_str()), (400, code), "{}", refused.body);
    }
    assert_eq!(app.billing.calls(), 0);
    app.ends_clean().await;
}
