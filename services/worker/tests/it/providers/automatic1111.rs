//! AUTOMATIC1111, after its `modules/api` and `modules/progress.py`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imagioo_picture::{Margins, Operation, Settings, Size};
use imagioo_testkit::web::{Asked, Reply, WebServer};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::conformance::{Good, Step, Trial, Wire, conformance};
use crate::harness::{Running, World, ending, job_at, picture};
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
    const COMPLAINT: &'static str =
        r#"{"error":"OutOfMemoryError","detail":"","body":"","errors":"CUDA out of memory."}"#;

    fn step(&self, asked: &Asked) -> Step {
        if asked.path == "/internal/progress" { Step::Other } else { Step::Submit }
    }

    fn good(&mut self, asked: &Asked, good: &Good<'_>) -> Reply {
        let basic = format!("Basic {}", STANDARD.encode("user:test-key"));
        assert_eq!(asked.header("authorization"), Some(basic.as_str()));
        let file = STANDARD.encode(good.file);
        let body = match asked.path.as_str() {
            "/sdapi/v1/extra-single-image" => json!({ "html_info": "", "image": file }),
            "/internal/progress" => json!({ "active": false, "queued": true, "completed": false }),
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
    let (path, mut body) = asked(&mut world, job.clone()).await;
    let task = body.as_object_mut().expect("fields").remove("force_task_id");
    let named = task.is_some_and(|task| task.as_str().is_some_and(|task| task.starts_with("task(")));
    assert!(named, "the server is told under what name it will be asked");
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
        job.settings = Settings::default();
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

/// A server that works until it is released, and says this to each question after how far it is.
async fn busy(
    world: &World,
    released: &Arc<Notify>,
    mut progress: impl FnMut() -> Value + Send + 'static,
) -> (WebServer, Running) {
    let released = Arc::clone(released);
    let server = WebServer::start(move |asked| {
        let file = STANDARD.encode(picture(1));
        if asked.path.ends_with("/progress") {
            return Reply::json(200, &progress().to_string());
        }
        let made = Reply::json(200, &json!({ "images": [file], "info": "{}" }).to_string());
        Reply::When(Arc::clone(&released), Box::new(made))
    })
    .await;
    let account = toml::Table::from_iter([
        ("kind".to_owned(), "automatic1111".into()),
        ("base_url".to_owned(), server.url("").into()),
    ]);
    let providers = toml::Table::from_iter([("provider".to_owned(), account.into())]);
    let worker = world.start_configured(toml::Table::from_iter([("providers".to_owned(), providers.into())]));
    (server, worker)
}

/// Runs one job until `percent` is shown, else until the server was asked twice; every percentage that was shown.
/// Nothing but percentages may be.
async fn shown(percent: Option<i32>, progress: fn() -> Value) -> Vec<i32> {
    let (mut world, released, mut questions) = (World::new().await, Arc::new(Notify::new()), 0);
    let answered = Arc::clone(&released);
    let (server, worker) = busy(&world, &released, move || {
        questions += 1;
        if percent.is_none() && questions == 2 {
            answered.notify_one();
        }
        progress()
    })
    .await;
    let mut hints = world.progress().await;
    world.submit(&job_at("provider", 1)).await;
    let mut percents = Vec::new();
    let mut outcome = std::pin::pin!(world.outcome());
    let outcome = loop {
        tokio::select! {
            hint = crate::harness::next(&mut hints) => {
                assert_eq!(hint.preview, None, "it may be somebody else's");
                percents.push(hint.percent);
                if percent == Some(hint.percent) {
                    released.notify_one();
                }
            }
            outcome = &mut outcome => break outcome,
        }
    };
    assert_eq!(ending(&outcome.manifest), "complete");
    worker.stop().await;
    let asked = server.asked();
    let sent = asked.iter().find(|asked| asked.path == "/sdapi/v1/txt2img").expect("a submit").json();
    let questions: Vec<_> = asked.iter().filter(|asked| asked.path.ends_with("/progress")).collect();
    assert!(!questions.is_empty());
    for question in questions {
        assert_eq!(question.path, "/internal/progress", "not what the server shows of whatever it runs");
        assert_eq!(question.json()["id_task"], sent["force_task_id"]);
        assert_eq!(question.json()["live_preview"], false);
    }
    percents
}

#[tokio::test]
async fn how_far_its_own_task_is_shows_without_a_draft() {
    let percents = shown(Some(40), || {
        let file = STANDARD.encode(picture(9));
        json!({ "active": true, "progress": 0.4, "live_preview": format!("data:image/png;base64,{file}"),
            "current_image": file })
    });
    assert!(percents.await.contains(&40));
}

/// While another job runs there, or on servers that know no tasks, nothing is known.
#[tokio::test]
async fn nothing_is_shown_of_another_job_that_the_server_works_on() {
    let percents = shown(None, || {
        let file = STANDARD.encode(picture(9));
        json!({ "active": false, "queued": true, "progress": 0.4, "current_image": file })
    });
    assert!(percents.await.iter().all(|percent| *percent == 0));
    let percents = shown(None, || json!({ "progress": 0.4, "current_image": STANDARD.encode(picture(9)) }));
    assert!(percents.await.iter().all(|percent| *percent == 0));
}

#[tokio::test]
async fn a_server_is_asked_for_one_job_at_a_time() {
    let (mut world, released) = (World::new().await, Arc::new(Notify::new()));
    let answered = Arc::clone(&released);
    let (server, worker) = busy(&world, &released, move || {
        answered.notify_one();
        json!({ "active": false })
    })
    .await;
    for _ in 0..2 {
        world.submit(&job_at("provider", 1)).await;
    }
    for _ in 0..2 {
        assert_eq!(ending(&world.outcome().await.manifest), "complete");
    }
    let paths: Vec<_> = server.asked().iter().map(|asked| asked.path.clone()).collect();
    let is_submit = |path: &String| path == "/sdapi/v1/txt2img";
    let submits: Vec<_> = (0..paths.len()).filter(|place| is_submit(&paths[*place])).collect();
    assert_eq!(submits.len(), 2);
    assert!(submits[1] - submits[0] > 1, "the first one was asked after before the other came: {paths:?}");
    worker.stop().await;
}

#[tokio::test]
async fn a_large_picture_is_changed_at_a_size_the_server_can_make_and_not_continued() {
    let mut world = World::new().await;
    let mut job = job_at("provider", 1);
    job.settings = Settings::default();
    job.operation = Operation::ImageToImage;
    job.references = vec![kept(&world, &job, &picture(1)).await];
    job.references[0].size = Size { width: 8000, height: 5000 };
    let (_, body) = asked(&mut world, job.clone()).await;
    assert_eq!((&body["width"], &body["height"]), (&json!(1936), &json!(1208)));
    job.lease.generation = imagioo_types::GenerationId::generate();
    job.deployment.options =
        std::sync::Arc::new(serde_json::Map::from_iter([("max_pixels".into(), 1.into())]));
    let (_, body) = asked(&mut world, job.clone()).await;
    assert_eq!((&body["width"], &body["max_pixels"]), (&json!(8), &Value::Null), "an option for the adapter");
    job.lease.generation = imagioo_types::GenerationId::generate();
    job.operation = Operation::Outpaint;
    job.settings.margins = Some(Margins { left: 16, top: 0, right: 0, bottom: 16 });
    let verdict = Trial::default().run_job::<Automatic1111>(&mut world, job).await;
    assert_eq!((ending(&verdict.manifest).as_str(), verdict.asked.len()), ("failed:INPUT_UNUSABLE", 0));
}
