//! Stability, after platform.stability.ai.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imagioo_picture::{Margins, Operation, Settings};
use imagioo_testkit::web::{Asked, Reply};
use imagioo_types::Wording;
use imagioo_worker::job::Job;
use serde_json::json;

use crate::conformance::{Good, Step, Trial, Wire, conformance};
use crate::harness::{World, ending, job_at, picture, screened};
use crate::pictures::{kept, mask};

#[derive(Default)]
struct Stability;

fn is_submit(asked: &Asked) -> bool {
    asked.method == "POST" && asked.path.starts_with("/v2beta/stable-image/")
}

fn refusals() -> Vec<(&'static str, Step, Reply, &'static str)> {
    let filtered =
        Reply::json(200, r#"{"image":"iVBORw0KGgo=","finish_reason":"CONTENT_FILTERED","seed":1}"#);
    let moderated = Reply::json(403, r#"{"id":"a1","name":"content_moderation","errors":["flagged"]}"#);
    let under_200 = Reply::json(200, r#"{"id":"a1","name":"content_moderation","errors":["flagged"]}"#);
    vec![
        ("of the image", Step::Submit, filtered, "output:"),
        ("of the prompt, under 200", Step::Submit, under_200, "input:"),
        ("of the prompt", Step::Submit, moderated, "input:"),
    ]
}

impl Wire for Stability {
    const KIND: &'static str = "stability";
    const BASE: &'static str = "/v2beta";
    const LINKS: bool = false;
    const CHECK: (&'static str, u16) = ("/v1/user/balance", 200);
    const TASK: Option<&'static str> = None;
    const COMPLAINT: &'static str = COMPLAINT;

    fn step(&self, asked: &Asked) -> Step {
        if is_submit(asked) { Step::Submit } else { Step::Other }
    }

    fn good(&mut self, asked: &Asked, good: &Good<'_>) -> Reply {
        assert_eq!(asked.header("authorization"), Some("Bearer test-key"));
        assert_eq!(asked.header("accept"), Some("application/json"));
        assert!(!asked.parts().is_empty(), "a form");
        let body =
            json!({ "image": STANDARD.encode(good.file), "finish_reason": "SUCCESS", "seed": 343_940_597 });
        Reply::json(200, &body.to_string())
    }

    fn refusals() -> Vec<(&'static str, Step, Reply, &'static str)> {
        refusals()
    }

    fn prepare(job: &mut Job) {
        job.settings.size = None;
    }
}

const COMPLAINT: &str = r#"{"id":"a1b2","name":"bad_request","errors":["width: too small"]}"#;

conformance!(Stability);

/// The creative upscale, which answers with an id.
mod later {
    use super::*;

    #[derive(Default)]
    struct Creative {
        polls: u32,
    }

    impl Wire for Creative {
        const KIND: &'static str = "stability";
        const BASE: &'static str = "/v2beta";
        const LINKS: bool = false;
        const CHECK: (&'static str, u16) = ("/v1/user/balance", 200);
        const TASK: Option<&'static str> =
            Some("a6dc6c6e20acda010fe14d71f180658f2896ed9b4ec25aa99a6ff06c796987c4");

        const COMPLAINT: &'static str = COMPLAINT;
        const PICTURE: bool = true;

        fn prepare(job: &mut Job) {
            job.operation = Operation::Upscale;
            job.settings = Settings { seed: Some(7), ..Settings::default() };
            job.deployment.endpoint = "stable-image/upscale/creative".to_owned();
        }

        fn step(&self, asked: &Asked) -> Step {
            if asked.path == "/v2beta/stable-image/upscale/creative" {
                Step::Submit
            } else if Self::TASK.is_some_and(|id| asked.path == format!("/v2beta/results/{id}")) {
                Step::Poll
            } else {
                Step::Other
            }
        }

        fn good(&mut self, asked: &Asked, good: &Good<'_>) -> Reply {
            assert_eq!(asked.header("authorization"), Some("Bearer test-key"));
            if self.step(asked) == Step::Submit {
                assert!(asked.part("image").is_some() && asked.part("prompt").is_some());
                return Reply::json(200, &json!({ "id": Self::TASK }).to_string());
            }
            self.polls += 1;
            if self.polls == 1 {
                return Reply::json(202, r#"{"id":"a6","status":"in-progress"}"#);
            }
            let body = json!({ "result": STANDARD.encode(good.file), "finish_reason": "SUCCESS", "seed": 1 });
            Reply::json(200, &body.to_string())
        }

        fn refusals() -> Vec<(&'static str, Step, Reply, &'static str)> {
            let filtered =
                Reply::json(200, r#"{"result":"iVBORw0KGgo=","finish_reason":"CONTENT_FILTERED"}"#);
            let moderated =
                Reply::json(200, r#"{"id":"a1","name":"content_moderation","errors":["flagged"]}"#);
            vec![
                ("of the image", Step::Poll, filtered, "output:"),
                ("under 200", Step::Poll, moderated.clone(), "input:"),
                ("at once, under 200", Step::Submit, moderated, "input:"),
            ]
        }
    }

    conformance!(Creative);
}

#[tokio::test]
async fn each_operation_has_its_place_and_its_fields() {
    let mut world = World::new().await;
    let mut job = job_at("provider", 1);
    job.settings = Settings { seed: Some(7), ..Settings::default() };
    let cases = [
        (Operation::TextToImage, "generate/sd3", vec!["model", "none", "output_format", "prompt", "seed"]),
        (
            Operation::ImageToImage,
            "generate/sd3",
            vec!["image", "mode", "model", "output_format", "prompt", "seed", "strength"],
        ),
        (
            Operation::Inpaint,
            "edit/inpaint",
            vec!["image", "mask", "model", "output_format", "prompt", "seed"],
        ),
        (
            Operation::Outpaint,
            "edit/outpaint",
            vec!["down", "image", "left", "model", "output_format", "prompt", "right", "seed", "up"],
        ),
        (
            Operation::RemoveBackground,
            "edit/remove-background",
            vec!["image", "model", "output_format", "prompt"],
        ),
    ];
    for (operation, place, expected) in cases {
        let mut job = job.clone();
        job.lease.generation = imagioo_types::GenerationId::generate();
        job.operation = operation;
        if operation == Operation::RemoveBackground {
            job.settings.seed = None;
        }
        let options = json!({ "model": "sd3.5-large" });
        job.deployment.options = std::sync::Arc::new(options.as_object().expect("options").clone());
        if operation != Operation::TextToImage {
            job.references = vec![kept(&world, &job, &picture(1)).await];
        }
        if operation == Operation::Inpaint {
            job.mask = Some(kept(&world, &job, &mask()).await);
        }
        job.settings.margins = Some(Margins { left: 16, top: 0, right: 0, bottom: 16 });
        let verdict = Trial::default().run_job::<Stability>(&mut world, job).await;
        assert_eq!(ending(&verdict.manifest), "complete");
        assert_eq!(verdict.manifest.images[0].seed, Some(343_940_597));
        let asked = &verdict.asked[0].1;
        assert_eq!(asked.path, format!("/v2beta/stable-image/{place}"));
        let mut names: Vec<_> = asked.parts().into_iter().map(|part| part.name).collect();
        names.sort();
        assert_eq!(names, expected, "{place}");
    }
}

/// imagioo asks for no words to enlarge a picture, and two of the upscales do.
#[tokio::test]
async fn an_upscale_without_words_has_words_where_there_must_be_some() {
    for (endpoint, expected) in [
        ("", vec!["image", "output_format", "prompt"]),
        ("stable-image/upscale/creative", vec!["image", "output_format", "prompt"]),
        ("stable-image/upscale/fast", vec!["image", "output_format"]),
    ] {
        let mut world = World::new().await;
        let mut job = job_at("provider", 1);
        job.prompt = screened(Wording { prompt: None, negative: None });
        job.operation = Operation::Upscale;
        job.settings = Settings { upscale_factor: Some(4), ..Settings::default() };
        job.deployment.endpoint = endpoint.to_owned();
        job.references = vec![kept(&world, &job, &picture(1)).await];
        let verdict = Trial::default().run_job::<Stability>(&mut world, job).await;
        assert_eq!(ending(&verdict.manifest), "complete");
        let mut names: Vec<_> = verdict.asked[0].1.parts().into_iter().map(|part| part.name).collect();
        names.sort();
        assert_eq!(names, expected, "{endpoint}");
    }
}

/// Aspect ratios are for what is made from words alone.
#[tokio::test]
async fn a_setting_that_an_operation_lacks_is_refused_and_not_left_out() {
    let mut world = World::new().await;
    let mut job = job_at("provider", 1);
    job.operation = Operation::ImageToImage;
    job.settings = Settings { aspect_ratio: Some("16:9".to_owned()), ..Settings::default() };
    job.references = vec![kept(&world, &job, &picture(1)).await];
    let verdict = Trial::default().run_job::<Stability>(&mut world, job).await;
    assert_eq!((ending(&verdict.manifest).as_str(), verdict.asked.len()), ("failed:SETTING_UNSUPPORTED", 0));
}
