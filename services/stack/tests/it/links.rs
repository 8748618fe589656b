//! Item 46: every link between two processes is hurt in turn, and everything goes on once it is whole again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use imagioo_stack::{Amend, User};
use imagioo_testkit::link::{Fault, Link};
use tokio::time::{Instant, sleep, timeout};
use toml::{Table, Value};

use crate::house::House;
use crate::seeds::Seeds;

/// How long a link is hurt.
const HURT: Duration = Duration::from_secs(4);
/// When it works again, after that.
const RECOVERED: Duration = Duration::from_secs(30);
/// Jobs that are asked for while a link is hurt.
const JOBS: usize = 4;
/// More connections than before that are not a leak: pools may have grown, and time out later.
const GROWTH: usize = 40;

const FAULTS: [Fault; 5] = [
    Fault::Latency(Duration::from_secs(2)),
    Fault::Loss(20),
    Fault::Silence,
    Fault::Bandwidth(10_000),
    Fault::Cut,
];

/// Where each service's configuration has an address, and what it is the address of.
const ADDRESSES: [(&str, &[&str], &str); 12] = [
    ("account", &["database", "url"], "postgres"),
    ("account", &["queue", "url"], "rabbitmq"),
    ("billing", &["database", "url"], "postgres"),
    ("billing", &["queue", "url"], "rabbitmq"),
    ("billing", &["peers", "gateway"], "gateway"),
    ("gateway", &["database", "url"], "postgres"),
    ("gateway", &["queue", "url"], "rabbitmq"),
    ("gateway", &["cache", "redis", "url"], "redis"),
    ("gateway", &["peers", "billing"], "billing"),
    ("gateway", &["storage", "s3", "endpoint"], "store"),
    ("worker", &["peers", "gateway"], "gateway"),
    ("worker", &["storage", "s3", "endpoint"], "store"),
];

type Links = Arc<Mutex<BTreeMap<String, Link>>>;

/// Puts a link before every address.
fn detour(links: &Links) -> Amend {
    let links = Arc::clone(links);
    Amend::with(move |service, config| {
        for (_, path, target) in ADDRESSES.iter().filter(|(whose, _, _)| *whose == service) {
            let address = at(config, path).expect("an address");
            let (begin, end) = place(address);
            let link = Link::to(address[begin..end].parse().expect("an address"));
            address.replace_range(begin..end, &link.address().to_string());
            links.lock().expect("unpoisoned").insert(format!("{service} to {target}"), link);
        }
    })
}

fn at<'a>(config: &'a mut Table, path: &[&str]) -> Option<&'a mut String> {
    let (last, folders) = path.split_last()?;
    let mut table = config;
    for folder in folders {
        table = table.get_mut(*folder)?.as_table_mut()?;
    }
    match table.get_mut(*last)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// The part of a URL that is host and port.
fn place(url: &str) -> (usize, usize) {
    let rest = url.find("://").map_or(0, |scheme| scheme + 3);
    let begin = url[rest..].find('@').map_or(rest, |at| rest + at + 1);
    let end = url[begin..].find(['/', '?']).map_or(url.len(), |end| begin + end);
    (begin, end)
}

/// Asks for images whatever the answers are; a call that was not answered is repeated by nobody.
async fn ask(user: &User, words: &str) {
    let asked = (0..JOBS).map(|number| async move {
        let prompt = format!("{words} {number}");
        drop(timeout(HURT, user.create(&prompt, 1)).await);
    });
    futures::future::join_all(asked).await;
}

/// Waits until an image is made from beginning to end.
async fn recovers(user: &User, case: &str) {
    let deadline = Instant::now() + RECOVERED;
    loop {
        let made = async {
            user.create("it works again", 1).await?;
            user.all_ended(RECOVERED).await
        };
        match timeout(RECOVERED, made).await {
            Ok(Ok(_)) => return,
            outcome => assert!(Instant::now() < deadline, "{case}: {outcome:?}"),
        }
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn r46_every_link_may_break_and_everything_goes_on_when_it_is_whole() {
    let seeds = Seeds::from_environment(1);
    let links = Links::default();
    // What a broken call leaves held is asked about soon, and a store that says nothing is asked again soon: each of the
    // connections in a pool may be a silent one.
    let parse = |text: &str| text.parse::<Table>().expect("TOML");
    let overrides = vec![
        (
            "billing",
            parse("holds = { resolve_after_seconds = 2, ask_again_seconds = 1, sweep_every_seconds = 1 }"),
        ),
        ("gateway", parse("storage.s3.request_seconds = 3")),
        ("worker", parse("storage.s3.request_seconds = 3")),
    ];
    let house = House::amended(1, 1, (overrides, Some(detour(&links)))).await;
    let names: Vec<_> = links.lock().expect("unpoisoned").keys().cloned().collect();
    assert_eq!(names.len(), ADDRESSES.len());
    let user = house.user().await;
    let credits = user.balance().await.expect("a balance").available;
    let mut runs = 0;
    for seed in seeds.iter() {
        for (number, name) in (0..).zip(&names) {
            // The small form hurts each link in one way, those to the database also in the hardest; the long form in all.
            let mut faults = vec![FAULTS[(seed as usize + number) % FAULTS.len()]];
            if name.ends_with("postgres") {
                faults.push(Fault::Silence);
            }
            if seeds.is_soak() {
                faults = FAULTS.to_vec();
            }
            for fault in faults {
                let case = format!("{name}, {fault:?}");
                let began = Instant::now();
                let before = open(&links, name);
                hurt(&links, name, Some(fault));
                tokio::join!(ask(&user, &case), sleep(HURT));
                hurt(&links, name, None);
                recovers(&user, &case).await;
                let after = open(&links, name);
                assert!(after <= before + GROWTH, "{case}: {before} connections became {after}");
                crate::say(&format!("{case}: {:.1} s", began.elapsed().as_secs_f32()));
                runs += 1;
            }
        }
        house.settled(&user, credits).await;
    }
    house.stop().await;
    seeds.summary(&format!("r46 runs={runs} lost=0 double=0 open_holds=0"));
}

fn hurt(links: &Links, name: &str, fault: Option<Fault>) {
    let links = links.lock().expect("unpoisoned");
    match fault {
        Some(fault) => links[name].hurt(fault),
        None => links[name].heal(),
    }
}

fn open(links: &Links, name: &str) -> usize {
    links.lock().expect("unpoisoned")[name].open()
}
