//! AUTOMATIC1111, after its `modules/api`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imagioo_picture::{Margins, Operation};
use imagioo_testkit::web::{Asked, Reply};
use serde_json::{Value, json};

use crate::conformance::{Good, Step, Trial, Wire, conformance};
use crate::harness::{World, ending, job_at, picture};
use crate::pictures::{kept, mask};

#[derive(Default)]
struct Automatic1111;

impl Wire for Automatic1111 {
    const KIND: &'static str = "automatic1111";
    const OWN_KEYS: bool = false;
    const BASE: &'static str = "";
    const LINKS: bool = false;
    const CHECK: (&'static str, u16) = ("/sdapi/v1/sd-models", 200);
    const TASK: Option<&'static str> = None;
    const REPEATABLE: bool = true;
    const KEY: &'static str = "user:test-key";

    fn step(&self, asked: &Asked) -> Step {
        if asked.path == "/sdapi/v1/progress" { Step::Other } else { Step::Submit }
    }

    fn good(&mut self, asked: &Asked, good: &Good<'_>) -> Reply {
        let basic = format!("Basic {}", STANDARD.encode("user:test-key"));
        assert_eq!(asked.header("authorization"), Some(basic.as_str()));
        let file = STANDARD.encode(good.file);
        let body = match asked.path.as_str() {
            "/sdapi/v1/extra-single-image" => json!({ "html_info": "", "image": file }),
            "/sdapi/v1/progress" => json!({ "progress": 0.4, "eta_relative": 1.0, "current_image": null }),
            _ => json!({ "images": [file], "parameters": {}, "info": r#"{"seed": 42}"# }),
        };
        Reply::json(200, &body.to_string())
    }
}

conformance!(Automatic1111, refuses nothing);

async fn asked(world: &mut World, job: imagioo_worker::job::Job) -> (String, Value) {
    let verdict = Trial::default().run_job::<Automatic1111>(world, job).await;
    assert_eq!(ending(&verdict.manifest), "complete");
    let submit = &verdict.asked.iter().find(|(step, _)| *step == Step::Submit).expect("a submit").1;
    (submit.path.clone(), submit.json())
}

#[tokio::test]
async fn each_operation_has_its_place_and_its_pictures() {
    let mut world = World::new().await;
    let job = job_at("provider", 1);
    let (path, body) = asked(&mut world, job.clone()).await;
    let expected = json!({ "prompt": "a red fox under a full moon", "negative_prompt": "", "width": 64, "height": 48,
        "seed": 7, "override_settings": { "sd_model_checkpoint": "model-1" } });
    assert_eq!((path.as_str(), &body), ("/sdapi/v1/txt2img", &expected));
    for (operation, place, fields) in [
        (Operation::ImageToImage, "img2img", vec!["denoising_strength", "init_images"]),
        (Operation::Variation, "img2img", vec!["denoising_strength", "init_images"]),
        (Operation::Inpaint, "img2img", vec!["denoising_strength", "init_images", "mask"]),
        (
            Operation::Outpaint,
            "img2img",
            vec!["denoising_strength", "init_images", "inpainting_fill", "mask"],
        ),
        (Operation::Upscale, "extra-single-image", vec!["image", "upscaler_1", "upscaling_resize"]),
    ] {
        let mut job = job.clone();
        job.lease.generation = imagioo_types::GenerationId::generate();
        job.operation = operation;
        job.settings.size = None;
        job.settings.margins = Some(Margins { left: 16, top: 0, right: 0, bottom: 16 });
        job.references = vec![kept(&world, &job, &picture(1)).await];
        if operation == Operation::Inpaint {
            job.mask = Some(kept(&world, &job, &mask()).await);
        }
        let (path, body) = asked(&mut world, job).await;
        assert_eq!(path, format!("/sdapi/v1/{place}"));
        let names: Vec<_> = body.as_object().expect("fields").keys().map(String::as_str).collect();
        assert!(fields.iter().all(|field| names.contains(field)), "{operation:?}: {names:?}");
        if operation == Operation::Outpaint {
            assert_eq!((&body["width"], &body["height"]), (&json!(80), &json!(64)));
        }
    }
}

/// The server is asked how far it is while it works, and its draft is shown.
#[tokio::test]
async fn progress_and_a_draft_are_shown_while_it_works() {
    use std::time::Duration;

    use imagioo_testkit::web::WebServer;

    let mut world = World::new().await;
    let server = WebServer::start(|asked| {
        let file = STANDARD.encode(picture(1));
        if asked.path == "/sdapi/v1/progress" {
            let body = json!({ "progress": 0.4, "current_image": file });
            return Reply::json(200, &body.to_string());
        }
        let made = Reply::json(200, &json!({ "images": [file], "info": "{}" }).to_string());
        Reply::Late(Duration::from_millis(1500), Box::new(made))
    })
    .await;
    let account = toml::Table::from_iter([
        ("kind".to_owned(), "automatic1111".into()),
        ("base_url".to_owned(), server.url("").into()),
    ]);
    let providers = toml::Table::from_iter([("provider".to_owned(), account.into())]);
    let worker = world.start_configured(toml::Table::from_iter([("providers".to_owned(), providers.into())]));
    let mut hints = world.progress().await;
    let job = job_at("provider", 1);
    world.submit(&job).await;
    let shown = loop {
        let hint = crate::harness::next(&mut hints).await;
        if let Some(preview) = hint.preview {
            break (hint.percent, preview.data);
        }
    };
    assert_eq!(shown, (40, picture(1)));
    assert_eq!(ending(&world.outcome().await.manifest), "complete");
    worker.stop().await;
}
