//! Replicate, after replicate.com/docs.

use imagioo_picture::Operation;
use imagioo_testkit::web::{Asked, Reply};
use serde_json::{Value, json};

use crate::conformance::{Fault, Good, Step, Trial, Wire, conformance};
use crate::harness::{World, ending, job_at};
use crate::pictures::kept;

#[derive(Default)]
struct Replicate {
    polls: u32,
}

impl Wire for Replicate {
    const KIND: &'static str = "replicate";
    const BASE: &'static str = "/v1";
    const LINKS: bool = true;
    const CHECK: (&'static str, u16) = ("/v1/account", 200);
    const TASK: Option<&'static str> = Some("{origin}/v1/predictions/p1");
    const COMPLAINT: &'static str = r#"{"title":"Input validation failed","detail":"m","status":422}"#;

    fn step(&self, asked: &Asked) -> Step {
        match (asked.method.as_str(), asked.path.as_str()) {
            ("POST", "/v1/models/owner/model/predictions" | "/v1/predictions") => Step::Submit,
            ("GET", "/v1/predictions/p1") => Step::Poll,
            _ => Step::Other,
        }
    }

    fn good(&mut self, asked: &Asked, good: &Good<'_>) -> Reply {
        assert_eq!(asked.header("authorization"), Some("Bearer test-key"));
        let prediction = |status: &str, output: Value| prediction(good.origin, status, output);
        match self.step(asked) {
            Step::Submit => Reply::json(201, &prediction("starting", Value::Null)),
            Step::Poll => {
                self.polls += 1;
                match self.polls {
                    1 => Reply::json(200, &prediction("starting", Value::Null)),
                    2 => Reply::json(200, &prediction("processing", Value::Null)),
                    _ => Reply::json(200, &prediction("succeeded", json!([good.link]))),
                }
            }
            _ if asked.path == "/v1/files" => {
                let file = asked.part("content").expect("a file");
                assert_eq!(file.content_type.as_deref(), Some("image/png"));
                let link = format!("{}/v1/files/f1", good.origin);
                Reply::json(201, &json!({ "id": "f1", "urls": { "get": link } }).to_string())
            }
            _ => Reply::unknown(),
        }
    }

    fn refusals() -> Vec<(&'static str, Step, Reply, &'static str)> {
        vec![
            (
                "nsfw",
                Step::Poll,
                failed("NSFW content detected. Try running it again, or try a different prompt."),
                "output:",
            ),
            ("a code", Step::Poll, failed("The input or output was flagged as sensitive. (E005)"), "output:"),
            ("a bare code", Step::Poll, failed("Error generating image: E005"), "output:"),
            ("of the prompt", Step::Poll, failed("The prompt was flagged by moderation."), "input:"),
            ("of a picture", Step::Poll, failed("Your input image was flagged as sensitive."), "input:"),
        ]
    }

    fn prepare(job: &mut imagioo_worker::job::Job) {
        job.deployment.model = "owner/model".to_owned();
    }
}

fn failed(error: &str) -> Reply {
    let mut body: Value = serde_json::from_str(&prediction("http://x", "failed", Value::Null)).expect("JSON");
    body["error"] = error.into();
    Reply::json(200, &body.to_string())
}

fn prediction(origin: &str, status: &str, output: Value) -> String {
    json!({ "id": "p1", "model": "owner/model", "version": "v", "status": status, "input": {}, "output": output,
        "error": null, "logs": "", "urls": { "get": format!("{origin}/v1/predictions/p1"),
        "cancel": format!("{origin}/v1/predictions/p1/cancel") } })
    .to_string()
}

conformance!(Replicate);

#[tokio::test]
async fn a_version_is_named_in_the_body_and_a_large_picture_is_uploaded_first() {
    let mut world = World::new().await;
    let mut job = job_at("provider", 1);
    job.deployment.model = "owner/model:abc".to_owned();
    job.operation = Operation::ImageToImage;
    job.references = vec![kept(&world, &job, &large()).await];
    let verdict = Trial::default().run_job::<Replicate>(&mut world, job).await;
    assert_eq!(ending(&verdict.manifest), "complete");
    let paths: Vec<_> = verdict.asked.iter().take(2).map(|(_, asked)| asked.path.as_str()).collect();
    assert_eq!(paths, ["/v1/files", "/v1/predictions"]);
    let body = verdict.asked[1].1.json();
    assert_eq!(body["version"], "owner/model:abc");
    assert!(body["input"]["image"].as_str().is_some_and(|link| link.ends_with("/v1/files/f1")), "{body}");
}

/// A picture that is too large to be sent inside a request.
fn large() -> Vec<u8> {
    let mut state = 1_u32;
    let noise = image::RgbImage::from_fn(400, 400, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [_, blue, green, red] = state.to_le_bytes();
        image::Rgb([red, green, blue])
    });
    let mut file = std::io::Cursor::new(Vec::new());
    noise.write_to(&mut file, image::ImageFormat::Png).expect("encodes");
    file.into_inner()
}

/// Nothing is predicted before the pictures are there.
#[tokio::test]
async fn a_picture_that_cannot_be_uploaded_costs_nothing() {
    let cut = Reply::Cut { body: vec![b' '; 100], after: 50 };
    for (name, reply, expected) in [
        ("500", Reply::json(500, "{}"), "retry:PROVIDER_UNAVAILABLE:no"),
        ("reset", Reply::Reset, "retry:PROVIDER_UNAVAILABLE:no"),
        ("cut", cut, "retry:PROVIDER_UNAVAILABLE:no"),
        ("nonsense", Reply::json(200, "{}"), "retry:PROVIDER_BAD_ANSWER:no"),
        ("413", Reply::json(413, "{}"), "failed:PROVIDER_REJECTED"),
    ] {
        let mut world = World::new().await;
        let mut job = job_at("provider", 1);
        Replicate::prepare(&mut job);
        job.operation = Operation::ImageToImage;
        job.references = vec![kept(&world, &job, &large()).await];
        let trial = Trial { fault: Some(Fault::always(Step::Other, reply)), ..Trial::default() };
        let verdict = trial.run_job::<Replicate>(&mut world, job).await;
        assert_eq!(
            (ending(&verdict.manifest).as_str(), verdict.count(Step::Submit)),
            (expected, 0),
            "{name}"
        );
    }
}

/// Whatever a user can bring about by a request is that request's failure and shuts the deployment for nobody.
#[tokio::test]
async fn a_failed_prediction_is_the_requests_failure_unless_it_says_otherwise() {
    for (error, expected) in [
        ("CUDA out of memory. Tried to allocate 20.00 GiB", "failed:PROVIDER_REJECTED"),
        ("Unknown scheduler. Case-sensitive, insensitive to spaces", "failed:PROVIDER_REJECTED"),
        ("safety_checker=e0051 is unknown", "failed:PROVIDER_REJECTED"),
        ("cannot read \"Prediction interrupted; please retry\"", "failed:PROVIDER_REJECTED"),
        ("Prediction interrupted; please retry (code: PA)", "retry:PROVIDER_UNAVAILABLE:unknown"),
    ] {
        let trial = Trial { fault: Some(Fault::always(Step::Poll, failed(error))), ..Trial::default() };
        assert_eq!(ending(&trial.run::<Replicate>().await.manifest), expected, "{error}");
    }
}

#[tokio::test]
async fn a_prediction_that_takes_too_long_is_cancelled_there() {
    let trial = Trial {
        fault: Some(Fault::always(
            Step::Poll,
            Reply::json(200, &prediction("http://x", "processing", Value::Null)),
        )),
        call_timeout: std::time::Duration::from_millis(700),
        ..Trial::default()
    };
    let verdict = trial.run::<Replicate>().await;
    assert_eq!(ending(&verdict.manifest), "retry:PROVIDER_TIMEOUT:unknown");
    let last = &verdict.asked.last().expect("requests").1;
    assert_eq!((last.method.as_str(), last.path.as_str()), ("POST", "/v1/predictions/p1/cancel"));
    assert_eq!(last.header("authorization"), Some("Bearer test-key"));
}

#[tokio::test]
async fn every_end_of_a_prediction_has_its_class() {
    let cases = [
        ("failed", "failed:PROVIDER_REJECTED"),
        ("canceled", "failed:PROVIDER_REJECTED"),
        ("aborted", "retry:PROVIDER_TIMEOUT:no"),
    ];
    for (status, expected) in cases {
        let reply = Reply::json(200, &prediction("http://x", status, Value::Null));
        let trial = Trial { fault: Some(Fault::always(Step::Poll, reply)), ..Trial::default() };
        assert_eq!(ending(&trial.run::<Replicate>().await.manifest), expected, "{status}");
    }
    let mut removed: Value =
        serde_json::from_str(&prediction("http://x", "succeeded", Value::Null)).expect("JSON");
    removed["data_removed"] = true.into();
    let fault = Fault::always(Step::Poll, Reply::json(200, &removed.to_string()));
    let verdict = Trial { fault: Some(fault), ..Trial::default() }.run::<Replicate>().await;
    assert_eq!(ending(&verdict.manifest), "failed:PROVIDER_OUTCOME_UNKNOWN");
}
