//! Black Forest Labs, after docs.bfl.ai.

use imagioo_picture::{Margins, Operation, Settings};
use imagioo_testkit::web::{Asked, Reply};
use serde_json::json;

use crate::conformance::{Fault, Good, Step, Trial, Wire, conformance};
use crate::harness::{World, ending, job_at, picture};
use crate::pictures::{kept, mask};

#[derive(Default)]
struct Bfl {
    polls: u32,
}

impl Wire for Bfl {
    const KIND: &'static str = "bfl";
    const BASE: &'static str = "/v1";
    const LINKS: bool = true;
    const CHECK: (&'static str, u16) = ("/v1/credits", 200);
    const TASK: Option<&'static str> = Some("{origin}/v1/get_result?id=task-1");
    const COMPLAINT: &'static str = r#"{"detail":[{"loc":["body","width"],"msg":"m","type":"t"}]}"#;

    fn step(&self, asked: &Asked) -> Step {
        if asked.path == "/v1/model-1" && asked.method == "POST" {
            Step::Submit
        } else if asked.path == "/v1/get_result?id=task-1" {
            Step::Poll
        } else {
            Step::Other
        }
    }

    fn good(&mut self, asked: &Asked, good: &Good<'_>) -> Reply {
        assert_eq!(asked.header("x-key"), Some("test-key"));
        match self.step(asked) {
            Step::Submit => {
                let polling = format!("{}/v1/get_result?id=task-1", good.origin);
                Reply::json(200, &json!({ "id": "task-1", "polling_url": polling }).to_string())
            }
            Step::Poll => {
                self.polls += 1;
                let body = match self.polls {
                    1 => json!({ "id": "task-1", "status": "Pending", "progress": 0.4, "result": null }),
                    _ => json!({ "id": "task-1", "status": "Ready", "progress": null,
                        "result": { "sample": good.link, "seed": 42, "prompt": "p" } }),
                };
                Reply::json(200, &body.to_string())
            }
            _ => Reply::unknown(),
        }
    }

    fn refusals() -> Vec<(&'static str, Step, Reply, &'static str)> {
        let task = |status: &str, more: serde_json::Value| {
            let mut body = json!({ "id": "task-1", "status": status, "result": null });
            body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            Reply::json(200, &body.to_string())
        };
        vec![
            ("of the prompt", Step::Poll, task("Request Moderated", json!({})), "input:"),
            (
                "of the image",
                Step::Poll,
                task("Content Moderated", json!({ "details": { "Moderation Reasons": ["Nudity"] } })),
                "output:Nudity",
            ),
            (
                "as an error",
                Step::Poll,
                task("Error", json!({ "error": "content_policy_violation" })),
                "input:",
            ),
            (
                "at once, under 200",
                Step::Submit,
                Reply::json(200, r#"{"error":"content_policy_violation"}"#),
                "input:",
            ),
            ("at once", Step::Submit, Reply::json(422, r#"{"error":"content_policy_violation"}"#), "input:"),
        ]
    }
}

conformance!(Bfl);

/// What is sent for a job.
async fn body(world: &mut World, job: imagioo_worker::job::Job) -> serde_json::Value {
    let verdict = Trial::default().run_job::<Bfl>(world, job).await;
    assert_eq!(ending(&verdict.manifest), "complete");
    assert_eq!(verdict.manifest.images[0].seed, Some(42), "the seed is the provider's word");
    let submit = verdict.asked.iter().find(|(step, _)| *step == Step::Submit).expect("a submit");
    submit.1.json()
}

#[tokio::test]
async fn a_text_is_sent_with_its_settings() {
    let mut world = World::new().await;
    let mut job = job_at("provider", 1);
    job.settings.guidance = Some(3.5);
    let expected = json!({ "prompt": "a red fox under a full moon", "width": 64, "height": 48, "seed": 7,
        "guidance": 3.5, "output_format": "png" });
    assert_eq!(body(&mut world, job).await, expected);
}

#[tokio::test]
async fn each_operation_has_its_fields_for_pictures() {
    let mut world = World::new().await;
    let mut job = job_at("provider", 1);
    job.settings = Settings::default();
    job.references = vec![kept(&world, &job, &picture(1)).await, kept(&world, &job, &picture(2)).await];
    job.operation = Operation::ImageToImage;
    let sent = body(&mut world, job.clone()).await;
    assert!(sent["input_image"].is_string() && sent["input_image_2"].is_string(), "{sent}");
    job.references.truncate(1);
    for (operation, fields) in [
        (Operation::Inpaint, vec!["image", "mask"]),
        (Operation::Outpaint, vec!["bottom", "image", "left", "right", "top"]),
    ] {
        let mut job = job.clone();
        job.lease.generation = imagioo_types::GenerationId::generate();
        job.operation = operation;
        job.mask = Some(kept(&world, &job, &mask()).await);
        job.settings.margins = Some(Margins { left: 16, top: 0, right: 0, bottom: 16 });
        let sent = body(&mut world, job).await;
        let names: Vec<_> = sent.as_object().expect("fields").keys().map(String::as_str).collect();
        let pictures: Vec<_> =
            names.into_iter().filter(|name| !["prompt", "output_format"].contains(name)).collect();
        assert_eq!(pictures, fields);
    }
}

/// For a moment a task is not known everywhere; one that stays unknown is not asked after until the time is up.
#[tokio::test]
async fn a_task_that_stays_unknown_is_an_unknown_outcome() {
    for reply in [
        Reply::json(404, r#"{"detail":"Not Found"}"#),
        Reply::json(200, r#"{"id":"task-1","status":"Task not found","result":null}"#),
    ] {
        let fault = Fault { step: Step::Poll, times: 4, reply: reply.clone() };
        let verdict = Trial { fault: Some(fault), ..Trial::default() }.run::<Bfl>().await;
        assert_eq!(ending(&verdict.manifest), "complete", "four times is a moment");
        let fault = Fault::always(Step::Poll, reply);
        let verdict = Trial { fault: Some(fault), ..Trial::default() }.run::<Bfl>().await;
        assert_eq!(ending(&verdict.manifest), "retry:PROVIDER_OUTCOME_UNKNOWN:unknown");
        assert_eq!((verdict.count(Step::Submit), verdict.count(Step::Poll)), (1, 5));
    }
}

/// Anybody can have a storage account there.
#[tokio::test]
async fn results_are_fetched_below_its_own_domain_only() {
    let link = "https://somebody.blob.core.windows.net/1.png".to_owned();
    let verdict = Trial { link: Some(link), ..Trial::default() }.run::<Bfl>().await;
    assert_eq!(ending(&verdict.manifest), "failed:RESULT_HOST_NOT_ALLOWED");
}

/// A task that ends with an error is the request's failure: a user who brings it about at will shuts nothing.
#[tokio::test]
async fn a_task_that_ends_with_an_error_is_rejected() {
    let reply = Reply::json(200, r#"{"id":"task-1","status":"Error","details":{"error":"boom"}}"#);
    let fault = Fault::always(Step::Poll, reply);
    let verdict = Trial { fault: Some(fault), ..Trial::default() }.run::<Bfl>().await;
    assert_eq!(ending(&verdict.manifest), "failed:PROVIDER_REJECTED");
}
