//! Items 32, 33, 34 and 41: servers and workers that go away in the middle of the work, and come back.

use std::time::Duration;

use futures::future::{join_all, try_join_all};
use imagioo_stack::User;
use nix::sys::signal::Signal;

use crate::house::{HANG, House, succeeded};
use crate::seeds::Seeds;

/// Generations of the small form; item 32 asks for ten times as many in the soak.
const SMALL: usize = 500;
/// Each has a few under way at a time, so that the burst is many people's.
const PEOPLE: usize = 20;

/// People with credits, and what each had.
async fn people(house: &House) -> Vec<(User, i64)> {
    join_all((0..PEOPLE).map(|_| async {
        let user = house.user().await;
        let credits = user.balance().await.expect("a balance").available;
        (user, credits)
    }))
    .await
}

/// Everybody asks for images at once; returns when all are accepted.
async fn burst(people: &[(User, i64)], jobs: usize) {
    let each = jobs / people.len();
    let asked = people.iter().map(|(user, _)| async move {
        for number in 0..each {
            user.create(&format!("burst {number}"), 1).await.map(drop)?;
        }
        anyhow::Ok(())
    });
    try_join_all(asked).await.expect("accepted in the end");
}

/// Everybody has every image, and paid for it once.
async fn everything_succeeded(house: &House, people: &[(User, i64)], jobs: usize) {
    let mut delivered = 0;
    for (user, credits) in people {
        delivered += house.settled(user, *credits).await;
    }
    assert_eq!(delivered, jobs, "none lost, none refused");
}

/// Has something happen to a part in the middle of a burst; nothing is lost or doubled.
async fn in_the_middle_of_a_burst(item: &str, event: impl AsyncFn(&House, u64)) {
    let seeds = Seeds::from_environment(1);
    let jobs = if seeds.is_soak() { SMALL * 10 } else { SMALL };
    for seed in seeds.iter() {
        let house = House::start(2, 2).await;
        let people = people(&house).await;
        let happens = async {
            tokio::time::sleep(Duration::from_millis(500 + seed * 7919 % 2_000)).await;
            event(&house, seed).await;
        };
        tokio::join!(burst(&people, jobs), happens);
        everything_succeeded(&house, &people, jobs).await;
        house.stop().await;
    }
    seeds.summary(&format!("{item} runs={} jobs={jobs} lost=0 double=0 open_holds=0", seeds.iter().end));
}

#[tokio::test]
async fn r32_rabbitmq_killed_in_the_middle_of_a_burst_loses_nothing() {
    in_the_middle_of_a_burst("r32", async |house, _| {
        house.stack.signal("rabbitmq", Signal::SIGKILL).await.expect("it runs");
    })
    .await;
}

#[tokio::test]
async fn r33_postgresql_killed_in_the_middle_of_a_burst_loses_nothing_and_no_service_restarts() {
    in_the_middle_of_a_burst("r33", async |house, _| {
        house.stack.signal("postgres", Signal::SIGKILL).await.expect("it runs");
        let user = house.user().await;
        user.create("after the crash", 1).await.expect("the services came back by themselves");
        let restarted: Vec<_> =
            house.stack.parts().into_iter().filter(|part| part.restarts > 0).map(|part| part.name).collect();
        assert_eq!(restarted, ["postgres"]);
    })
    .await;
}

#[tokio::test]
async fn r34_redis_killed_and_hanging_in_the_middle_of_a_burst_loses_nothing() {
    in_the_middle_of_a_burst("r34", async |house, _| {
        let before = house.restarts("redis");
        house.stack.signal("redis", Signal::SIGKILL).await.expect("it runs");
        house.until("its death is seen", async || house.restarts("redis") > before).await;
        house.stack.part_ready("redis").await.expect("it comes back, empty");
        house.stack.signal("redis", Signal::SIGSTOP).await.expect("it runs");
        tokio::time::sleep(Duration::from_secs(2)).await;
        house.stack.signal("redis", Signal::SIGCONT).await.expect("it runs");
    })
    .await;
}

#[tokio::test]
async fn r41_a_worker_that_wakes_up_after_its_lease_changes_nothing() {
    let slow = "providers.sketch.latency_ms = 1500\ntelemetry.log = \"info,imagioo_worker=debug\"";
    let house = House::with(1, 2, vec![("worker", slow.parse().expect("TOML"))]).await;
    let user = house.user().await;
    let credits = user.balance().await.expect("a balance").available;
    let prompts: Vec<_> = (0..4).map(|number| format!("stopped {number}")).collect();
    let created = join_all(prompts.iter().map(|prompt| user.create(prompt, 1))).await;
    assert!(created.iter().all(Result::is_ok), "{created:?}");
    let logs = house.stack.folder().logs();
    let told = |worker: &str, what: &str| {
        std::fs::read_to_string(logs.join(format!("{worker}.log"))).expect("a log").matches(what).count()
    };
    let held =
        |worker: &str| told(worker, "job started") - told(worker, "job ended") - told(worker, "job dropped");
    // Whichever has work is stopped in the middle of it; the other takes over.
    let busy = || ["worker-1", "worker-2"].into_iter().find(|worker| held(worker) > 0);
    house.until("a worker is at work", async || busy().is_some()).await;
    let stopped = busy().expect("its jobs take longer than this look");
    house.stack.signal(stopped, Signal::SIGSTOP).await.expect("it runs");
    assert!(held(stopped) > 0, "it was stopped in the middle");
    let all = user.all_ended(HANG).await.expect("the other one makes them");
    assert!(all.iter().all(succeeded), "{all:?}");
    house.stack.signal(stopped, Signal::SIGCONT).await.expect("it runs");
    house.until("the stopped one has come to an end", async || held(stopped) == 0).await;
    assert_eq!(house.settled(&user, credits).await, 4);
    assert_eq!(user.generations().await.expect("a list"), all, "nothing has changed since they ended");
    house.stop().await;
}

#[tokio::test]
async fn without_rabbitmq_at_the_start_everything_waits_and_nothing_is_refused() {
    let house = House::start(1, 1).await;
    let user = house.user().await;
    let credits = user.balance().await.expect("a balance").available;
    house.stack.hold_down("rabbitmq").await.expect("it stops");
    for part in ["gateway-1", "billing", "worker-1"] {
        house.stack.restart(part, &[]).await.expect("it stops");
        house.stack.part_ready(part).await.expect("it starts without a broker");
    }
    let created = join_all((0..4).map(|_| user.create("patience", 1))).await;
    assert!(created.iter().all(Result::is_ok), "{created:?}");
    house.stack.restart("rabbitmq", &[]).await.expect("it was held down");
    assert_eq!(house.settled(&user, credits).await, 4);
    house.stop().await;
}
