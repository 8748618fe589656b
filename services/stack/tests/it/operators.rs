//! What the services tell operators: metrics that explain themselves, and whether they are ready.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use imagioo_stack::Stack;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use crate::house::{HANG, House};

/// What every gauge and histogram is measured in, or what it counts.
const UNITS: [&str; 9] =
    ["seconds", "bytes", "rows", "connections", "running", "waiting", "flight", "depth", "ratio"];

/// What must be there after one generation, by service.
const EXPECTED: [(&str, &[&str]); 4] = [
    (
        "account",
        &[
            "imagioo_rpc_server_seconds",
            "imagioo_account_sign_ups_total",
            "imagioo_queue_published_total",
            "imagioo_outbox_rows",
            "imagioo_database_connections",
        ],
    ),
    (
        "billing",
        &[
            "imagioo_rpc_server_seconds",
            "imagioo_billing_operations_total",
            "imagioo_queue_delivered_total",
            "imagioo_queue_handle_seconds",
            "imagioo_batch_rows",
            "imagioo_database_connections",
        ],
    ),
    (
        "gateway-1",
        &[
            "imagioo_rpc_server_seconds",
            "imagioo_generations_created_total",
            "imagioo_generations_ended_total",
            "imagioo_generation_seconds",
            "imagioo_queue_published_total",
            "imagioo_queue_delivered_total",
            "imagioo_queue_waiting",
            "imagioo_queue_in_flight",
            "imagioo_outbox_rows",
            "imagioo_outbox_relayed_total",
            "imagioo_storage_seconds",
            "imagioo_cache_verdicts_total",
            "imagioo_database_connections",
        ],
    ),
    (
        "worker-1",
        &[
            "imagioo_worker_calls_total",
            "imagioo_worker_call_seconds",
            "imagioo_worker_jobs_running",
            "imagioo_worker_image_bytes_total",
            "imagioo_queue_published_total",
            "imagioo_queue_delivered_total",
            "imagioo_storage_seconds",
            "imagioo_storage_written_bytes_total",
        ],
    ),
];

#[tokio::test]
async fn every_metric_explains_itself_and_names_nobody() {
    let house = House::start(1, 1).await;
    let user = house.user().await;
    let before = user.balance().await.expect("a balance").available;
    user.create("a fox", 1).await.expect("accepted");
    assert_eq!(house.settled(&user, before).await, 1);
    let metrics = metrics(&house.stack).await;
    for (service, expected) in EXPECTED {
        let families = families(&metrics[service]);
        for name in expected {
            assert!(families.contains_key(*name), "{service} has no {name}:\n{}", metrics[service]);
        }
    }
    for (service, text) in &metrics {
        for (name, kind) in families(text) {
            let unit = name.rsplit('_').next().unwrap_or_default();
            let good = if kind == "counter" { unit == "total" } else { UNITS.contains(&unit) };
            assert!(good && name.starts_with("imagioo_"), "{service}: a {kind} is called {name}");
        }
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert_eq!(identifier_in(line), None, "{service}: {line}");
        }
    }
    let settled = "imagioo_billing_operations_total{operation=\"capture\",outcome=\"done\"} 1";
    assert!(metrics["billing"].contains(settled), "{}", metrics["billing"]);
    let ended = "imagioo_generations_ended_total{state=\"succeeded\"} 1";
    assert!(metrics["gateway-1"].contains(ended), "{}", metrics["gateway-1"]);
    house.stop().await;
}

#[tokio::test]
async fn a_service_without_its_database_is_alive_and_not_ready_until_the_database_is_back() {
    let house = House::start(1, 1).await;
    signal_database(&house.stack, Signal::SIGSTOP);
    for service in ["account", "billing", "gateway-1"] {
        answers(&house.stack, service, "/readyz", 503).await;
        answers(&house.stack, service, "/healthz", 200).await;
    }
    answers(&house.stack, "worker-1", "/readyz", 200).await;
    signal_database(&house.stack, Signal::SIGCONT);
    for service in ["account", "billing", "gateway-1", "worker-1"] {
        answers(&house.stack, service, "/readyz", 200).await;
    }
    house.stop().await;
}

/// Signals the server and every process that it answers with.
fn signal_database(stack: &Stack, signal: Signal) {
    let part = stack.parts().into_iter().find(|part| part.name == "postgres").expect("a part");
    let server = part.pid.expect("it runs");
    let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children")).expect("it runs");
    let children = children.split_whitespace().map(|pid| pid.parse().expect("a number"));
    for pid in std::iter::once(server).chain(children) {
        kill(Pid::from_raw(pid), signal).unwrap_or_default();
    }
}

/// What every service measures, by its name.
pub async fn metrics(stack: &Stack) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (service, address) in stack.ops() {
        let text = get(&format!("http://{address}/metrics")).await.expect("an answer").1;
        all.insert(service.clone(), text);
    }
    all
}

/// Waits for this status.
async fn answers(stack: &Stack, service: &str, path: &str, status: u16) {
    let (url, deadline) = (format!("http://{}{path}", stack.ops()[service]), Instant::now() + HANG);
    loop {
        let answer = get(&url).await;
        if answer.as_ref().is_some_and(|answer| answer.0 == status) {
            return;
        }
        assert!(Instant::now() < deadline, "{service}{path}: {answer:?}");
        sleep(Duration::from_millis(100)).await;
    }
}

async fn get(url: &str) -> Option<(u16, String)> {
    #[expect(clippy::disallowed_methods, reason = "asks loopback only, which the guarded client refuses")]
    let answer = reqwest::Client::new().get(url).send().await.ok()?;
    Some((answer.status().as_u16(), answer.text().await.ok()?))
}

/// The kinds of metrics by name; each has a description.
fn families(text: &str) -> BTreeMap<String, String> {
    let described: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '))
        .filter(|(_, help)| help.len() > 5)
        .map(|(name, _)| name)
        .collect();
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let families: BTreeMap<_, _> = kinds.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let sample = line.split(['{', ' ']).next().unwrap_or_default();
        let of = |suffix: &str| families.contains_key(sample.strip_suffix(suffix).unwrap_or_default());
        let typed = families.contains_key(sample) || ["_sum", "_count", "_bucket"].into_iter().any(of);
        assert!(typed, "{sample} has no type");
    }
    for name in families.keys() {
        assert!(described.contains(name.as_str()), "nobody says what {name} is");
    }
    families
}

/// A label's value that looks like the id of something: many digits, or the prefix of an id.
fn identifier_in(line: &str) -> Option<&str> {
    let labels = line.split_once('{')?.1.rsplit_once('}')?.0;
    labels.split('"').skip(1).step_by(2).find(|value| {
        let digits = value.chars().filter(char::is_ascii_digit).count();
        let number = value.parse::<f64>().is_ok() || *value == "+Inf";
        let prefixed = ["usr_", "gen_", "img_", "key_", "ses_"].iter().any(|prefix| value.contains(prefix));
        prefixed || value.contains('@') || digits > 6 && !number
    })
}
