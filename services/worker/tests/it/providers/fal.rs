//! fal's queue, after fal.ai/docs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imagioo_picture::{Operation, Settings};
use imagioo_testkit::web::{Asked, Reply, WebServer};
use serde_json::{Value, json};

use crate::conformance::{Fault, Good, Step, Trial, Wire, account, conformance};
use crate::harness::{World, ending, job_at, picture, registry};
use crate::pictures::{kept, mask};

#[derive(Default)]
struct Fal {
    polls: u32,
}

impl Wire for Fal {
    const KIND: &'static str = "fal";
    const BASE: &'static str = "";
    const LINKS: bool = true;
    const CHECK: (&'static str, u16) =
        ("/fal-ai/flux/requests/00000000-0000-4000-8000-000000000000/status", 404);
    const CHECK_BODY: &'static str = r#"{"detail":"Request not found"}"#;
    const REFUSES_STRANGERS: bool = true;
    const TASK: Option<&'static str> = Some(
        r#"{"status_url":"{origin}/fal-ai/flux/requests/r1/status","response_url":"{origin}/fal-ai/flux/requests/r1","cancel_url":"{origin}/fal-ai/flux/requests/r1/cancel"}"#,
    );
    const SERVER_ERROR_CHARGED: &'static str = "no";
    const COMPLAINT: &'static str =
        r#"{"detail":[{"loc":["body","prompt"],"msg":"field required","type":"value_error.missing"}]}"#;

    fn step(&self, asked: &Asked) -> Step {
        match (asked.method.as_str(), asked.path.as_str()) {
            ("POST", "/fal-ai/flux/dev") => Step::Submit,
            ("GET", "/fal-ai/flux/requests/r1/status") => Step::Poll,
            _ => Step::Other,
        }
    }

    fn good(&mut self, asked: &Asked, good: &Good<'_>) -> Reply {
        assert_eq!(asked.header("authorization"), Some("Key test-key"));
        let at = |path: &str| format!("{}/fal-ai/flux/requests/r1{path}", good.origin);
        let (status, body) = match (self.step(asked), asked.method.as_str()) {
            (Step::Submit, _) => {
                assert_eq!(asked.header("x-fal-store-io"), Some("0"));
                let body = json!({ "status": "IN_QUEUE", "request_id": "r1", "response_url": at(""),
                    "status_url": at("/status"), "cancel_url": at("/cancel"), "queue_position": 2 });
                (200, body)
            }
            (Step::Poll, _) => {
                self.polls += 1;
                match self.polls {
                    1 => (202, json!({ "status": "IN_QUEUE", "queue_position": 1 })),
                    2 => (202, json!({ "status": "IN_PROGRESS", "logs": null })),
                    _ => (200, json!({ "status": "COMPLETED", "metrics": { "inference_time": 1.2 } })),
                }
            }
            (_, "GET") => (200, result(good.link, false)),
            _ => return Reply::unknown(),
        };
        Reply::json(status, &body.to_string())
    }

    fn refusals() -> Vec<(&'static str, Step, Reply, &'static str)> {
        let entry = |loc: Value| {
            json!({ "detail": [{ "loc": loc, "msg": "The content was flagged by a content checker.",
                "type": "content_policy_violation", "input": "x", "categories": ["sexual"] }] })
        };
        let list = json!([{ "loc": ["body", "prompt"], "msg": "m", "type": "content_policy_violation" }]);
        vec![
            (
                "at once",
                Step::Submit,
                Reply::json(422, &entry(json!(["body", "prompt"])).to_string()),
                "input:sexual",
            ),
            (
                "as a result",
                Step::Other,
                Reply::json(422, &entry(json!(["body", "prompt"])).to_string()),
                "input:sexual",
            ),
            (
                "of the image",
                Step::Other,
                Reply::json(422, &entry(json!(["output"])).to_string()),
                "output:sexual",
            ),
            (
                "under 200",
                Step::Submit,
                Reply::json(200, &entry(json!(["body"])).to_string()),
                "input:sexual",
            ),
            ("a bare list", Step::Other, Reply::json(422, &list.to_string()), "input:"),
            (
                "a black image",
                Step::Other,
                Reply::json(200, &result("https://v3.fal.media/1.png", true).to_string()),
                "output:nsfw",
            ),
        ]
    }

    fn prepare(job: &mut imagioo_worker::job::Job) {
        job.deployment.model = "fal-ai/flux/dev".to_owned();
    }
}

fn result(link: &str, flagged: bool) -> Value {
    json!({ "images": [{ "url": link, "width": 64, "height": 48, "content_type": "image/png" }], "seed": 42,
        "has_nsfw_concepts": [flagged], "prompt": "p", "timings": {} })
}

conformance!(Fal);

async fn input(world: &mut World, job: imagioo_worker::job::Job) -> Value {
    let verdict = Trial::default().run_job::<Fal>(world, job).await;
    assert_eq!(ending(&verdict.manifest), "complete");
    assert_eq!(verdict.manifest.images[0].seed, Some(42));
    verdict.asked.iter().find(|(step, _)| *step == Step::Submit).expect("a submit").1.json()
}

/// Many servers have the same words for what they do not have; only fal keeps them from strangers.
#[tokio::test]
async fn a_server_that_does_not_look_at_the_key_is_not_fal() {
    let server = WebServer::start(|_| Reply::json(404, r#"{"detail":"Not Found"}"#)).await;
    let checked =
        registry(account::<Fal>(&server.url(""), "any-key")).check("provider").await.expect("an account");
    assert_eq!(checked.map_err(|error| error.reason.as_str()), Err("PROVIDER_BAD_ANSWER"));
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn the_models_fields_are_named_by_its_deployment() {
    let mut world = World::new().await;
    let mut job = job_at("provider", 1);
    Fal::prepare(&mut job);
    let usual = json!({ "prompt": "a red fox under a full moon", "num_images": 1, "seed": 7, "output_format": "png",
        "image_size": { "width": 64, "height": 48 } });
    assert_eq!(input(&mut world, job.clone()).await, usual);
    job.lease.generation = imagioo_types::GenerationId::generate();
    job.operation = Operation::Inpaint;
    job.references = vec![kept(&world, &job, &picture(1)).await];
    job.mask = Some(kept(&world, &job, &mask()).await);
    job.settings = Settings::default();
    let options = json!({ "field_names": { "size": "", "seed": "", "count": "", "format": "", "references": "image_urls",
        "reference": "" }, "enable_safety_checker": true });
    job.deployment.options = std::sync::Arc::new(options.as_object().expect("options").clone());
    let sent = input(&mut world, job).await;
    let names: Vec<_> = sent.as_object().expect("fields").keys().map(String::as_str).collect();
    assert_eq!(names, ["enable_safety_checker", "image_urls", "mask_url", "prompt"]);
    assert!(sent["image_urls"][0].as_str().is_some_and(|uri| uri.starts_with("data:image/png;base64,")));
}

#[tokio::test]
async fn a_result_that_is_fals_own_error_costs_nothing() {
    let fault = Fault::always(Step::Other, Reply::json(500, r#"{"detail":"Internal"}"#));
    let verdict = Trial { fault: Some(fault), ..Trial::default() }.run::<Fal>().await;
    assert_eq!(ending(&verdict.manifest), "retry:PROVIDER_UNAVAILABLE:no");
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_cancelled_there() {
    let busy = Reply::json(202, r#"{"status":"IN_PROGRESS"}"#);
    let trial = Trial {
        fault: Some(Fault::always(Step::Poll, busy)),
        call_timeout: std::time::Duration::from_millis(700),
        ..Trial::default()
    };
    let verdict = trial.run::<Fal>().await;
    assert_eq!(ending(&verdict.manifest), "retry:PROVIDER_TIMEOUT:unknown");
    let last = &verdict.asked.last().expect("requests").1;
    assert_eq!((last.method.as_str(), last.path.as_str()), ("PUT", "/fal-ai/flux/requests/r1/cancel"));
}

/// Whether to try again is fal's word where it says it.
#[tokio::test]
async fn what_fal_says_of_trying_again_is_heeded() {
    let user = Reply::json(504, "{}").with("x-fal-request-timeout-type", "user");
    let hopeless = Reply::json(500, "{}").with("x-fal-retryable", "false");
    let passing = Reply::json(422, "{}").with("x-fal-retryable", "true");
    let older = Reply::json(422, "{}").with("x-fal-needs-retry", "1");
    let wrong_key = Reply::json(401, "{}").with("x-fal-retryable", "true");
    for (name, reply, expected) in [
        ("a deadline of ours", user, "failed:PROVIDER_TIMEOUT"),
        ("a hopeless request", hopeless, "failed:PROVIDER_REJECTED"),
        ("something that passes", passing, "retry:PROVIDER_UNAVAILABLE:unknown"),
        ("the same, as it was once said", older, "retry:PROVIDER_UNAVAILABLE:unknown"),
        ("a wrong key", wrong_key, "failed:PROVIDER_AUTH"),
    ] {
        let trial = Trial { fault: Some(Fault::always(Step::Submit, reply)), ..Trial::default() };
        let verdict = trial.run::<Fal>().await;
        assert_eq!(
            (ending(&verdict.manifest).as_str(), verdict.count(Step::Submit)),
            (expected, 1),
            "{name}"
        );
    }
}

#[tokio::test]
async fn only_the_first_image_of_a_batch_has_the_seed_that_is_told() {
    let mut world = World::new().await;
    let mut job = job_at("provider", 3);
    Fal::prepare(&mut job);
    let image = json!({ "url": format!("data:image/png;base64,{}", STANDARD.encode(picture(1))) });
    let batch =
        json!({ "images": [image, image, image], "seed": 42, "has_nsfw_concepts": [false, false, false] });
    let fault = Fault::always(Step::Other, Reply::json(200, &batch.to_string()));
    let trial = Trial { fault: Some(fault), ..Trial::default() };
    let manifest = trial.run_job::<Fal>(&mut world, job).await.manifest;
    assert_eq!(ending(&manifest), "complete");
    let seeds: Vec<_> = manifest.images.iter().map(|image| image.seed).collect();
    assert_eq!(seeds, [Some(42), None, None]);
}

/// As `recraft-v3` is in the shipped catalogue: it has no field for the number of images.
#[tokio::test]
async fn a_model_without_a_field_for_the_number_is_called_once_for_each_image() {
    let mut world = World::new().await;
    let mut job = job_at("provider", 4);
    Fal::prepare(&mut job);
    job.settings.seed = None;
    let options = json!({ "field_names": { "count": "", "seed": "", "format": "" } });
    job.deployment.options = std::sync::Arc::new(options.as_object().expect("options").clone());
    let verdict = Trial::default().run_job::<Fal>(&mut world, job).await;
    assert_eq!((ending(&verdict.manifest).as_str(), verdict.manifest.images.len()), ("complete", 4));
    let submits: Vec<_> = verdict.asked.iter().filter(|(step, _)| *step == Step::Submit).collect();
    assert_eq!(submits.len(), 4);
    assert!(submits.iter().all(|(_, asked)| asked.json().get("num_images").is_none()));
}
