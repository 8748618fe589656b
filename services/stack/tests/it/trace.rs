//! One trace from the command line to the ledger, through calls, tables and queues.

use std::process::{Output, Stdio};
use std::time::Duration;

use imagioo_stack::User;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use crate::collector::Collector;
use crate::house::{HANG, House, program};

const CREATE: &str = "imagioo.generation.v1.GenerationService/CreateGeneration";
const HOLD: &str = "imagioo.billing.v1.HoldService/HoldCredits";
const START: &str = "imagioo.generation.v1.LeaseService/StartGeneration";
const READY: &str = "imagioo.jobs.v1.GenerationReady publish";
const FINISHED: &str = "imagioo.jobs.v1.GenerationFinished publish";
const SETTLED: &str = "imagioo.jobs.v1.GenerationSettled publish";
const WORKS: &str = "deployment.sketch process";
const SIGN_UP: &str = "imagioo.account.v1.AccountService/SignUp";
const VERIFIED: &str = "imagioo.account.v1.AccountVerified publish";

#[tokio::test]
async fn a_generation_is_one_trace_from_the_command_line_to_the_ledger() {
    let collector = Collector::start().await;
    let house = House::with(1, 1, collector.overrides("info")).await;
    let user = house.user().await;
    let image = house.stack.folder().path().join("fox.png");
    let mut generate = command(&house, &collector);
    generate.args(["generate", "a fox under a canary", "-o"]).arg(&image).env("IMAGIOO_API_KEY", user.key());
    well(generate, "").await;
    assert!(image.is_file());
    let created = [("imagioo", "imagioo generate"), ("gateway", CREATE)];
    let worked = [created[0], created[1], ("gateway", READY), ("worker", WORKS)];
    let from = |before: &[(&'static str, &'static str)], then: &[(&'static str, &'static str)]| {
        [before, then].concat()
    };
    let settled = [
        ("worker", FINISHED),
        ("gateway", "gateway.generation-finished process"),
        ("gateway", SETTLED),
        ("billing", "billing.generation-settled process"),
        ("billing", "ledger capture"),
        ("billing", "ledger"),
    ];
    let paths = [
        from(&created, &[("gateway", HOLD), ("billing", HOLD), ("billing", "ledger hold")]),
        from(&created, &[("gateway", "insert generations")]),
        from(&worked, &[("worker", START), ("gateway", START), ("gateway", "start generations")]),
        from(&worked, &[("worker", "sketch call")]),
        from(&worked, &[("worker", "storage create")]),
        from(&worked, &settled),
        from(&worked, &[settled[0], settled[1], ("gateway", "settle generations")]),
    ];
    collector.walked("imagioo generate", &paths.each_ref().map(Vec::as_slice)).await;
    house.at_rest().await;
    house.stop().await;
    assert!(!collector.text().contains("canary"), "no span shows a prompt");
    assert!(!collector.text().contains(user.key()), "no span shows a key");
}

#[tokio::test]
async fn a_sign_up_is_one_trace_until_its_credits_are_granted() {
    let collector = Collector::start().await;
    let house = House::with(1, 1, collector.overrides("info")).await;
    let mut sign_up = command(&house, &collector);
    sign_up.args(["signup", "--email", "canary@example.org", "--password-stdin"]);
    well(sign_up, "correct horse battery canary\n").await;
    let path = [
        ("imagioo", "imagioo signup"),
        ("gateway", SIGN_UP),
        ("account", SIGN_UP),
        ("account", VERIFIED),
        ("billing", "billing.account-verified process"),
        ("billing", "ledger grant"),
    ];
    collector.walked("imagioo signup", &[&path]).await;
    house.stop().await;
    assert!(!collector.text().contains("canary"), "no span shows an address or a password");
}

#[tokio::test]
async fn what_waited_in_the_backlog_goes_on_in_the_trace_of_its_own_call() {
    let collector = Collector::start().await;
    let mut overrides = collector.overrides("info");
    // One generation of a person at a time, and slow ones: all but the first wait for the dispatcher.
    overrides.push(("gateway", "share = { in_flight = 1 }".parse().expect("TOML")));
    overrides.push(("worker", "providers.sketch.latency_ms = 500".parse().expect("TOML")));
    let house = House::with(1, 1, overrides).await;
    let user = house.user().await;
    let before = user.balance().await.expect("a balance").available;
    generate_without_waiting(&house, &collector, &user, 3).await;
    assert_eq!(house.settled(&user, before).await, 3);
    house.stop().await;
    let spans = collector.spans();
    let traces: Vec<_> = spans.iter().filter(|span| span.name == "imagioo generate").collect();
    assert_eq!(traces.len(), 3);
    for root in traces {
        for (service, name) in [("worker", WORKS), ("billing", "ledger capture")] {
            let found = |span: &&crate::collector::Span| {
                (span.service.as_str(), span.name.as_str()) == (service, name) && span.trace == root.trace
            };
            assert!(spans.iter().any(|span| found(&span)), "{name} is missing");
        }
    }
}

#[tokio::test]
async fn a_command_without_a_collector_or_with_a_dead_one_works_as_ever() {
    let house = House::start(1, 0).await;
    let user = house.user().await;
    for endpoint in ["", "http://127.0.0.1:9"] {
        let mut balance = Command::new(program("imagioo"));
        balance.args(["--server", &house.stack.gateway(0), "balance"]);
        balance.env("IMAGIOO_CONFIG_DIR", house.stack.folder().path());
        balance.env("IMAGIOO_API_KEY", user.key()).env("IMAGIOO_OTLP_ENDPOINT", endpoint);
        let output =
            timeout(Duration::from_secs(20), balance.output()).await.expect("soon").expect("it runs");
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
    house.stop().await;
}

async fn generate_without_waiting(house: &House, collector: &Collector, user: &User, times: usize) {
    for _ in 0..times {
        let mut generate = command(house, collector);
        generate.args(["generate", "a patient fox", "--no-wait"]).env("IMAGIOO_API_KEY", user.key());
        well(generate, "").await;
    }
}

/// The command line, whose spans go to the collector.
fn command(house: &House, collector: &Collector) -> Command {
    let mut command = Command::new(program("imagioo"));
    command.args(["--server", &house.stack.gateway(0)]);
    command.env("IMAGIOO_CONFIG_DIR", house.stack.folder().path());
    command.env("IMAGIOO_OTLP_ENDPOINT", &collector.endpoint);
    command
}

async fn well(mut command: Command, input: &str) {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("it runs");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).await.expect("it reads");
    let ended = timeout(HANG, child.wait_with_output()).await.expect("in time");
    let output: Output = ended.expect("it ends");
    assert!(output.status.success(), "{output:?}");
}
