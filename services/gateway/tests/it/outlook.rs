//! Positions in the queue and estimates: what the dispatcher would do, and what was measured.

use imagioo_proto::generation::v1::{
    CreateGenerationRequest, Estimate, EstimateGenerationRequest, EstimateGenerationResponse, Operation,
};
use time::Duration;

use crate::harness::{App, User, eventually, wanted, within};

fn narrow(prompt: &str) -> CreateGenerationRequest {
    CreateGenerationRequest { model: "models/narrow".to_owned(), ..wanted(prompt) }
}

async fn estimated(user: &User) -> EstimateGenerationResponse {
    let request = user.says(EstimateGenerationRequest {
        model: "models/narrow".to_owned(),
        operation: Operation::TextToImage.into(),
        ..EstimateGenerationRequest::default()
    });
    within("an answer", user.generations().estimate_generation(request))
        .await
        .expect("estimated")
        .into_inner()
}

fn seconds(length: Option<prost_types::Duration>) -> i64 {
    length.expect("a length").seconds
}

#[tokio::test]
async fn a_position_counts_who_is_served_before_and_not_everybody_who_waits() {
    let app = App::with("share.in_flight = 1").await;
    let (ada, eve, bob) = (app.user(), app.user(), app.user());
    let mut worker = app.worker_for("narrow", "w1").await;
    let mut hers = Vec::new();
    for _ in 0..20 {
        hers.push(ada.ask(narrow("a fox")).await.expect("accepted").name);
    }
    // The window has room for one more, and then it has none.
    let [served, eves] = [bob.ask(narrow("bob's")).await, eve.ask(narrow("eve's")).await]
        .map(|created| created.expect("accepted").name);
    eventually("everybody's place is known", async || {
        let position = async |user: &User, name: &str| user.get(name).await.expect("theirs").queue_position;
        let last = position(&ada, &hers[19]).await;
        position(&bob, &served).await == Some(0)
            && position(&eve, &eves).await.is_some_and(|ahead| ahead <= 2)
            && last == Some(19)
            && position(&ada, &hers[9]).await.is_some_and(|ahead| (8..=10).contains(&ahead))
    })
    .await;
    let listed = ada.list(0, "").await.expect("listed").generations;
    assert!(listed.is_sorted_by(|newer, older| newer.queue_position >= older.queue_position));
    worker.work_off(22).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn an_estimate_says_how_long_the_last_ones_ran_and_how_much_is_ahead() {
    let app = App::with("share.in_flight = 1").await;
    let (ada, mut worker) = (app.user(), app.worker_for("narrow", "w1").await);
    assert_eq!(estimated(&ada).await.estimate, None, "nothing was measured");
    for measured in 0..6 {
        let created = ada.ask(narrow("a fox")).await.expect("accepted");
        assert!(created.estimate.is_none() || measured >= 5, "{:?} after {measured}", created.estimate);
        let job = worker.job().await;
        app.shift(Duration::seconds(20)).await;
        job.deliver_all().await;
        ada.sees_the_end(&created.name).await;
    }
    eventually("all were measured", async || {
        estimated(&ada).await.estimate.is_some_and(|estimate| estimate.samples == 6)
    })
    .await;
    let free = estimated(&ada).await;
    let Estimate { wait, median, p90, samples } = free.estimate.expect("measured");
    assert_eq!((free.queue_depth, samples), (0, 6));
    assert_eq!(seconds(wait), 0, "nobody is ahead");
    assert!((20..25).contains(&seconds(median)) && (20..25).contains(&seconds(p90)), "{median:?} {p90:?}");

    let mut names = Vec::new();
    for _ in 0..4 {
        names.push(ada.ask(narrow("a fox")).await.expect("accepted").name);
    }
    // Her slot is taken, and two of hers come first: three rounds of twenty seconds, and then its own.
    eventually("what is ahead is known", async || {
        let last = ada.get(&names[3]).await.expect("hers");
        let estimate = last.estimate.expect("open");
        last.queue_position == Some(2)
            && (60..75).contains(&seconds(estimate.wait))
            && (80..100).contains(&seconds(estimate.median))
    })
    .await;
    worker.work_off(4).await;
    assert_eq!(ada.sees_the_end(&names[3]).await.estimate, None, "it ended");
    app.ends_clean().await;
}
