//! The tables of the suite.

use std::time::Duration;

use imagioo_proto::jobs::v1::manifest::Ending;
use imagioo_testkit::web::{Reply, WebServer};

use super::{Fault, Step, Trial, Wire, account, prepared};
use crate::harness::{NOW, World, ending, picture, registry, taken_over};

const HTML: &[u8] = b"<!DOCTYPE html><title>busy</title><script>alert(1)</script>";

/// Time for one call where the provider never answers.
const SOON: Duration = Duration::from_millis(400);

fn at(step: Step, reply: Reply) -> Trial {
    Trial { fault: Some(Fault::always(step, reply)), ..Trial::default() }
}

/// What follows from each answer to the request that makes the call. At most one is ever made.
pub async fn submits<W: Wire>() {
    let (good, server_error) =
        (Trial::default(), format!("retry:PROVIDER_UNAVAILABLE:{}", W::SERVER_ERROR_CHARGED));
    let done = good.run::<W>().await;
    assert_eq!((ending(&done.manifest).as_str(), done.manifest.images.len()), ("complete", 1));
    assert_eq!(done.count(Step::Submit), 1);
    let timed_out = "retry:PROVIDER_TIMEOUT:unknown".to_owned();
    let unavailable = "retry:PROVIDER_UNAVAILABLE:unknown".to_owned();
    let nonsense = "retry:PROVIDER_BAD_ANSWER:unknown".to_owned();
    let drip = Reply::Drip { body: vec![b'['; 1000], pause: Duration::from_millis(20) };
    let limited = toml::toml! { results = { answer_bytes = 100000 } };
    let table = [
        ("401", Reply::json(401, "{}"), "failed:PROVIDER_AUTH".to_owned()),
        ("402", Reply::json(402, "{}"), "failed:PROVIDER_QUOTA".to_owned()),
        ("400", Reply::json(400, "{}"), "failed:PROVIDER_REJECTED".to_owned()),
        ("404", Reply::typed(404, "text/html", HTML), "failed:PROVIDER_REJECTED".to_owned()),
        ("429", Reply::json(429, "{}"), "retry:PROVIDER_RATE_LIMITED:no".to_owned()),
        ("500", Reply::json(500, "{}"), server_error.clone()),
        ("503", Reply::typed(503, "text/html", HTML), server_error),
        ("a page", Reply::file("text/html", HTML), nonsense.clone()),
        ("half", Reply::json(200, r#"{"data":[{"a":"iVBOR"#), nonsense.clone()),
        ("a list", Reply::json(200, "[1]"), nonsense.clone()),
        ("a complaint under 200", Reply::json(200, W::COMPLAINT), nonsense),
        ("reset", Reply::Reset, unavailable.clone()),
        ("cut", Reply::Cut { body: vec![b' '; 100], after: 50 }, unavailable),
        ("endless", Reply::Endless("{\"a\":\""), "failed:PROVIDER_BAD_ANSWER".to_owned()),
        ("hang", Reply::Hang, timed_out.clone()),
        ("drip", drip, timed_out),
    ];
    for (name, reply, expected) in table {
        let call_timeout = if matches!(reply, Reply::Hang | Reply::Drip { .. }) {
            SOON
        } else {
            Trial::default().call_timeout
        };
        let trial = Trial { call_timeout, overrides: limited.clone(), ..at(Step::Submit, reply) };
        let verdict = trial.run::<W>().await;
        assert_eq!(ending(&verdict.manifest), expected, "{name}");
        assert_eq!(verdict.count(Step::Submit), 1, "{name}: one call");
    }
    let busy = Reply::json(429, "{}").with("retry-after", "7");
    let Some(Ending::Retry(retry)) = at(Step::Submit, busy).run::<W>().await.manifest.ending else {
        panic!("no retry")
    };
    assert!(retry.not_before.expect("a date").seconds >= NOW.unix_timestamp() + 7);
    let keys = done.asked.iter().filter(|(step, _)| *step == Step::Download);
    for (_, asked) in keys {
        let shown = asked.headers.iter().any(|(_, value)| value.contains("test-key"));
        assert!(!shown, "the key stays with the API");
    }
}

/// A good key is known, a bad one and a provider that is down are told apart, and no call is made.
pub async fn checks<W: Wire>() {
    let (path, good) = W::CHECK;
    for (status, expected) in [
        (good, None),
        (401, Some("PROVIDER_AUTH")),
        (403, Some("PROVIDER_AUTH")),
        (402, Some("PROVIDER_QUOTA")),
        (503, Some("PROVIDER_UNAVAILABLE")),
    ] {
        let server = WebServer::start(move |asked| {
            assert_eq!((asked.method.as_str(), asked.path.as_str()), ("GET", path));
            match W::REFUSES_STRANGERS && asked.header("authorization").is_none() {
                true => Reply::json(401, "{}"),
                false => Reply::json(status, W::CHECK_BODY),
            }
        })
        .await;
        let checked = registry(account::<W>(&server.url(""), W::KEY))
            .check("provider")
            .await
            .expect("an account of that name");
        assert_eq!(checked.err().map(|error| error.reason.as_str()), expected, "{status}");
        let twice = W::REFUSES_STRANGERS && expected.is_none();
        assert_eq!(server.asked().len(), if twice { 2 } else { 1 });
        let shown = server.asked()[0].headers.iter().any(|(_, value)| value.contains("test-key"));
        assert!(shown || W::KEY != "test-key", "with the key");
    }
}

/// No page that some other web server has for everything counts as an answer.
pub async fn pages<W: Wire>() {
    for status in [200, 404] {
        let server = WebServer::start(move |_| Reply::typed(status, "text/html", HTML)).await;
        let checked =
            registry(account::<W>(&server.url(""), W::KEY)).check("provider").await.expect("an account");
        assert!(checked.is_err(), "{status}");
    }
}

/// A call that was accepted is asked after until it is done, whatever the answers in between.
pub async fn polls<W: Wire>() {
    if W::TASK.is_none() {
        let done = Trial::default().run::<W>().await;
        assert_eq!(done.count(Step::Poll), 0, "a synchronous provider is not asked again");
        return;
    }
    let passing = [
        ("500", Reply::json(500, "{}")),
        ("429", Reply::json(429, "{}").with("retry-after-ms", "20")),
        ("a page", Reply::file("text/html", HTML)),
        ("reset", Reply::Reset),
        ("cut", Reply::Cut { body: vec![b' '; 100], after: 50 }),
    ];
    for (name, reply) in passing {
        let fault = Fault { step: Step::Poll, times: 2, reply };
        let verdict = Trial { fault: Some(fault), ..Trial::default() }.run::<W>().await;
        assert_eq!(ending(&verdict.manifest), "complete", "{name}");
        assert_eq!(verdict.count(Step::Submit), 1, "{name}: one call");
    }
    let verdict = Trial { call_timeout: SOON, ..at(Step::Poll, Reply::Hang) }.run::<W>().await;
    assert_eq!(ending(&verdict.manifest), "retry:PROVIDER_TIMEOUT:unknown", "hang");
}

/// A worker that takes over fetches what was accepted; without a task nobody can, and nothing is paid twice.
pub async fn takeovers<W: Wire>() {
    if W::TASK.is_some() {
        let verdict = Trial { accepted_before: true, ..Trial::default() }.run::<W>().await;
        assert_eq!((ending(&verdict.manifest).as_str(), verdict.count(Step::Submit)), ("complete", 0));
        return;
    }
    let mut world = World::new().await;
    let job = prepared::<W>(&world).await;
    let verdict = Trial::default().run_job::<W>(&mut world, taken_over(&job, &[(0, None)])).await;
    if W::REPEATABLE {
        assert_eq!((ending(&verdict.manifest).as_str(), verdict.count(Step::Submit)), ("complete", 1));
        return;
    }
    assert_eq!(
        (ending(&verdict.manifest).as_str(), verdict.asked.len()),
        ("failed:PROVIDER_OUTCOME_UNKNOWN", 0)
    );
}

/// Where results come from, and what they may be.
pub async fn downloads<W: Wire>() {
    let whole = picture(1);
    let oversized = [b"\x89PNG\r\n\x1a\n".as_slice(), &[0; 600]].concat();
    let files = [
        ("a page", HTML.to_vec(), "retry:PROVIDER_BAD_IMAGE:unknown"),
        ("half an image", whole[..whole.len() / 2].to_vec(), "retry:PROVIDER_BAD_IMAGE:unknown"),
        ("too much", oversized, "failed:PROVIDER_BAD_IMAGE"),
    ];
    for (name, file, expected) in files {
        let limited = toml::toml! { results = { image_bytes = 500 } };
        let overrides = if name == "too much" { limited } else { toml::Table::new() };
        let verdict = Trial { file, overrides, ..Trial::default() }.run::<W>().await;
        assert_eq!(
            (ending(&verdict.manifest).as_str(), verdict.manifest.images.len()),
            (expected, 0),
            "{name}"
        );
        assert_eq!(verdict.count(Step::Submit), 1, "{name}: one call");
    }
    if !W::LINKS {
        return;
    }
    let foreign = WebServer::start(|_| Reply::file("image/png", &picture(1))).await;
    for link in [
        foreign.url("/1.png").as_str(),
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "//x",
    ] {
        let verdict = Trial { link: Some(link.to_owned()), ..Trial::default() }.run::<W>().await;
        let expected = ("failed:RESULT_HOST_NOT_ALLOWED", 0);
        assert_eq!((ending(&verdict.manifest).as_str(), verdict.manifest.images.len()), expected, "{link}");
    }
    let moved = Reply::json(302, "").with("location", &foreign.url("/1.png"));
    let expired = [
        ("403", Reply::json(403, "")),
        ("404", Reply::json(404, "")),
        ("410", Reply::json(410, "")),
        ("a redirect", moved),
    ];
    for (name, reply) in expired {
        let verdict = at(Step::Download, reply).run::<W>().await;
        assert_eq!(ending(&verdict.manifest), "failed:PROVIDER_BAD_IMAGE", "{name}");
    }
    assert_eq!(foreign.asked().len(), 0, "nobody connected to the foreign host");
    for reply in [Reply::json(503, ""), Reply::Reset] {
        let fault = Fault { step: Step::Download, times: 2, reply };
        let verdict = Trial { fault: Some(fault), ..Trial::default() }.run::<W>().await;
        assert_eq!((ending(&verdict.manifest).as_str(), verdict.count(Step::Submit)), ("complete", 1));
    }
}

/// Every way of refusing becomes the same refusal, and never an empty success.
pub async fn refusals<W: Wire>() {
    assert!(!W::refusals().is_empty(), "a provider of others refuses something");
    for (name, step, reply, expected) in W::refusals() {
        let verdict = at(step, reply).run::<W>().await;
        assert_eq!(ending(&verdict.manifest), format!("refused:{expected}"), "{name}");
        assert_eq!((verdict.count(Step::Submit), verdict.manifest.images.len()), (1, 0), "{name}");
    }
}
