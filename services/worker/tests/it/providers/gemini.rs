//! Gemini, after ai.google.dev.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imagioo_picture::{Operation, Settings};
use imagioo_proto::jobs::v1::manifest::Ending;
use imagioo_testkit::web::{Asked, Reply};
use imagioo_worker::job::Job;
use serde_json::{Value, json};

use crate::conformance::{Fault, Good, Step, Trial, Wire, conformance};
use crate::harness::{NOW, World, ending, job_at, picture};
use crate::pictures::kept;

#[derive(Default)]
struct Gemini;

impl Wire for Gemini {
    const KIND: &'static str = "gemini";
    const BASE: &'static str = "/v1beta";
    const LINKS: bool = false;
    const CHECK: (&'static str, u16) = ("/v1beta/models", 200);
    const TASK: Option<&'static str> = None;
    const COMPLAINT: &'static str = r#"{"error":{"code":500,"message":"m","status":"INTERNAL"}}"#;

    fn step(&self, asked: &Asked) -> Step {
        if asked.path == "/v1beta/models/model-1:generateContent" { Step::Submit } else { Step::Other }
    }

    fn good(&mut self, asked: &Asked, good: &Good<'_>) -> Reply {
        assert_eq!(asked.header("x-goog-api-key"), Some("test-key"));
        let draft = json!({ "inlineData": { "mimeType": "image/png", "data": "AAAA" }, "thought": true });
        let image = json!({ "inlineData": { "mimeType": "image/png", "data": STANDARD.encode(good.file) },
            "thoughtSignature": "x" });
        let parts = json!([{ "text": "Here is a fox." }, draft, image]);
        let candidate =
            json!({ "content": { "parts": parts, "role": "model" }, "finishReason": "STOP", "index": 0 });
        let body = json!({ "candidates": [candidate], "usageMetadata": { "totalTokenCount": 1300 } });
        Reply::json(200, &body.to_string())
    }

    fn refusals() -> Vec<(&'static str, Step, Reply, &'static str)> {
        let blocked = |reason: &str| {
            Reply::json(200, &json!({ "promptFeedback": { "blockReason": reason } }).to_string())
        };
        let of_prompts = BLOCKED.map(|(reason, kept)| (reason, Step::Submit, blocked(reason), kept));
        let of_images = ENDED.map(|(reason, kept)| (reason, Step::Submit, ended(reason), kept));
        of_prompts.into_iter().chain(of_images).collect()
    }

    fn prepare(job: &mut Job) {
        job.settings.size = None;
    }
}

/// Every `blockReason` of a prompt.
const BLOCKED: [(&str, &str); 5] = [
    ("SAFETY", "input:safety"),
    ("OTHER", "input:other"),
    ("BLOCKLIST", "input:blocklist"),
    ("PROHIBITED_CONTENT", "input:prohibited_content"),
    ("IMAGE_SAFETY", "input:image_safety"),
];

/// Every `finishReason` that is a refusal.
const ENDED: [(&str, &str); 9] = [
    ("SAFETY", "output:safety"),
    ("RECITATION", "output:recitation"),
    ("BLOCKLIST", "output:blocklist"),
    ("PROHIBITED_CONTENT", "output:prohibited_content"),
    ("SPII", "output:spii"),
    ("IMAGE_SAFETY", "output:image_safety"),
    ("IMAGE_PROHIBITED_CONTENT", "output:image_prohibited_content"),
    ("IMAGE_RECITATION", "output:image_recitation"),
    ("IMAGE_OTHER", "output:image_other"),
];

/// An answer with words only.
fn ended(reason: &str) -> Reply {
    let content = json!({ "parts": [{ "text": "I cannot." }] });
    Reply::json(200, &json!({ "candidates": [{ "content": content, "finishReason": reason }] }).to_string())
}

conformance!(Gemini);

async fn body(world: &mut World, job: Job) -> Value {
    let verdict = Trial::default().run_job::<Gemini>(world, job).await;
    assert_eq!(ending(&verdict.manifest), "complete");
    verdict.asked[0].1.json()
}

#[tokio::test]
async fn pictures_come_before_the_words_and_the_shape_is_asked_for_where_it_is_wished() {
    let mut world = World::new().await;
    let mut job = job_at("provider", 1);
    job.operation = Operation::ImageToImage;
    job.settings = Settings {
        aspect_ratio: Some("16:9".to_owned()),
        resolution: Some("2K".to_owned()),
        ..Settings::default()
    };
    job.references = vec![kept(&world, &job, &picture(1)).await, kept(&world, &job, &picture(2)).await];
    let inline =
        |file: &[u8]| json!({ "inlineData": { "mimeType": "image/png", "data": STANDARD.encode(file) } });
    let expected = json!({
        "contents": [{ "role": "user",
            "parts": [inline(&picture(1)), inline(&picture(2)), { "text": "a red fox under a full moon" }] }],
        "generationConfig": { "responseModalities": ["IMAGE"],
            "imageConfig": { "aspectRatio": "16:9", "imageSize": "2K" } },
    });
    assert_eq!(body(&mut world, job).await, expected);
}

#[tokio::test]
async fn words_instead_of_an_image_are_no_refusal() {
    for reason in ["NO_IMAGE", "STOP"] {
        let trial = Trial { fault: Some(Fault::always(Step::Submit, ended(reason))), ..Trial::default() };
        let verdict = trial.run::<Gemini>().await;
        assert_eq!(ending(&verdict.manifest), "retry:PROVIDER_FEWER_IMAGES:unknown", "{reason}");
    }
}

#[tokio::test]
async fn a_wait_in_the_details_is_honoured() {
    let body = json!({ "error": { "code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": [
        { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "19.5s" }] } });
    let fault = Fault::always(Step::Submit, Reply::json(429, &body.to_string()));
    let verdict = Trial { fault: Some(fault), ..Trial::default() }.run::<Gemini>().await;
    let Some(Ending::Retry(retry)) = verdict.manifest.ending else { panic!("no retry") };
    assert!(retry.not_before.expect("a date").seconds >= NOW.unix_timestamp() + 19);
}

#[tokio::test]
async fn a_key_that_is_none_is_one_for_the_account_and_not_for_the_request() {
    let body = json!({ "error": { "code": 400, "message": "m", "status": "INVALID_ARGUMENT", "details": [
        { "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID" }] } });
    let fault = Fault::always(Step::Submit, Reply::json(400, &body.to_string()));
    let verdict = Trial { fault: Some(fault), ..Trial::default() }.run::<Gemini>().await;
    assert_eq!(ending(&verdict.manifest), "failed:PROVIDER_AUTH");
}
