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
        let failed = |error: &str| {
            let mut body: Value =
                serde_json::from_str(&prediction("http://x", "failed", Value::Null)).expect("JSON");
            body["error"] = error.into();
            Reply::json(200, &body.to_string())
        };
        vec![
            (
                "nsfw",
                Step::Poll,
                failed("NSFW content detected. Try running it again, or try a different prompt."),
                "output:",
            ),
            ("a code", Step::Poll, failed("The input or output was flagged as sensitive. (E005)"), "output:"),
        ]
    }

    fn prepare(job: &mut imagioo_worker::job::Job) {
        job.deployment.model = "owner/model".to_owned();
    }
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
    let mut state = 1_u32;
    let noise = image::RgbImage::from_fn(400, 400, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [_, blue, green, red] = state.to_le_bytes();
        image::Rgb([red, green, blue])
    });
    let mut file = std::io::Cursor::new(Vec::new());
    noise.write_to(&mut file, image::ImageFormat::Png).expect("encodes");
    job.references = vec![kept(&world, &job, &file.into_inner()).await];
    let verdict = Trial::default().run_job::<Replicate>(&mut world, job).await;
    assert_eq!(ending(&verdict.manifest), "complete");
    let paths: Vec<_> = verdict.asked.iter().take(2).map(|(_, asked)| asked.path.as_str()).collect();
    assert_eq!(paths, ["/v1/files", "/v1/predictions"]);
    let body = verdict.asked[1].1.json();
    assert_eq!(body["version"], "owner/model:abc");
    assert!(body["input"]["image"].as_str().is_some_and(|link| link.ends_with("/v1/files/f1")), "{body}");
}

#[tokio::test]
async fn every_end_of_a_prediction_has_its_class() {
    let cases = [
        ("failed", "retry:PROVIDER_UNAVAILABLE:unknown"),
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
