//! Everything at once: people who create, cancel and hang up, workers who fail in every way, two replicas, and leaps of
//! the clock. Whatever happens, the counters fit and everything ends once.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use imagioo_proto::generation::v1::CreateGenerationRequest;
use imagioo_proto::jobs::v1::manifest::Ending;
use imagioo_proto::jobs::v1::{Cancelled, Charged, Complete};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use time::Duration;
use tokio::sync::watch;

use crate::harness::{App, Attempt, User, Worker, eventually, failed, refused, retry, wanted};

const USERS: u64 = 5;
const CREATES: usize = 12;
const WORKERS: u64 = 4;

#[tokio::test]
async fn after_the_first_storm_everything_fits() {
    storm(1).await;
}

#[tokio::test]
async fn after_the_second_storm_everything_fits() {
    storm(2).await;
}

#[tokio::test]
async fn after_the_third_storm_everything_fits() {
    storm(3).await;
}

async fn storm(seed: u64) {
    let app = App::with("share.in_flight = 3").await;
    let mut other = app.replica().await;
    let calm = AtomicBool::new(false);
    let over = watch::Sender::new(false);
    let users = async {
        let users = (0..USERS).map(|number| {
            let user = app.user();
            let there = user.at(&other);
            person([user, there], StdRng::seed_from_u64(seed * 100 + number))
        });
        join_all(users).await;
        calm.store(true, Ordering::Relaxed);
        eventually("everything has ended", async || {
            app.shift(Duration::seconds(5)).await;
            open(&app).await == 0
        })
        .await;
        over.send_replace(true);
    };
    let workers = (0..WORKERS).map(async |number| {
        let worker = app.worker(&format!("w{number}")).await;
        let luck = StdRng::seed_from_u64(seed * 1000 + number);
        attend(&app, worker, luck, &calm, over.subscribe()).await;
    });
    tokio::join!(users, join_all(workers));
    other.stop().await;
    app.ends_clean().await;
}

async fn open(app: &App) -> i64 {
    app.number("select count(*) from generation.generations where ended_at is null").await
}

/// Creates, repeats, cancels and hangs up, at one replica or the other.
async fn person(at: [User; 2], mut luck: StdRng) {
    for number in 0..CREATES {
        let user = &at[luck.random_range(0..2)];
        let call = || CreateGenerationRequest {
            request_id: format!("number {number}"),
            count: 1 + i32::try_from(number % 3).expect("small"),
            ..wanted("a fox")
        };
        if luck.random_bool(0.3) {
            let mut broken = Box::pin(user.ask(call()));
            for _ in 0..luck.random_range(1..20) {
                if futures::poll!(broken.as_mut()).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        let (created, again) = tokio::join!(at[0].ask(call()), at[1].ask(call()));
        let name = created.expect("accepted").name;
        assert_eq!(again.expect("the same").name, name);
        if luck.random_bool(0.3) {
            let (one, two) = tokio::join!(at[0].cancel(&name), at[1].cancel(&name));
            one.and(two).expect("answered");
        }
        drop(user.list(5, "").await.expect("listed"));
    }
}

/// Works badly until calm, and then well until everything is over.
async fn attend(
    app: &App,
    mut worker: Worker,
    mut luck: StdRng,
    calm: &AtomicBool,
    mut over: watch::Receiver<bool>,
) {
    loop {
        let job = tokio::select! {
            job = worker.job() => job,
            over = over.wait_for(|over| *over) => return drop(over.expect("the test lives")),
        };
        if calm.load(Ordering::Relaxed) {
            conclude(&job, Ending::Complete(Complete {})).await;
        } else {
            work_badly(app, &job, &mut luck).await;
        }
    }
}

async fn work_badly(app: &App, job: &Attempt, luck: &mut StdRng) {
    let (_, cancelled) = job.renew().await;
    match luck.random_range(0..10) {
        _ if cancelled => conclude(job, Ending::Cancelled(Cancelled {})).await,
        0 => {}
        1 => app.shift(Duration::seconds(31)).await,
        2 => app.shift(Duration::seconds(91)).await,
        3 => conclude(job, retry(Charged::No, None)).await,
        4 => conclude(job, retry(Charged::Unknown, None)).await,
        5 => conclude(job, refused()).await,
        6 => conclude(job, failed("BROKEN")).await,
        7 => {
            conclude(job, Ending::Complete(Complete {})).await;
            tokio::join!(job.announce(), job.announce(), job.announce());
        }
        _ => conclude(job, Ending::Complete(Complete {})).await,
    }
}

/// Stores images if it ends well, then a manifest if there is none, and announces whatever there is.
async fn conclude(job: &Attempt, ending: Ending) {
    let mut images = Vec::new();
    if matches!(ending, Ending::Complete(_)) {
        for index in 0..u32::try_from(job.job.count).expect("a count") {
            images.push(job.store(index).await);
        }
    }
    job.conclude(images, ending).await;
    job.announce().await;
}
