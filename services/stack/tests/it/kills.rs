//! Item 31: every process dies at every named point of a generation's life, and nothing is lost, doubled or left open.
//!
//! The small form visits each point once; `make soak ITEM=31 SEEDS=n` visits it n times, at later passes too, with a
//! different amount of work, and kills from outside besides.

mod points;

use std::time::{Duration, Instant};

use futures::future::join_all;
use imagioo_stack::User;
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::house::{House, reachable_folder};
use crate::provider::{FakeProvider, MODEL};
use crate::seeds::Seeds;
use points::{POINTS, Point};

#[tokio::test]
async fn r31_a_process_killed_at_any_point_of_a_job_loses_doubles_and_leaves_nothing() {
    let scene = Scene::start().await;
    let seeds = Seeds::from_environment(1);
    let mut witnesses = Vec::new();
    for seed in seeds.iter() {
        for point in POINTS.iter().filter(|point| seeds.wants(point.name)) {
            witnesses.push(scene.die_at(point, seed).await);
        }
        if seeds.is_soak() {
            witnesses.push(scene.die_from_outside(seed).await);
        }
    }
    for witness in &witnesses {
        scene.testify(witness).await;
    }
    scene.house.at_rest().await;
    scene.house.stop().await;
    seeds.summary(&format!("r31 runs={} lost=0 double=0 open_holds=0", witnesses.len()));
}

/// One stack on which one point after the other is visited.
struct Scene {
    house: House,
    provider: FakeProvider,
    _folder: TempDir,
}

/// Somebody who had images made while a process died.
struct Witness {
    scenario: String,
    user: User,
    credits: i64,
    prompts: Vec<String>,
}

impl Scene {
    async fn start() -> Self {
        let (provider, folder) = (FakeProvider::start().await, reachable_folder());
        let mut overrides = provider.configs(&folder.path().join("catalogue.toml"));
        let holds = "holds = { resolve_after_seconds = 2, ask_again_seconds = 1, sweep_every_seconds = 1 }";
        overrides.push(("billing", holds.parse().expect("TOML")));
        overrides.push(("worker", "providers.sketch.latency_ms = 600".parse().expect("TOML")));
        // Two at once, so that the last ones wait long enough to be asked about.
        overrides.push(("gateway", "share.in_flight = 2".parse().expect("TOML")));
        Self { house: House::with(1, 1, overrides).await, provider, _folder: folder }
    }

    /// Has a process die at the point while somebody new signs up and has images made. What remains to be done goes on
    /// beside the next points.
    async fn die_at(&self, point: &Point, seed: u64) -> Witness {
        // It may be coming back from the point before.
        self.house.stack.part_ready(point.part).await.expect(point.name);
        let (began, before) = (Instant::now(), self.house.restarts(point.part));
        // The first seed dies at the first pass, later ones at a later pass if there is one.
        let order = format!("{}:{}", point.name, 1 + seed % 3);
        let armed = [("IMAGIOO_KILL_AT", order.as_str())];
        self.house.stack.restart(point.part, &armed).await.expect(point.name);
        self.house.stack.part_ready(point.part).await.expect(point.name);
        let witness = self.work(format!("{order} of {}", point.part), seed).await;
        // A later pass may never come: then nothing is left that could reach the point.
        let must_die = seed.is_multiple_of(3);
        let over = async || {
            self.house.restarts(point.part) > before
                || (!must_die && witness.user.all_ended(Duration::ZERO).await.is_ok())
        };
        self.house.until(&format!("it dies at {}", witness.scenario), over).await;
        crate::say(&format!("{}: {:.1} s", witness.scenario, began.elapsed().as_secs_f32()));
        witness
    }

    /// Kills every service once, at moments that the seed chooses.
    async fn die_from_outside(&self, seed: u64) -> Witness {
        let parts = ["gateway-1", "worker-1", "billing", "account"];
        let kills = async {
            for (number, part) in (0..).zip(parts) {
                tokio::time::sleep(Duration::from_millis(seed * 7919 % 400 + number * 150)).await;
                self.house.stack.part_ready(part).await.expect("it comes back");
                // It may have died of something else in this very moment.
                self.house.stack.signal(part, Signal::SIGKILL).await.ok();
            }
        };
        tokio::join!(kills, self.work(format!("kills from outside, seed {seed}"), seed)).1
    }

    /// Somebody signs up, gets credits, and asks for images in parallel.
    async fn work(&self, scenario: String, seed: u64) -> Witness {
        let user = self.house.user().await;
        let credits = user.balance().await.expect("a balance").available;
        let prompts: Vec<_> = (0..6 + seed % 5).map(|n| format!("draw: {scenario} {seed} {n}")).collect();
        let free = prompts.iter().map(|prompt| user.create(prompt, 1));
        let paid = prompts.iter().take(2).map(|prompt| user.create_with(MODEL, prompt, 1));
        let (free, paid) = tokio::join!(join_all(free), join_all(paid));
        assert!(free.iter().chain(&paid).all(Result::is_ok), "{scenario}: {free:?} {paid:?}");
        Witness { scenario, user, credits, prompts }
    }

    /// Everything this person asked for has one outcome and is charged if delivered; nothing was paid for twice.
    async fn testify(&self, witness: &Witness) {
        let Witness { scenario, user, credits, prompts } = witness;
        let succeeded = self.house.settled(user, *credits).await;
        assert!(
            succeeded >= prompts.len(),
            "{scenario}: what is free to repeat succeeds, not only {succeeded}"
        );
        for prompt in prompts.iter().take(2) {
            let calls = self.provider.calls(prompt);
            assert!(calls <= 1, "{scenario}: the provider was paid {calls} times for one image");
        }
    }
}
