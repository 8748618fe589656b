//! Item 41: a worker sleeps with paid calls in its hands, for longer than its leases last; another one takes over.

use std::time::Duration;

use imagioo_proto::generation::v1::Generation;
use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep_until};

use super::provider::{Moment, Shapes};
use super::{configs, wanted};
use crate::house::{HANG, House, reachable_folder};
use crate::provider::PRICE;

/// Three times as long as a lease.
const ASLEEP: Duration = Duration::from_secs(9);

/// What is under way, how many images are wanted, when the worker falls asleep, how many there are in the end, and how
/// often the provider is paid.
type UnderWay = (&'static str, i32, (Moment, u32), i64, u32);

const UNDER_WAY: [UnderWay; 3] = [
    ("polled", 2, (Moment::Polled, 1), 2, 1),
    ("streamed", 1, (Moment::Drafted, 1), 0, 1),
    ("several", 3, (Moment::Asked, 2), 2, 3),
];

#[tokio::test]
async fn r41_a_worker_that_sleeps_with_paid_calls_in_its_hands_changes_nothing_when_it_wakes_up() {
    let (provider, folder) = (Shapes::start().await, reachable_folder());
    let mut overrides = configs(&provider, &folder.path().join("catalogue.toml"));
    let all = UNDER_WAY.map(|(model, ..)| format!("{{ id = \"{model}\", concurrency = 4 }}")).join(", ");
    let both = format!("deployments = [{all}]\ntelemetry.log = \"info,imagioo_worker=debug\"");
    overrides.extend(["worker-1", "worker-2"].map(|worker| (worker, both.parse().expect("TOML"))));
    let house = House::with(1, 2, overrides).await;
    let user = house.user().await;
    let credits = user.balance().await.expect("a balance").available;
    house.stack.hold_down("worker-2").await.expect("it stops");
    for (model, count, moment, ..) in UNDER_WAY {
        provider.hold(model, moment);
        user.accepted(wanted(model, model, count)).await.expect("accepted");
    }
    for (model, _, (moment, number), ..) in UNDER_WAY {
        house.until(model, async || provider.count(model, moment) >= number).await;
    }

    house.stack.signal("worker-1", Signal::SIGSTOP).await.expect("it runs");
    let awake = Instant::now() + ASLEEP;
    house.stack.restart("worker-2", &[]).await.expect("it was held down");
    let ended = user.all_ended(HANG).await.expect("the other one goes on");
    house.at_rest().await;
    sleep_until(awake).await;
    // What it waited for is there when it wakes up.
    for (model, ..) in UNDER_WAY {
        provider.release(model);
    }
    house.stack.signal("worker-1", Signal::SIGCONT).await.expect("it runs");
    let log = house.stack.folder().logs().join("worker-1.log");
    let over = || {
        let log = std::fs::read_to_string(&log).expect("a log");
        let last = |line: &&str| line.contains("lease lost, job dropped") || line.contains("job ended");
        let lines: Vec<_> = log.lines().filter(last).collect();
        let id = |generation: &Generation| generation.name.replace("generations/", "");
        ended.iter().all(|generation| lines.iter().any(|line| line.contains(&id(generation))))
    };
    house.until("it has come to an end with each", async || over()).await;
    house.at_rest().await;

    assert_eq!(user.generations().await.expect("a list"), ended, "nothing has changed since they ended");
    for (model, _, _, images, paid) in UNDER_WAY {
        let made = ended.iter().find(|generation| generation.prompt == model).expect("it was accepted");
        let outcome = (made.images.len() as i64, made.charge, provider.paid(model));
        assert_eq!(outcome, (images, images * PRICE, paid), "{made:?}");
    }
    house.settled(&user, credits).await;
    house.stop().await;
}
