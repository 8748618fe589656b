//! Whose turn it is: the cap of a user, the window of a deployment, and a fair share for everyone who waits.

use imagioo_proto::generation::v1::{CreateGenerationRequest, Generation, GenerationState};
use imagioo_proto::jobs::v1::Charged;
use imagioo_types::Clock as _;
use time::Duration;
use tokio::time::Instant;

use crate::harness::{App, Attempt, User, Worker, eventually, retry, wanted};

fn narrow(prompt: &str) -> CreateGenerationRequest {
    CreateGenerationRequest { model: "models/narrow".to_owned(), ..wanted(prompt) }
}

/// Creates as many at the deployment with a window of two.
async fn queue_up(user: &User, count: usize) -> Vec<Generation> {
    let mut created = Vec::new();
    for number in 0..count {
        created.push(user.ask(narrow(&format!("fox {number}"))).await.expect("accepted"));
    }
    created
}

/// Works off job after job until this one's turn; how many came before it.
async fn jobs_before(worker: &mut Worker, generation: &Generation) -> usize {
    let mut before = 0;
    loop {
        let job = worker.job().await;
        job.deliver_all().await;
        if job.job.generation == generation.name {
            return before;
        }
        before += 1;
    }
}

async fn in_flight(app: &App) -> i64 {
    app.number("select coalesce(sum(in_flight), 0)::bigint from generation.dispatch_users").await
}

#[tokio::test]
async fn who_has_as_many_as_allowed_waits_with_a_position_until_one_ends() {
    let app = App::with("share.in_flight = 2").await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create_many(3).await;
    let states: Vec<_> = created.iter().map(Generation::state).collect();
    use GenerationState::{Dispatched, Queued};
    assert_eq!(states, [Dispatched, Dispatched, Queued]);
    assert!(created[2].queue_position.is_some());
    let (first, second) = (worker.job().await, worker.job().await);
    let mut watching = ada.watch(&created[2].name).await;
    assert_eq!(watching.change().await.state(), Queued);
    app.keeps_the_laws().await;
    first.deliver_all().await;
    watching.until(Dispatched).await;
    app.keeps_the_laws().await;
    second.deliver_all().await;
    worker.work_off(1).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn the_cap_counts_for_each_deployment_and_each_user_alone() {
    let app = App::with("share.in_flight = 1").await;
    let (ada, eve) = (app.user(), app.user());
    let (mut sketches, mut narrows) = (app.worker("w1").await, app.worker_for("narrow", "w2").await);
    let all = [
        ada.create("a fox").await,
        ada.ask(narrow("a fox")).await.expect("accepted"),
        eve.create("a fox").await,
    ];
    assert!(all.iter().all(|created| created.state() == GenerationState::Dispatched), "{all:?}");
    assert_eq!(ada.create("a wolf").await.state(), GenerationState::Queued);
    sketches.work_off(3).await;
    narrows.work_off(1).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn many_creates_of_one_user_at_once_get_no_more_slots_than_the_cap() {
    let app = App::with("share.in_flight = 3").await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let answers = futures::future::join_all((0..24).map(|_| ada.ask(wanted("a fox")))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    app.keeps_the_laws().await;
    assert_eq!(in_flight(&app).await, 3);
    worker.work_off(24).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn the_dispatcher_fills_the_window_of_a_deployment_and_no_more() {
    let app = App::with("share.in_flight = 1").await;
    let (ada, bob, eve) = (app.user(), app.user(), app.user());
    let mut worker = app.worker_for("narrow", "w1").await;
    let hers = queue_up(&ada, 2).await;
    assert_eq!(hers[1].state(), GenerationState::Queued, "from now on there is a queue");
    let bobs = queue_up(&bob, 2).await;
    let eves = queue_up(&eve, 1).await;
    bob.sees(&bobs[0].name, GenerationState::Dispatched).await;
    for turn in 0..3 {
        eventually("the window is full", async || in_flight(&app).await == 2).await;
        app.keeps_the_laws().await;
        assert_eq!(app.number("select count(*) from generation.backlog").await, 3 - turn);
        worker.work_off(1).await;
    }
    worker.work_off(2).await;
    eve.sees_the_end(&eves[0].name).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn one_job_does_not_wait_for_the_fifty_of_somebody_else() {
    let app = App::with("share.in_flight = 1").await;
    let (ada, bob, eve) = (app.user(), app.user(), app.user());
    let mut worker = app.worker_for("narrow", "w1").await;
    queue_up(&ada, 50).await;
    queue_up(&bob, 10).await;
    eventually("the window is full", async || in_flight(&app).await == 2).await;
    let hers = queue_up(&eve, 1).await;
    assert_eq!(hers[0].state(), GenerationState::Queued);
    let before = jobs_before(&mut worker, &hers[0]).await;
    assert!(before <= 4, "{before} jobs came before hers: two were on their way, two users share");
    worker.work_off(60 - before).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn what_somebody_had_while_nobody_else_wanted_any_is_not_held_against_them() {
    let app = App::with("share.in_flight = 1").await;
    let (bob, ada, eve) = (app.user(), app.user(), app.user());
    let mut worker = app.worker_for("narrow", "w1").await;
    for _ in 0..20 {
        queue_up(&bob, 1).await;
        worker.work_off(1).await;
    }
    queue_up(&ada, 20).await;
    queue_up(&eve, 20).await;
    eventually("the window is full", async || in_flight(&app).await == 2).await;
    let his = queue_up(&bob, 1).await;
    let before = jobs_before(&mut worker, &his[0]).await;
    assert!(before <= 5, "{before} jobs of newcomers came before his");
    worker.work_off(40 - before).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn who_comes_late_starts_where_the_others_are_and_not_before_them() {
    let app = App::with("share.in_flight = 1").await;
    let (ada, bob, eve) = (app.user(), app.user(), app.user());
    let mut worker = app.worker_for("narrow", "w1").await;
    queue_up(&ada, 20).await;
    queue_up(&bob, 20).await;
    worker.work_off(20).await;
    eventually("the window is full", async || in_flight(&app).await == 2).await;
    let waiting = app.number("select count(*) from generation.backlog where owner is not null").await;
    let hers = queue_up(&eve, 10).await;
    let mut others = 0;
    for _ in 0..12 {
        let job = worker.job().await;
        job.deliver_all().await;
        others += usize::from(hers.iter().all(|generation| generation.name != job.job.generation));
    }
    assert!(others >= 8, "only {others} of 12 turns were left for the two who waited before");
    worker.work_off(usize::try_from(waiting).expect("a count") + 2 + 10 - 12).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn a_retry_brings_nobody_forward() {
    let app = App::with("share.in_flight = 1\ntiming.lease_seconds = 3600").await;
    let (ada, bob, eve) = (app.user(), app.user(), app.user());
    let mut worker = app.worker_for("narrow", "w1").await;
    queue_up(&eve, 1).await;
    let kept = worker.job().await;
    queue_up(&ada, 30).await;
    queue_up(&bob, 30).await;
    worker.work_off(20).await;
    kept.report(retry(Charged::No, Some(app.clock.now() + Duration::minutes(5)))).await;
    queue_up(&eve, 20).await;
    worker.work_off(2).await;
    let mut hers = 0;
    for _ in 0..12 {
        let job = worker.job().await;
        hers += i32::from(job.owner() == eve.id);
        job.deliver_all().await;
    }
    assert!(hers <= 5, "{hers} of 12 turns, a third would be 4");
    worker.work_off(40 + 20 - 14).await;
    app.shift(Duration::minutes(6)).await;
    worker.work_off(1).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn a_heavier_user_gets_a_larger_part_of_the_turns() {
    let app = App::with("share.in_flight = 1").await;
    let (ada, bob) = (app.user(), app.user());
    let mut worker = app.worker_for("narrow", "w1").await;
    queue_up(&ada, 30).await;
    queue_up(&bob, 30).await;
    let heavier = "update generation.dispatch_users set weight = 3, cap = 10 where owner = $1";
    sqlx::query(heavier).bind(ada.id.uuid()).execute(&app.pool).await.expect("a plan");
    worker.work_off(4).await;
    let mut hers = 0;
    for _ in 0..24 {
        let job: Attempt = worker.job().await;
        hers += i32::from(job.owner() == ada.id);
        job.deliver_all().await;
    }
    assert!((16..=20).contains(&hers), "{hers} of 24 turns, three quarters would be 18");
    worker.work_off(60 - 28).await;
    app.ends_clean().await;
}

/// One user queues five hundred, another one: hers starts after those that were on their way and her fair turn.
#[tokio::test]
async fn one_job_does_not_wait_for_the_five_hundred_of_somebody_else() {
    let app = App::with("share.in_flight = 1").await;
    let (ada, eve) = (app.user(), app.user());
    let mut worker = app.worker_for("narrow", "w1").await;
    let his = queue_up(&ada, 500).await;
    eventually("the window is full", async || in_flight(&app).await == 1).await;
    let hers = queue_up(&eve, 1).await;
    let before = jobs_before(&mut worker, &hers[0]).await;
    assert!(
        before <= 3,
        "{before} jobs came before hers: two were on their way, and one turn of the other's"
    );
    for generation in &his {
        ada.cancel(&generation.name).await.expect("cancelled or ended");
    }
    app.ends_clean().await;
}

/// Turns of the user with weight 1, the lightest.
const LIGHTEST: f64 = 20.0;

/// With two, three and ten users of different weights, turns are shared by weight.
#[tokio::test]
async fn turns_follow_the_weights_of_two_three_and_ten_users_within_a_tenth() {
    for weights in [vec![1.0, 3.0], vec![1.0, 2.0, 5.0], (1..=10).map(f64::from).collect()] {
        let app = App::with("share.in_flight = 1").await;
        let mut worker = app.worker_for("narrow", "w1").await;
        let total: f64 = weights.iter().sum();
        // The lightest gets twenty: one turn more or less is within the tenth.
        let turns = LIGHTEST * total;
        let mut users = Vec::new();
        for weight in &weights {
            let user = app.user();
            queue_up(&user, (weight * LIGHTEST * 1.25) as usize + 15).await;
            let change =
                "update generation.dispatch_users set weight = $2, cap = 10, vtime = 0 where owner = $1";
            sqlx::query(change).bind(user.id.uuid()).bind(weight).execute(&app.pool).await.expect("a plan");
            users.push(user);
        }
        // What lay ready was chosen before there were weights.
        worker.work_off(2).await;
        let mut taken = vec![0; users.len()];
        for _ in 0..turns as usize {
            let job: Attempt = worker.job().await;
            let place = users.iter().position(|user| user.id == job.owner()).expect("one of them");
            taken[place] += 1;
            job.deliver_all().await;
        }
        for (taken, weight) in taken.iter().zip(&weights) {
            let fair = weight * LIGHTEST;
            let off = (f64::from(*taken) - fair).abs();
            assert!(off <= fair / 10.0, "{taken} turns of weight {weight}, {fair} would be fair");
        }
        let left = app.number("select count(*) from generation.generations where ended_at is null").await;
        worker.work_off(usize::try_from(left).expect("a count")).await;
        app.ends_clean().await;
    }
}

/// r45: when everything fails, attempts after the first are dispatched at the configured rate, and not in waves.
#[tokio::test]
async fn r45_a_storm_of_failures_is_retried_within_the_budget() {
    let app = App::with("retries = { per_second = 10, attempts = 2 }\nbreaker.failures = 1000").await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create_many(30).await;
    let started = Instant::now();
    for _ in 0..60 {
        worker.job().await.report(retry(Charged::No, None)).await;
    }
    // Ten were at hand, and ten more came each second.
    assert!(started.elapsed() >= std::time::Duration::from_secs(2), "{:?}", started.elapsed());
    for generation in &created {
        assert_eq!(ada.sees_the_end(&generation.name).await.state(), GenerationState::Failed);
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn retries_that_are_not_due_do_not_hold_up_those_who_wait() {
    let app = App::with("share.in_flight = 1").await;
    let (ada, bob, eve) = (app.user(), app.user(), app.user());
    let mut worker = app.worker_for("narrow", "w1").await;
    let later = Some(app.clock.now() + Duration::minutes(5));
    for _ in 0..3 {
        queue_up(&eve, 1).await;
        worker.work_off(1).await;
    }
    for user in [&ada, &bob] {
        queue_up(user, 1).await;
        worker.job().await.report(retry(Charged::No, later)).await;
    }
    let hers = queue_up(&eve, 1).await;
    worker.work_off(1).await;
    assert_eq!(eve.sees_the_end(&hers[0].name).await.state(), GenerationState::Succeeded);
    assert_eq!(app.number("select count(*) from generation.backlog").await, 2);
    app.shift(Duration::minutes(6)).await;
    worker.work_off(2).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn an_offer_that_no_worker_takes_is_made_again() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let lost = worker.take().await;
    let mut watching = ada.watch(&created.name).await;
    let version = watching.change().await.version;
    app.shift(Duration::seconds(91)).await;
    let again = worker.take().await;
    assert_eq!(again, lost, "the same attempt");
    assert!(watching.change().await.version > version);
    app.keeps_the_laws().await;
    worker.start(&again).await.expect("a job").deliver_all().await;
    assert!(worker.start(&lost).await.is_none(), "the first offer comes too late");
    app.ends_clean().await;
}
