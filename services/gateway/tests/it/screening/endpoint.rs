//! The moderation endpoint: what it is asked, what its decisions do, and that whatever is no decision allows nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use imagioo_proto::generation::v1::{
    CreateGenerationRequest, GenerationSettings, GenerationState, RunGenerationAgainRequest,
};
use imagioo_rpc::Code;
use imagioo_testkit::web::{Reply, WebServer};
use serde_json::json;

use super::{assert_blocked, assert_untouched};
use crate::harness::{App, wanted};

/// An endpoint that answers as it is told.
pub(crate) struct Moderation {
    server: WebServer,
    reply: Arc<Mutex<Reply>>,
}

impl Moderation {
    pub(crate) async fn start(reply: Reply) -> Self {
        let reply = Arc::new(Mutex::new(reply));
        let next = Arc::clone(&reply);
        let server = WebServer::start(move |_| next.lock().expect("no test panics inside").clone());
        Self { server: server.await, reply }
    }

    pub(crate) fn answers(&self, reply: Reply) {
        *self.reply.lock().expect("no test panics inside") = reply;
    }

    pub(crate) fn asked(&self) -> usize {
        self.server.asked().len()
    }

    /// Gives up soon what does not answer.
    pub(crate) fn hasty_config(&self) -> String {
        self.config().replace("timeout_seconds = 60", "timeout_seconds = 1")
    }

    pub(crate) fn config(&self) -> String {
        format!(
            r#"screening.screens = ["http"]
               screening.http.base_url = "{}"
               screening.http.api_key = "test-key"
               screening.http.timeout_seconds = 60"#,
            self.server.url("")
        )
    }
}

/// An answer of the contract.
pub(crate) fn decision(decision: &str) -> Reply {
    let body = json!({
        "id": "mod_yLWDsJx9rOPcJYoe5UfsKR", "object": "moderation_result", "prompt": "a fox",
        "external_id": "gen_0198c0de-9999", "decision": decision, "usage": { "units": 1 },
    });
    Reply::json(200, &body.to_string())
}

fn named(request_id: &str) -> CreateGenerationRequest {
    CreateGenerationRequest { request_id: request_id.to_owned(), ..wanted("a fox") }
}

#[tokio::test]
async fn s85_an_allowed_prompt_runs_under_the_recorded_decision_and_nothing_else_leaves() {
    let moderation = Moderation::start(decision("allow")).await;
    let app = App::with(moderation.config()).await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let job = worker.job().await;
    let (by, at) = job.job.screening.split_once(';').expect("a time");
    assert_eq!(by, "allow:http=mod_yLWDsJx9rOPcJYoe5UfsKR");
    assert!(at.ends_with('Z') && at.starts_with("20"), "{at}");
    job.deliver_all().await;
    ada.sees(&created.name, GenerationState::Succeeded).await;

    {
        let requests = moderation.server.asked();
        let [asked] = requests.as_slice() else { panic!("asked once: {requests:?}") };
        assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/v1/moderation/prompt"));
        assert_eq!(asked.header("x-api-key"), Some("test-key"));
        let id = created.name.trim_start_matches("generations/");
        assert_eq!(asked.json(), json!({ "prompt": "a fox", "external_id": id }));
        let whole = format!("{asked:?}");
        assert!(!whole.contains(&ada.id.to_string()), "nothing about the owner");
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn s85_what_is_flagged_or_denied_is_refused_and_costs_nothing_however_often_it_is_sent() {
    let moderation = Moderation::start(decision("deny")).await;
    let app = App::with(moderation.config()).await;
    let ada = app.user();
    for word in ["deny", "flag"] {
        moderation.answers(decision(word));
        for _ in 0..2 {
            let error = ada.ask(named("once")).await.expect_err(word);
            assert_blocked(&app, &error, "http", ("", &["prompt"])).await;
        }
    }
    moderation
        .answers(Reply::json(200, r#"{"id":"mod_1","decision":"deny","categories":["violence","hate"]}"#));
    let error = ada.ask(named("once")).await.expect_err("denied");
    assert_blocked(&app, &error, "http", ("hate,violence", &["prompt"])).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn s85_whatever_is_no_decision_allows_nothing_and_is_worth_another_try() {
    let allow = br#"{"id":"mod_1","decision":"allow"}"#.to_vec();
    let drip = Reply::Drip { body: allow.clone(), pause: Duration::from_millis(100) };
    let moderation = Moderation::start(Reply::Hang).await;
    let app = App::with(moderation.hasty_config()).await;
    assert_allows_nothing(&app, &moderation, [("nothing", Reply::Hang), ("a drip", drip)]).await;
    app.ends_clean().await;

    let willing = WebServer::start(|_| decision("allow")).await;
    let moderation = Moderation::start(Reply::Hang).await;
    let app = App::with(moderation.config()).await;
    let long = format!(r#"{{"id":"mod_1","decision":"allow","prompt":"{}"}}"#, "x".repeat(600_000));
    let moved = Reply::json(302, "").with("location", &willing.url("/v1/moderation/prompt"));
    let page = Reply::file("text/html", b"<!DOCTYPE html><title>allow</title>");
    let faults = [
        ("a reset", Reply::Reset),
        ("a cut", Reply::Cut { after: allow.len() - 1, body: allow.clone() }),
        ("an endless answer", Reply::Endless(r#"{"id":"mod_1","decision":"allow","prompt":""#)),
        ("a long answer", Reply::json(200, &long)),
        ("401", Reply::json(401, "{}")),
        ("403", Reply::json(403, "{}")),
        ("404", Reply::unknown()),
        ("429", Reply::json(429, "{}").with("retry-after", "7")),
        ("500", decision("allow").under(500)),
        ("503", Reply::json(503, "")),
        ("a redirect", moved),
        ("a page", page),
        ("half of it", Reply::json(200, r#"{"id":"mod_1","decision":"allow""#)),
        ("nothing at all", Reply::json(200, "")),
        ("no decision", Reply::json(200, r#"{"id":"mod_1"}"#)),
        ("no id", Reply::json(200, r#"{"decision":"allow"}"#)),
        ("an unknown decision", decision("maybe")),
    ];
    assert_allows_nothing(&app, &moderation, faults).await;
    assert_eq!(willing.asked().len(), 0, "no redirect is followed");
    app.ends_clean().await;
}

/// Each of these refuses a call that may be made again; in the end the very same call is accepted.
async fn assert_allows_nothing(
    app: &App,
    moderation: &Moderation,
    faults: impl IntoIterator<Item = (&'static str, Reply)>,
) {
    let ada = app.user();
    for (what, reply) in faults {
        moderation.answers(reply);
        let error = ada.ask(named("once")).await.expect_err(what);
        assert_eq!(error.code(), Code::Unavailable, "{what}: {error}");
        let wait = if what == "429" { 7 } else { 5 };
        assert_eq!(error.delay(), Some(Duration::from_secs(wait)), "{what}");
        assert_untouched(app).await;
    }
    moderation.answers(decision("allow"));
    ada.ask(named("once")).await.expect("the very same call");
    app.worker("w1").await.work_off(1).await;
}

#[tokio::test]
async fn s85_both_texts_are_asked_about_and_either_can_block() {
    let server = WebServer::start(|asked| match asked.json()["prompt"].as_str() {
        Some("blood") => decision("flag"),
        Some("fire") => Reply::json(500, ""),
        _ => decision("allow"),
    });
    let moderation = Moderation { server: server.await, reply: Arc::new(Mutex::new(Reply::Hang)) };
    let mut app = App::with(moderation.config()).await;
    let understands =
        |text: &str| text.replace("id = \"sketch\"\ntitle", "id = \"sketch\"\nnegative_prompt = true\ntitle");
    app.restart_with_catalogue(understands).await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let with = |negative: &str| {
        let settings = GenerationSettings { negative_prompt: negative.to_owned(), ..Default::default() };
        CreateGenerationRequest { settings: Some(settings), ..wanted("a fox") }
    };
    let error = ada.ask(with("blood")).await.expect_err("flagged");
    assert_blocked(&app, &error, "http", ("", &["settings.negative_prompt"])).await;
    let error = ada.ask(CreateGenerationRequest { prompt: "fire".into(), ..with("blood") }).await;
    let error = error.expect_err("one is flagged, whatever becomes of the other");
    assert_blocked(&app, &error, "http", ("", &["settings.negative_prompt"])).await;
    ada.ask(with("fog")).await.expect("allowed");
    let mut texts: Vec<_> =
        moderation.server.asked().iter().map(|asked| asked.json()["prompt"].to_string()).collect();
    texts.sort();
    let each_once = ["\"a fox\"", "\"a fox\"", "\"blood\"", "\"blood\"", "\"fire\"", "\"fog\""];
    assert_eq!(texts, each_once);
    worker.work_off(1).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn a_repetition_of_what_was_accepted_is_answered_whatever_the_screen_says_now() {
    let moderation = Moderation::start(decision("allow")).await;
    let app = App::with(moderation.config()).await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.ask(named("once")).await.expect("accepted");
    for reply in [decision("deny"), Reply::json(500, "")] {
        moderation.answers(reply);
        assert_eq!(ada.ask(named("once")).await.expect("the same").name, created.name);
        ada.ask(named("twice")).await.expect_err("something new");
    }
    assert_eq!((app.billing.holds().len(), app.count().await), (1, 1));
    worker.work_off(1).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn s85_a_call_that_heals_is_screened_as_the_generation_that_it_becomes() {
    let server = WebServer::start(|asked| {
        let id = format!("mod_{}", asked.json()["external_id"].as_str().expect("an id"));
        Reply::json(200, &json!({ "id": id, "decision": "allow" }).to_string())
    });
    let moderation = Moderation { server: server.await, reply: Arc::new(Mutex::new(Reply::Hang)) };
    let app = App::with(moderation.config()).await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    app.billing.lose_answers(true);
    ada.ask(named("once")).await.expect_err("the line broke after the hold");
    app.billing.lose_answers(false);
    let healed = ada.ask(named("once")).await.expect("healed");
    let id = healed.name.trim_start_matches("generations/").to_owned();
    let job = worker.job().await;
    assert!(job.job.screening.starts_with(&format!("allow:http=mod_{id};")), "{}", job.job.screening);
    let asked = moderation.asked();
    assert_eq!(ada.ask(named("once")).await.expect("the same").name, healed.name);
    assert_eq!(moderation.asked(), asked + 1, "what is there already is not screened a second time");
    job.deliver_all().await;
    app.ends_clean().await;
}

#[tokio::test]
async fn s85_a_generation_that_is_run_again_is_screened_again() {
    let moderation = Moderation::start(decision("allow")).await;
    let app = App::with(moderation.config()).await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let first = ada.create("a fox").await;
    worker.work_off(1).await;
    let again = RunGenerationAgainRequest { name: first.name.clone(), ..Default::default() };
    moderation.answers(decision("deny"));
    let error = ada.run_again(again.clone()).await.expect_err("denied by now");
    assert_eq!(error.code(), Code::ContentPolicy);
    assert_eq!((moderation.asked(), app.billing.holds().len()), (2, 1));

    moderation.answers(decision("allow"));
    ada.run_again(again).await.expect("allowed again");
    assert_eq!(moderation.asked(), 3);
    worker.work_off(1).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn a_private_endpoint_that_the_operator_does_not_trust_is_not_asked() {
    let moderation = Moderation::start(decision("allow")).await;
    let secure = moderation.config().replace("http://127", "https://127");
    let app = App::with(secure).await;
    let error = app.user().ask(wanted("a fox")).await.expect_err("not reached");
    assert_eq!((error.code(), moderation.asked()), (Code::Unavailable, 0));
    assert_untouched(&app).await;
    app.ends_clean().await;
}
