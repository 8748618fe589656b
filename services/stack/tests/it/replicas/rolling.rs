//! Item 48: one process after the other is asked to stop and comes back, under load. No call fails, nothing that was
//! finished is done again.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::try_join_all;
use imagioo_proto::billing::v1::GetBalanceRequest;
use imagioo_proto::billing::v1::billing_service_client::BillingServiceClient;
use imagioo_proto::generation::v1::generation_service_client::GenerationServiceClient;
use imagioo_proto::generation::v1::{CreateGenerationRequest, GenerationSettings, GetGenerationRequest};
use imagioo_stack::User;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tonic::Status;
use uuid::Uuid;

use crate::collector::Collector;
use crate::house::{HANG, House, succeeded};

const PARTS: [&str; 6] = ["worker-1", "worker-2", "gateway-1", "gateway-2", "billing", "account"];
/// People who each call all the time, and their pace.
const CALLERS: usize = 4;
const PACE: Duration = Duration::from_millis(150);
/// Before a call is made again that no server has seen.
const AGAIN: Duration = Duration::from_millis(20);
/// What a service has to end what it has begun; `shutdown.grace_seconds` of each.
const GRACE: Duration = Duration::from_secs(25);

/// What the consumer of each queue does with a message of a generation, by the name of its span.
const STEPS: [(&str, &str); 3] = [
    ("worker", "deployment.sketch process"),
    ("gateway", "gateway.generation-finished process"),
    ("billing", "billing.generation-settled process"),
];

#[tokio::test]
async fn r48_a_rolling_restart_fails_no_call_and_repeats_nothing_that_was_finished() {
    let collector = Collector::start().await;
    let mut overrides = collector.overrides("info");
    // Long enough that every stop finds some at work, and nothing is taken for lost.
    overrides.push(("worker", "providers.sketch.latency_ms = 300".parse().expect("TOML")));
    let patient = "timing = { lease_seconds = 30, unstarted_seconds = 60 }";
    overrides.push(("gateway", patient.parse().expect("TOML")));
    let house = House::with(2, 2, overrides).await;
    let mut people = Vec::new();
    for _ in 0..CALLERS {
        let user = house.user().await;
        let credits = user.balance().await.expect("a balance").available;
        people.push((user, credits));
    }
    let over = AtomicBool::new(false);
    let restarts = async {
        for part in PARTS {
            let asked = Instant::now();
            house.stack.restart(part, &[]).await.unwrap_or_else(|error| panic!("{part}: {error:#}"));
            assert!(asked.elapsed() < GRACE, "{part} took {:?} to stop", asked.elapsed());
            house.stack.part_ready(part).await.expect("it comes back");
            crate::say(&format!("{part} was away for {:?}", asked.elapsed()));
        }
        over.store(true, Ordering::Relaxed);
    };
    let calls = try_join_all(people.iter().map(|(user, _)| calls(user, &over)));
    let (_, calls) = tokio::join!(restarts, calls);
    let made: usize = calls.expect("no call fails").into_iter().sum();
    let mut delivered = 0;
    for (user, credits) in &people {
        let all = user.all_ended(HANG).await.expect("everything ends");
        assert!(all.iter().all(succeeded), "{all:?}");
        delivered += house.settled(user, *credits).await;
    }
    assert_eq!(delivered, made);
    assert!(house.stack.parts().iter().all(|part| part.restarts == 0), "nobody ended by itself");
    house.stop().await;
    done_once(&collector, made);
}

/// Creates, looks and asks for the balance until it is over; how often, or the first failure.
async fn calls(user: &User, over: &AtomicBool) -> Result<usize, Status> {
    let (mut made, mut pace) = (0, interval(PACE));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !over.load(Ordering::Relaxed) {
        pace.tick().await;
        let name = once("create", async || {
            let settings = GenerationSettings { size: "256x256".to_owned(), ..GenerationSettings::default() };
            let wanted = CreateGenerationRequest {
                request_id: Uuid::now_v7().to_string(),
                model: "models/sketch".to_owned(),
                prompt: "a fox on the move".to_owned(),
                settings: Some(settings),
                count: 1,
                ..CreateGenerationRequest::default()
            };
            let mut generations = GenerationServiceClient::new(user.channel());
            let answer = generations.create_generation(user.says(wanted)?).await?;
            Ok(answer.into_inner().generation.unwrap_or_default().name)
        })
        .await?;
        once("get", async || {
            let mut generations = GenerationServiceClient::new(user.channel());
            generations
                .get_generation(user.says(GetGenerationRequest { name: name.clone() })?)
                .await
                .map(drop)
        })
        .await?;
        once("balance", async || {
            let mut billing = BillingServiceClient::new(user.channel());
            billing.get_balance(user.says(GetBalanceRequest {})?).await.map(drop)
        })
        .await?;
        made += 1;
    }
    Ok(made)
}

/// A call that is made again only when no server has seen it, as every gRPC client does by itself.
async fn once<T>(what: &str, mut call: impl AsyncFnMut() -> Result<T, Status>) -> Result<T, Status> {
    let deadline = Instant::now() + GRACE;
    loop {
        match call().await {
            Err(status) if never_seen(&status) && Instant::now() < deadline => sleep(AGAIN).await,
            Err(status) => {
                crate::say(&format!("{what}: {status:?}"));
                return Err(status);
            }
            answer => return answer,
        }
    }
}

/// Whether the client's library says that the request never left, or that the server refused to look at it.
fn never_seen(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if ["tcp connect error", "operation was canceled", "refused stream before processing"]
            .iter()
            .any(|unseen| said.contains(unseen))
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// In every trace of a generation each step was taken once.
fn done_once(collector: &Collector, made: usize) {
    for step in STEPS {
        let mut times = BTreeMap::<Vec<u8>, u32>::new();
        for span in collector.spans() {
            if (span.service.as_str(), span.name.as_str()) == step {
                *times.entry(span.trace).or_default() += 1;
            }
        }
        assert_eq!(times.len(), made, "{step:?} of every generation");
        let again = times.values().filter(|times| **times > 1).count();
        assert_eq!(again, 0, "{step:?} was taken again {again} times");
    }
}
