//! The OpenAI adapter against a server that misbehaves in every known way (r43, r47, r76).

use std::time::Duration;

use imagioo_proto::jobs::v1::Manifest;
use imagioo_proto::jobs::v1::manifest::Ending;
use imagioo_worker::job::Job;

use imagioo_testkit::web::{Asked, Reply};

use crate::fake_openai::{FakeOpenAi, images, success};
use crate::harness::{NOW, World, ending, job_at, picture, picture_as, places};

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
    let options = toml::toml! { account = { parameters = ["size", "seed"], send_response_format = true, api_key = "" } };
    let manifest = attempt(&job_at("openai", 2), &server, options).await;
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

/// r76: a link to another host, or to something that is no image, fails the job.
#[tokio::test]
async fn r76_foreign_links_pages_and_redirects_are_not_images() {
    let foreign = FakeOpenAi::start([]).await;
    foreign.state().files.insert("/1.png".to_owned(), Reply::file("image/png", &picture(1)));
    let server = FakeOpenAi::start([]).await;
    let page = Reply::file("image/png", b"<!DOCTYPE html><script>alert(1)</script>");
    let moved = Reply::json(302, "").with("location", &format!("http://{}/1.png", foreign.address));
    server.state().files.extend([("/page".to_owned(), page), ("/moved".to_owned(), moved)]);
    let own = |path: &str| format!("http://{}{path}", server.address);
    let cases = [
        (format!("http://{}/1.png", foreign.address), "failed:RESULT_HOST_NOT_ALLOWED"),
        ("http://169.254.169.254/latest/meta-data".to_owned(), "failed:RESULT_HOST_NOT_ALLOWED"),
        ("file:///etc/passwd".to_owned(), "failed:RESULT_HOST_NOT_ALLOWED"),
        (own("/page"), "retry:PROVIDER_BAD_IMAGE:unknown"),
        (own("/moved"), "failed:PROVIDER_BAD_IMAGE"),
        (own("/gone"), "failed:PROVIDER_BAD_IMAGE"),
    ];
    for (link, expected) in cases {
        server.state().replies.push_back(Reply::json(200, &format!(r#"{{"data":[{{"url":"{link}"}}]}}"#)));
        let manifest = attempt(&job_at("openai", 1), &server, toml::Table::new()).await;
        assert_eq!((ending(&manifest).as_str(), manifest.images.len()), (expected, 0), "{link}");
    }
    assert_eq!(foreign.asked().len(), 0, "nobody connected to the foreign host");
}

/// r43: every fault has its class.
#[tokio::test]
async fn r43_every_fault_has_its_class() {
    let error =
        |code: &str| format!(r#"{{"error":{{"message":"m","type":"t","param":null,"code":"{code}"}}}}"#);
    let whole = images(&[&picture(1)]).into_bytes();
    let cut = Reply::Cut { after: whole.len() / 2, body: whole.clone() };
    let html = b"<!DOCTYPE html><title>busy</title>".as_slice();
    let table = [
        ("401", Reply::json(401, &error("invalid_api_key")), "failed:PROVIDER_AUTH"),
        ("403", Reply::json(403, "{}"), "failed:PROVIDER_AUTH"),
        ("400", Reply::json(400, &error("invalid_value")), "failed:PROVIDER_REJECTED"),
        ("404", Reply::json(404, &error("model_not_found")), "failed:PROVIDER_REJECTED"),
        ("429", Reply::json(429, &error("rate_limit_exceeded")), "retry:PROVIDER_RATE_LIMITED:no"),
        ("no money", Reply::json(429, &error("insufficient_quota")), "failed:PROVIDER_QUOTA"),
        ("500", Reply::json(500, &error("server_error")), "retry:PROVIDER_UNAVAILABLE:unknown"),
        ("503", Reply::file("text/html", html).under(503), "retry:PROVIDER_UNAVAILABLE:unknown"),
        ("a page", Reply::file("text/html", html), "retry:PROVIDER_BAD_ANSWER:unknown"),
        ("reset", Reply::Reset, "retry:PROVIDER_UNAVAILABLE:unknown"),
        ("cut", cut, "retry:PROVIDER_UNAVAILABLE:unknown"),
        ("half", Reply::json(200, r#"{"data":[{"b64_json":"iVBOR"#), "retry:PROVIDER_BAD_ANSWER:unknown"),
        ("complaint", Reply::json(200, &error("server_error")), "retry:PROVIDER_BAD_ANSWER:unknown"),
        ("nothing", Reply::json(200, r#"{"data":[]}"#), "retry:PROVIDER_FEWER_IMAGES:unknown"),
        ("empty", Reply::json(200, r#"{"data":[{}]}"#), "retry:PROVIDER_BAD_IMAGE:unknown"),
        ("html image", success(&[html]), "retry:PROVIDER_BAD_IMAGE:unknown"),
        ("half image", success(&[&picture(1)[..picture(1).len() / 2]]), "retry:PROVIDER_BAD_IMAGE:unknown"),
    ];
    for (name, reply, expected) in table {
        assert_eq!(after(reply).await, expected, "{name}");
    }
}

#[tokio::test]
async fn every_shape_of_a_refusal_is_a_refusal_and_never_an_empty_success() {
    let shapes = [
        (
            400,
            r#"{"error":{"message":"Your request was rejected by the safety system. safety_violations=[sexual].",
            "type":"image_generation_user_error","param":null,"code":"moderation_blocked"}}"#,
            "input:sexual",
        ),
        (
            400,
            r#"{"error":{"message":"rejected","type":"image_generation_user_error","code":"moderation_blocked",
            "moderation_details":{"moderation_stage":"output","categories":["violence"]}}}"#,
            "output:violence",
        ),
        (
            400,
            r#"{"error":{"code":"content_policy_violation","message":"m","param":null,
            "type":"invalid_request_error"}}"#,
            "input:",
        ),
        (400, r#"{"error":{"code":"image_content_policy_violation","message":"m"}}"#, "input:"),
        (
            400,
            r#"{"error":{"code":"content_filter","message":"m","status":400,"innererror":{
            "code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true,
            "severity":"high"},"sexual":{"filtered":false,"severity":"safe"}}}}}"#,
            "input:hate",
        ),
        (403, r#"{"error":{"code":"moderation_blocked","message":"m"}}"#, "input:"),
        (200, r#"{"created":1,"error":{"code":"moderation_blocked","message":"m"}}"#, "input:"),
    ];
    for (status, body, expected) in shapes {
        assert_eq!(after(Reply::json(status, body)).await, format!("refused:{expected}"), "{status} {body}");
    }
}

#[tokio::test]
async fn a_wished_wait_is_honoured() {
    let reply = Reply::json(429, r#"{"error":{"code":"rate_limit_exceeded"}}"#).with("retry-after", "7");
    let server = FakeOpenAi::start([reply]).await;
    let manifest = attempt(&job_at("openai", 1), &server, toml::Table::new()).await;
    let Some(Ending::Retry(retry)) = manifest.ending else { panic!("no retry") };
    assert!(retry.not_before.expect("a date").seconds >= NOW.unix_timestamp() + 7);
}

#[tokio::test]
async fn a_provider_that_hangs_or_drips_is_given_up_in_time() {
    let drip = Reply::Drip { body: images(&[&picture(1)]).into_bytes(), pause: Duration::from_millis(20) };
    for reply in [Reply::Hang, drip] {
        let server = FakeOpenAi::start([reply]).await;
        let mut job = job_at("openai", 1);
        job.deployment.call_timeout = Duration::from_millis(300);
        let started = std::time::Instant::now();
        let manifest = attempt(&job, &server, toml::Table::new()).await;
        assert_eq!(ending(&manifest), "retry:PROVIDER_TIMEOUT:unknown");
        assert!(started.elapsed() < Duration::from_secs(10));
        assert_eq!(server.paid(), 1, "an unknown outcome is not repeated here");
    }
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_did_not_charge() {
    let server = FakeOpenAi::start([]).await;
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base_url = format!("http://{}/v1", unused.local_addr().expect("bound"));
    drop(unused);
    let mut account = toml::Table::new();
    account.insert("base_url".to_owned(), base_url.into());
    let options = [("account".to_owned(), toml::Value::Table(account))].into_iter().collect();
    let manifest = attempt(&job_at("openai", 1), &server, options).await;
    assert_eq!(ending(&manifest), "retry:PROVIDER_UNAVAILABLE:no");
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

#[tokio::test]
async fn answers_and_images_over_their_limits_are_not_taken() {
    let limit = || toml::toml! { results = { answer_bytes = 100000, image_bytes = 500 } };
    let large = Reply::json(200, &format!(r#"{{"data":[{{"b64_json":"{}"}}]}}"#, "A".repeat(200_000)));
    let cases = [
        (large, "failed:PROVIDER_BAD_ANSWER"),
        (Reply::Endless(r#"{"data":[{"b64_json":""#), "failed:PROVIDER_BAD_ANSWER"),
        (success(&[&[b"\x89PNG\r\n\x1a\n".as_slice(), &[0; 600]].concat()]), "failed:PROVIDER_BAD_IMAGE"),
    ];
    for (reply, expected) in cases {
        let server = FakeOpenAi::start([reply]).await;
        assert_eq!(ending(&attempt(&job_at("openai", 1), &server, limit()).await), expected);
    }
}
