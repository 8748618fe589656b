//! The OpenAI adapter against a server that misbehaves in every known way (r43, r47, r76).

use imagioo_proto::jobs::v1::Manifest;
use imagioo_worker::job::Job;

use imagioo_testkit::web::{Asked, Reply};

use super::fake_openai::{FakeOpenAi, success};
use crate::conformance::{Good, Step, Wire, conformance};
use crate::harness::{self, World, ending, picture, picture_as, places};

/// A job without what OpenAI's own models do not take.
fn job_at(provider: &str, count: u32) -> Job {
    let mut job = harness::job_at(provider, count);
    job.settings.seed = None;
    job
}

/// Runs one job against a server that will give one answer.
async fn attempt(job: &Job, server: &FakeOpenAi, options: toml::Table) -> Manifest {
    let mut world = World::new().await;
    let mut account = toml::toml! {
        kind = "openai"
        api_key = "test-key"
    };
    account.insert("base_url".to_owned(), server.base_url().into());
    let mut overrides = options;
    if let Some(toml::Value::Table(more)) = overrides.remove("account") {
        account.extend(more);
    }
    let providers = [("openai".to_owned(), toml::Value::Table(account))].into_iter().collect::<toml::Table>();
    overrides.insert("providers".to_owned(), providers.into());
    let worker = world.start_configured(overrides);
    world.submit(job).await;
    let manifest = world.outcome().await.manifest;
    worker.stop().await;
    manifest
}

/// The ending of a job of one image after one answer.
async fn after(reply: Reply) -> String {
    let server = FakeOpenAi::start([reply]).await;
    ending(&attempt(&job_at("openai", 1), &server, toml::Table::new()).await)
}

#[tokio::test]
async fn images_in_base64_are_delivered() {
    let server = FakeOpenAi::start([success(&[&picture(1), &picture(2)])]).await;
    let mut job = job_at("openai", 2);
    job.settings.quality = Some("low".to_owned());
    let manifest = attempt(&job, &server, toml::Table::new()).await;
    assert_eq!((ending(&manifest).as_str(), places(&manifest)), ("complete", vec![0, 1]));
    assert_eq!(manifest.images[0].size_bytes, i64::try_from(picture(1).len()).expect("small"));

    let requests = server.asked();
    let asked = &requests[0];
    assert_eq!(asked.path, "/v1/images/generations");
    assert_eq!(asked.header("authorization"), Some("Bearer test-key"));
    let expected = serde_json::json!({
        "model": "model-1", "prompt": "a red fox under a full moon", "n": 2, "size": "64x48", "quality": "low",
        "output_format": "png",
    });
    assert_eq!(asked.json(), expected, "nothing but the usual parameters, no response_format");
}

#[tokio::test]
async fn only_configured_parameters_are_sent_and_without_n_each_image_is_a_call() {
    let server = FakeOpenAi::start([success(&[&picture(1)]), success(&[&picture(2)])]).await;
    let options = toml::toml! {
        account = { api_key = "", dialect = { parameters = ["size", "seed"], send_response_format = true } }
    };
    let manifest = attempt(&harness::job_at("openai", 2), &server, options).await;
    assert_eq!((ending(&manifest).as_str(), places(&manifest)), ("complete", vec![0, 1]));
    let requests = server.asked();
    let bodies: Vec<_> = requests.iter().map(Asked::json).collect();
    let body = |seed: i64| {
        serde_json::json!({
            "model": "model-1", "prompt": "a red fox under a full moon", "size": "64x48", "seed": seed,
            "response_format": "b64_json",
        })
    };
    assert_eq!(bodies, [body(7), body(8)]);
    assert_eq!(requests[0].header("authorization"), None);
}

/// The result would be another, and nobody would know.
#[tokio::test]
async fn what_the_server_does_not_understand_is_refused_and_not_left_out() {
    let server = FakeOpenAi::start([success(&[&picture(1)])]).await;
    let seeded = harness::job_at("openai", 1);
    let manifest = attempt(&seeded, &server, toml::Table::new()).await;
    assert_eq!((ending(&manifest).as_str(), server.paid()), ("failed:SETTING_UNSUPPORTED", 0));
}

#[tokio::test]
async fn images_behind_links_are_fetched_from_the_servers_own_host() {
    let server = FakeOpenAi::start([]).await;
    let link = format!("http://{}/files/1.png?signature=x", server.address);
    let answer = format!(r#"{{"created":1,"data":[{{"url":"{link}","revised_prompt":"x"}}]}}"#);
    server.state().replies.push_back(Reply::json(200, &answer));
    let file = Reply::file("application/octet-stream", &picture(1));
    server.state().files.insert("/files/1.png?signature=x".to_owned(), file);
    let manifest = attempt(&job_at("openai", 1), &server, toml::Table::new()).await;
    assert_eq!((ending(&manifest).as_str(), manifest.images.len()), ("complete", 1));
    assert_eq!(server.asked()[1].header("authorization"), None, "the key stays with the API");
}

/// What is OpenAI's own among the faults; the suite has the rest.
#[tokio::test]
async fn r43_every_complaint_has_its_class() {
    let error =
        |code: &str| format!(r#"{{"error":{{"message":"m","type":"t","param":null,"code":"{code}"}}}}"#);
    let table = [
        (401, error("invalid_api_key"), "failed:PROVIDER_AUTH"),
        (400, error("invalid_value"), "failed:PROVIDER_REJECTED"),
        (404, error("model_not_found"), "failed:PROVIDER_REJECTED"),
        (429, error("rate_limit_exceeded"), "retry:PROVIDER_RATE_LIMITED:no"),
        (429, error("insufficient_quota"), "failed:PROVIDER_QUOTA"),
        (500, error("server_error"), "retry:PROVIDER_UNAVAILABLE:unknown"),
        (200, error("server_error"), "retry:PROVIDER_BAD_ANSWER:unknown"),
        (200, r#"{"data":[]}"#.to_owned(), "retry:PROVIDER_FEWER_IMAGES:unknown"),
        (200, r#"{"data":[{}]}"#.to_owned(), "retry:PROVIDER_BAD_IMAGE:unknown"),
    ];
    for (status, body, expected) in table {
        assert_eq!(after(Reply::json(status, &body)).await, expected, "{status} {body}");
    }
}

#[tokio::test]
async fn another_format_than_asked_is_kept_for_what_it_is() {
    for (format, number) in [(image::ImageFormat::Jpeg, 2), (image::ImageFormat::WebP, 3)] {
        let server = FakeOpenAi::start([success(&[&picture_as(9, format)])]).await;
        let manifest = attempt(&job_at("openai", 1), &server, toml::Table::new()).await;
        assert_eq!((ending(&manifest).as_str(), manifest.images[0].format), ("complete", number));
    }
}

#[tokio::test]
async fn what_arrives_is_counted_and_not_believed() {
    let (one, two, three) = (picture(1), picture(2), picture(3));
    let cases = [
        (vec![&one[..], &two[..], &three[..]], 2, "complete", vec![0, 1]),
        (vec![&one[..]], 2, "failed:PROVIDER_FEWER_IMAGES", vec![0]),
        (vec![&one[..], b"<html>", &three[..]], 3, "failed:PROVIDER_BAD_IMAGE", vec![0, 2]),
    ];
    for (files, count, expected, kept) in cases {
        let server = FakeOpenAi::start([success(&files)]).await;
        let manifest = attempt(&job_at("openai", count), &server, toml::Table::new()).await;
        assert_eq!((ending(&manifest).as_str(), places(&manifest)), (expected, kept));
        assert_eq!(server.paid(), 1);
    }
}

mod in_base64 {
    use super::*;

    #[derive(Default)]
    struct Base64;

    impl Wire for Base64 {
        const KIND: &'static str = "openai";
        const BASE: &'static str = "/v1";
        const LINKS: bool = false;
        const CHECK: (&'static str, u16) = ("/v1/models", 200);
        const TASK: Option<&'static str> = None;
        const COMPLAINT: &'static str = COMPLAINT;

        fn prepare(job: &mut Job) {
            job.settings.seed = None;
        }

        fn step(&self, asked: &Asked) -> Step {
            step(asked)
        }

        fn good(&mut self, _asked: &Asked, good: &Good<'_>) -> Reply {
            success(&[good.file])
        }

        fn refusals() -> Vec<(&'static str, Step, Reply, &'static str)> {
            let refused = |(name, status, body, kept)| (name, Step::Submit, Reply::json(status, body), kept);
            REFUSALS.map(refused).into()
        }
    }

    conformance!(Base64);
}

mod behind_links {
    use super::*;

    #[derive(Default)]
    struct Links;

    impl Wire for Links {
        const KIND: &'static str = "openai";
        const BASE: &'static str = "/v1";
        const LINKS: bool = true;
        const CHECK: (&'static str, u16) = ("/v1/models", 200);
        const TASK: Option<&'static str> = None;
        const COMPLAINT: &'static str = COMPLAINT;

        fn prepare(job: &mut Job) {
            job.settings.seed = None;
        }

        fn step(&self, asked: &Asked) -> Step {
            step(asked)
        }

        fn good(&mut self, _asked: &Asked, good: &Good<'_>) -> Reply {
            Reply::json(
                200,
                &format!(r#"{{"created":1,"data":[{{"url":"{}","revised_prompt":"x"}}]}}"#, good.link),
            )
        }

        fn refusals() -> Vec<(&'static str, Step, Reply, &'static str)> {
            let refused = |(name, status, body, kept)| (name, Step::Submit, Reply::json(status, body), kept);
            REFUSALS.map(refused).into()
        }
    }

    conformance!(Links);
}

fn step(asked: &Asked) -> Step {
    if asked.path.starts_with("/v1/images/") { Step::Submit } else { Step::Other }
}

const COMPLAINT: &str = r#"{"error":{"message":"m","type":"server_error","param":null,"code":null}}"#;

const REFUSALS: [(&str, u16, &str, &str); 7] = [
    (
        "blocked, with the categories in the text",
        400,
        r#"{"error":{"message":"Your request was rejected by the safety system. safety_violations=[sexual].",
        "type":"image_generation_user_error","param":null,"code":"moderation_blocked"}}"#,
        "input:sexual",
    ),
    (
        "blocked, with details",
        400,
        r#"{"error":{"message":"rejected","type":"image_generation_user_error","code":"moderation_blocked",
        "moderation_details":{"moderation_stage":"output","categories":["violence"]}}}"#,
        "output:violence",
    ),
    (
        "dall-e",
        400,
        r#"{"error":{"code":"content_policy_violation","message":"m","param":null,
        "type":"invalid_request_error"}}"#,
        "input:",
    ),
    ("image policy", 400, r#"{"error":{"code":"image_content_policy_violation","message":"m"}}"#, "input:"),
    (
        "azure",
        400,
        r#"{"error":{"code":"content_filter","message":"m","status":400,"innererror":{
        "code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true,
        "severity":"high"},"sexual":{"filtered":false,"severity":"safe"}}}}}"#,
        "input:hate",
    ),
    ("under 403", 403, r#"{"error":{"code":"moderation_blocked","message":"m"}}"#, "input:"),
    ("under 200", 200, r#"{"created":1,"error":{"code":"moderation_blocked","message":"m"}}"#, "input:"),
];

mod streamed {
    use std::time::Duration;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use imagioo_proto::generation::v1::Preview;

    use super::*;
    use crate::harness::Running;

    fn event(kind: &str, file: &[u8]) -> String {
        let data =
            serde_json::json!({ "type": kind, "b64_json": STANDARD.encode(file), "partial_image_index": 0 });
        format!("event: {kind}\ndata: {data}\n\n")
    }

    fn events(text: &str) -> Reply {
        Reply::typed(200, "text/event-stream; charset=utf-8", text.as_bytes())
    }

    fn streaming() -> toml::Table {
        toml::toml! { account = { dialect = { partial_images = 2 } } }
    }

    async fn after_events(text: &str) -> String {
        let server = FakeOpenAi::start([events(text)]).await;
        let ended = ending(&attempt(&job_at("openai", 1), &server, streaming()).await);
        assert_eq!(server.paid(), 1);
        ended
    }

    /// A worker whose account gets this answer, and what it tells.
    async fn answered_with(pieces: Vec<Vec<u8>>, pause: Duration) -> (FakeOpenAi, World, Running) {
        let server =
            FakeOpenAi::start([Reply::Pieces { content_type: "text/event-stream", pieces, pause }]).await;
        let world = World::new().await;
        let mut overrides = toml::toml! {
            providers = { openai = { kind = "openai", api_key = "test-key", dialect = { partial_images = 2 } } }
        };
        overrides["providers"]["openai"]
            .as_table_mut()
            .expect("a table")
            .insert("base_url".to_owned(), server.base_url().into());
        let worker = world.start_configured(overrides);
        (server, world, worker)
    }

    async fn first_preview(world: &World) -> Preview {
        let mut hints = world.progress().await;
        world.submit(&job_at("openai", 1)).await;
        loop {
            if let Some(preview) = crate::harness::next(&mut hints).await.preview {
                return preview;
            }
        }
    }

    #[tokio::test]
    async fn drafts_are_shown_and_the_last_event_is_the_image() {
        let pieces = vec![
            event("image_generation.partial_image", &picture(3)).into_bytes(),
            b": a comment\n\n".to_vec(),
            event("image_generation.completed", &picture(1)).into_bytes(),
        ];
        let (server, mut world, worker) = answered_with(pieces, Duration::from_millis(200)).await;
        let draft = first_preview(&world).await.data;
        assert!(draft == picture(3), "another picture");
        let manifest = world.outcome().await.manifest;
        assert_eq!(ending(&manifest), "complete");
        assert_eq!(manifest.images[0].size_bytes, i64::try_from(picture(1).len()).expect("small"));
        worker.stop().await;
        let body = server.asked()[0].json();
        assert_eq!((&body["stream"], &body["partial_images"]), (&true.into(), &2.into()));
    }

    #[tokio::test]
    async fn a_wish_for_previews_goes_before_what_is_usual_where_the_server_has_any() {
        let none = || toml::Table::new();
        let unknowing = || toml::toml! { account = { dialect = { parameters = ["n", "size"] } } };
        let cases = [
            (none(), None, None, 2),
            (none(), Some(2), Some(2), 1),
            (streaming(), None, Some(2), 1),
            (streaming(), Some(3), Some(3), 1),
            (streaming(), Some(0), None, 2),
            (unknowing(), Some(2), None, 2),
        ];
        for (options, wish, drafts, count) in cases {
            let files = [picture(1), picture(2)];
            let replies = match count {
                1 => files.iter().map(|file| success(&[file])).collect(),
                _ => vec![success(&[&files[0], &files[1]])],
            };
            let server = FakeOpenAi::start(replies).await;
            let mut job = job_at("openai", 2);
            job.settings.previews = wish;
            assert_eq!(ending(&attempt(&job, &server, options).await), "complete");
            for asked in server.asked().iter() {
                let body = asked.json();
                assert_eq!(body["partial_images"].as_u64(), drafts, "{wish:?}");
                assert_eq!(body["stream"].as_bool(), drafts.map(|_| true), "{wish:?}");
                assert_eq!(body["n"], count, "{wish:?}");
            }
            assert_eq!(server.paid(), 2 / count, "{wish:?}");
        }
    }

    /// Real drafts are PNG files of more than a megabyte.
    #[tokio::test]
    async fn a_large_draft_is_shown_as_a_smaller_copy() {
        let noise = |x: u32, y: u32| {
            let mixed = (x * 4099 + y * 65_537 + 1).wrapping_mul(2_654_435_761);
            let [red, green, blue, _] = (mixed ^ (mixed >> 13)).wrapping_mul(0x5bd1_e995).to_be_bytes();
            image::Rgb([red, green, blue])
        };
        let mut file = std::io::Cursor::new(Vec::new());
        let noisy = image::RgbImage::from_fn(1024, 1024, noise);
        noisy.write_to(&mut file, image::ImageFormat::Png).expect("encodes");
        let file = file.into_inner();
        assert!(file.len() > 4 * imagioo_worker::progress::MAX_PREVIEW);
        let draft = event("image_generation.partial_image", &file).into_bytes();
        let (_server, world, worker) = answered_with(vec![draft], Duration::from_secs(3600)).await;
        let shown = first_preview(&world).await;
        worker.kill().await;
        assert!(shown.data.len() <= imagioo_worker::progress::MAX_PREVIEW);
        assert_eq!(shown.format(), imagioo_proto::generation::v1::ImageFormat::Jpeg);
        let copy = image::load_from_memory(&shown.data).expect("readable");
        assert!(copy.width() >= 256 && copy.width() == copy.height());
    }

    #[tokio::test]
    async fn every_end_of_a_stream_has_its_class() {
        let completed = event("image_edit.completed", &picture(1));
        let refused = r#"{"type":"error","error":{"code":"moderation_blocked","message":"m"}}"#;
        let failed = r#"{"type":"error","error":{"code":"server_error","message":"m"}}"#;
        let cases = [
            (completed.clone(), "complete"),
            (format!("data: {{\"type\":\"image_generation.in_progress\"}}\n\n{completed}"), "complete"),
            (format!("event: error\ndata: {refused}\n\n"), "refused:input:"),
            (format!("event: error\ndata: {failed}\n\n"), "retry:PROVIDER_BAD_ANSWER:unknown"),
            (event("image_generation.partial_image", &picture(1)), "retry:PROVIDER_BAD_ANSWER:unknown"),
            ("data: [DONE]\n\n".to_owned(), "retry:PROVIDER_BAD_ANSWER:unknown"),
            ("data: {\n\n".to_owned(), "retry:PROVIDER_BAD_ANSWER:unknown"),
            (event("image_generation.completed", b"<html>"), "retry:PROVIDER_BAD_IMAGE:unknown"),
        ];
        for (text, expected) in cases {
            assert_eq!(after_events(&text).await, expected, "{text}");
        }
    }

    /// A server that does not know streams answers as ever.
    #[tokio::test]
    async fn an_answer_in_one_piece_is_taken_although_a_stream_was_asked_for() {
        let server = FakeOpenAi::start([success(&[&picture(1)])]).await;
        let manifest = attempt(&job_at("openai", 1), &server, streaming()).await;
        assert_eq!(ending(&manifest), "complete");
    }
}
