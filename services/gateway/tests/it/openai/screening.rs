//! Screening through the HTTP door: what is refused, what may be asked for again, and what goes on without its client (s85).

use std::sync::Arc;

use imagioo_testkit::web::Reply;
use serde_json::json;
use tokio::sync::Notify;

use super::{EDITS, tiny, under_way};
use crate::harness::{App, Program, answer, drawing, eventually, form};
use crate::screening::endpoint::{Moderation, decision};

/// An endpoint that allows, when the test says so.
async fn patient() -> (Moderation, Arc<Notify>) {
    let answers = Arc::new(Notify::new());
    let moderation = Moderation::start(Reply::When(Arc::clone(&answers), Box::new(decision("allow")))).await;
    (moderation, answers)
}

fn waiting(moderation: &Moderation, options: &str) -> String {
    format!("{}\n{options}", moderation.config())
}

#[tokio::test]
async fn s85_what_could_not_be_screened_may_be_asked_for_again_with_and_without_a_key() {
    let moderation = Moderation::start(Reply::Hang).await;
    let app = App::with(moderation.hasty_config()).await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let program = app.program(&ada);
    for (what, reply, wait) in [
        ("silence", Reply::Hang, "5"),
        ("500", decision("allow").under(500), "5"),
        ("429", Reply::json(429, "{}").with("retry-after", "7"), "7"),
        ("no JSON", Reply::json(200, "allow"), "5"),
        ("an unknown decision", decision("maybe"), "5"),
    ] {
        moderation.answers(reply);
        for key in [None, Some("order 7")] {
            let answer = match key {
                Some(key) => program.draw_once(key, drawing("a fox")).await,
                None => program.draw(drawing("a fox")).await,
            };
            assert_eq!(answer.error(), (503, "server_error".into(), "unavailable".into(), None), "{what}");
            assert_eq!(answer.header("retry-after"), Some(wait), "{what}");
            assert_eq!(
                answer.header("x-should-retry"),
                None,
                "{what}: nothing was made, so nothing can be twice"
            );
        }
        assert_eq!((app.billing.calls(), app.count().await), (0, 0), "{what}");
    }
    moderation.answers(decision("allow"));
    let asked = under_way(async move { program.draw(drawing("a fox")).await });
    worker.work_off(1).await;
    asked.await.expect("answered").good();
    app.ends_clean().await;
}

#[tokio::test]
async fn s85_what_is_denied_or_flagged_is_blocked_as_openai_says_it() {
    let moderation = Moderation::start(Reply::Hang).await;
    let app = App::with(moderation.config()).await;
    let program = app.program(&app.user());
    for word in ["deny", "flag"] {
        let body = json!({ "id": "mod_1", "decision": word, "categories": ["violence", "hate"] });
        moderation.answers(Reply::json(200, &body.to_string()));
        let refused = program.draw(drawing("a fox")).await;
        let expected =
            (400, "image_generation_user_error".into(), "moderation_blocked".into(), Some("prompt".into()));
        assert_eq!(refused.error(), expected, "{word}");
        let details = json!({ "moderation_stage": "input", "categories": ["hate", "violence"] });
        assert_eq!(refused.json()["error"]["moderation_details"], details, "{word}");
        assert_eq!((app.billing.calls(), app.count().await), (0, 0), "{word}");
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn the_wait_begins_when_a_call_arrives_and_not_when_it_was_accepted() {
    let (moderation, answers) = patient().await;
    let app = App::with(waiting(&moderation, "http.wait_seconds = 1")).await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let late = app.program(&ada).draw(drawing("a fox")).await;
    assert_eq!((late.error().0, late.error().2.as_str()), (504, "deadline_exceeded"));
    assert_eq!(late.header("x-should-retry"), Some("false"), "it may be accepted yet");
    assert_eq!(app.count().await, 0);
    answers.notify_one();
    worker.work_off(1).await;
    let found = ada.list(10, "").await.expect("her history").generations;
    assert_eq!(found.len(), 1, "what has begun to be accepted is");
    app.ends_clean().await;
}

#[tokio::test]
async fn who_hangs_up_before_the_acceptance_finds_the_image_and_its_pictures_take_up_room_until_then() {
    let (moderation, answers) = patient().await;
    let app = App::with(waiting(&moderation, "http.user_bodies = 1\nwatches.per_user = 1")).await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let program = app.program(&ada);
    let edit = |program: &Program| {
        let call = form(&[("prompt", "at night")], &[("image", &tiny())]);
        under_way(answer(program.call(reqwest::Method::POST, EDITS).multipart(call)))
    };
    let asked = edit(&program);
    eventually("it is being screened", async || moderation.asked() == 1).await;
    asked.abort();
    assert!(asked.await.expect_err("hung up").is_cancelled());
    // The seat at which the call waited is free when the server has noticed that nobody is there.
    eventually("nobody waits", async || ada.try_watch_all("").await.is_ok()).await;
    let refused = edit(&program).await.expect("answered");
    assert_eq!((refused.error().0, refused.error().2.as_str()), (429, "rate_limit_exceeded"));
    assert!(refused.body.contains("requests with pictures"), "{}", refused.body);

    answers.notify_one();
    let job = worker.job().await;
    job.deliver_all().await;
    let kept = ada.get(&job.job.generation).await.expect("hers");
    assert_eq!((kept.charge, kept.images.len()), (5, 1));
    eventually("there is room again", async || program.post(EDITS, json!({})).await.status.as_u16() == 400)
        .await;
    app.ends_clean().await;
}
