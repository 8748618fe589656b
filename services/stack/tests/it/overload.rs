//! Item 50: far more calls than allowed. What is refused is told when to come back, what was accepted is made in time, the
//! gateway does not grow, and others notice nothing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use imagioo_proto::generation::v1::generation_service_client::GenerationServiceClient;
use imagioo_proto::generation::v1::{CreateGenerationRequest, GenerationSettings};
use imagioo_rpc::{Code, RpcError};
use imagioo_stack::User;
use tokio::time::{Instant, interval, sleep, timeout};

use crate::house::{HANG, House};
use crate::provider_faults::timed;
use crate::seeds::Seeds;

/// How many callers one user has, none of whom waits for another, and their pace: twenty times what is allowed. More would
/// measure how this machine shares its cores among processes.
const CALLERS: usize = 50;
const PACE: Duration = Duration::from_millis(250);
const SMALL: Duration = Duration::from_secs(6);
const LARGE: Duration = Duration::from_secs(60);
/// Accepted faster than one user's images are made, so that a backlog grows; and made in time.
const LIMITS: &str =
    "limits = { user_per_second = 10, user_burst = 10 }\nshare.in_flight = 2\ntiming.end_within_seconds = 90";
/// A place more than one user may take.
const WORKER: &str =
    "deployments = [{ id = \"sketch\", concurrency = 3 }]\nproviders.sketch.latency_ms = 300";
const SKETCH: (&str, &str) = ("models/sketch", "256x256");
/// Of waits on a busy machine, and of a process's memory.
const NOISE: Duration = Duration::from_millis(500);
const MEMORY_NOISE: u64 = 64 << 20;

/// One call that nobody repeats.
async fn once(user: &User) -> Result<(), RpcError> {
    let settings = GenerationSettings { size: "256x256".to_owned(), ..GenerationSettings::default() };
    let wanted = CreateGenerationRequest {
        model: "models/sketch".to_owned(),
        prompt: "one of far too many".to_owned(),
        settings: Some(settings),
        count: 1,
        ..CreateGenerationRequest::default()
    };
    let mut generations = GenerationServiceClient::new(user.channel());
    let request = user.says(wanted).map_err(RpcError::from)?;
    generations.create_generation(request).await.map(drop).map_err(RpcError::from)
}

#[tokio::test]
async fn r50_ten_times_too_many_calls_are_told_to_come_back_and_a_quiet_user_notices_nothing() {
    let seeds = Seeds::from_environment(1);
    let storm = if seeds.is_soak() { LARGE } else { SMALL };
    // Enough for the storm: what is refused must be refused for its number.
    let credits = "registration = { credits = 100000 }".parse().expect("TOML");
    let tables = [("gateway", LIMITS), ("worker", WORKER)];
    let tables = tables.map(|(service, text)| (service, text.parse().expect("TOML")));
    let house = House::with(1, 1, [("billing", credits)].into_iter().chain(tables).collect()).await;
    let (loud, quiet) = (house.user().await, house.user().await);
    let before = [&loud, &quiet].map(async |user| user.balance().await.expect("a balance").available);
    let [loud_had, quiet_had] = <[i64; 2]>::try_from(join_all(before).await).expect("two");

    let mut calm = Vec::new();
    for _ in 0..5 {
        calm.push(timed(&quiet, SKETCH).await);
    }
    let memory = resident(&house);

    let (accepted, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let end = Instant::now() + storm;
    // A slow machine takes longer to be asked for so much more than it may give.
    let is_on = || {
        let overloaded = refused.load(Ordering::Relaxed) > 10 * accepted.load(Ordering::Relaxed);
        Instant::now() < end || !overloaded
    };
    let caller = async || {
        let mut pace = interval(PACE);
        while is_on() {
            pace.tick().await;
            match timeout(HANG, once(&loud)).await.expect("an answer") {
                Ok(()) => accepted.fetch_add(1, Ordering::Relaxed),
                Err(error) => {
                    assert_eq!(error.code(), Code::RateLimited, "{error}");
                    assert!(error.delay().is_some(), "when to come back: {error}");
                    refused.fetch_add(1, Ordering::Relaxed)
                }
            };
        }
    };
    let others = async {
        let mut waits = Vec::new();
        while is_on() {
            waits.push(timed(&quiet, SKETCH).await);
        }
        waits
    };
    let both = async { tokio::join!(join_all((0..CALLERS).map(|_| caller())), others) };
    let Ok((_, mut waits)) = timeout(HANG, both).await else {
        panic!("{accepted:?} accepted, {refused:?} refused: that was no overload");
    };
    let grown = resident(&house);
    let [accepted, refused] = [&accepted, &refused].map(|count| count.load(Ordering::Relaxed));

    let quietly = calm.len() + waits.len();
    let (normal, wait) = (median(&mut calm), median(&mut waits));
    assert!(wait <= normal * 2 + NOISE, "the quiet user waits {wait:?} instead of {normal:?}");
    assert!(grown <= memory * 2 + MEMORY_NOISE, "from {memory} to {grown} bytes");

    let recovered = async {
        while once(&loud).await.is_err() {
            sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(Duration::from_secs(30), recovered).await.expect("calls are accepted again");
    assert_eq!(house.settled(&loud, loud_had).await, accepted + 1, "what was accepted is made");
    assert_eq!(house.settled(&quiet, quiet_had).await, quietly);
    house.stop().await;
    seeds.summary(&format!("r50 accepted={accepted} refused={refused} lost=0 open_holds=0"));
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// The gateway's bytes in memory.
fn resident(house: &House) -> u64 {
    let parts = house.stack.parts();
    let pid = parts.iter().find(|part| part.name == "gateway-1").and_then(|part| part.pid).expect("it runs");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}
