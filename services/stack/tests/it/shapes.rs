//! Items 41 and 42 for every kind of paid call: polled, streamed, and several for one generation. Whatever worker dies or
//! sleeps at whatever moment, there is one outcome, what was delivered is charged, and nothing is bought twice.

mod provider;
mod sleeper;

use std::path::Path;

use futures::future::join_all;
use imagioo_proto::generation::v1::CreateGenerationRequest;
use imagioo_stack::User;
use nix::sys::signal::Signal;
use uuid::Uuid;

use crate::house::{HANG, House, reachable_folder};
use crate::provider::{PRICE, catalogue_of, model_of};
use provider::{Moment, Shapes};

/// A kind of call, the worker that alone makes it, and what happens to it there.
struct Chain {
    worker: &'static str,
    model: &'static str,
    count: i32,
    cases: &'static [Case],
}

/// Where the worker dies, how many images there are nevertheless, and how often the provider is paid.
struct Case(Death, i64, u32);

enum Death {
    /// At a named point, the so-manieth time.
    At(&'static str),
    /// When the provider sees this.
    Seen(Moment, u32),
}

use Death::{At, Seen};

const CHAINS: [Chain; 5] = [
    // One call for both images; accepted, noted, asked after.
    Chain {
        worker: "worker-1",
        model: "polled",
        count: 2,
        cases: &[
            Case(At("worker.ack.after:1"), 2, 1),
            Case(At("worker.call.before:1"), 0, 0),
            Case(At("worker.call.after:1"), 0, 1),
            Case(Seen(Moment::Polled, 1), 2, 1),
            Case(At("worker.image.after_store:1"), 2, 1),
            Case(At("worker.manifest.before:1"), 2, 1),
        ],
    },
    // One answer that lasts as long as the image takes: what was lost of it cannot be fetched again.
    Chain {
        worker: "worker-2",
        model: "streamed",
        count: 1,
        cases: &[
            Case(At("worker.ack.after:1"), 1, 1),
            Case(At("worker.call.before:1"), 0, 0),
            Case(Seen(Moment::Drafted, 1), 0, 1),
            Case(At("worker.call.after:1"), 0, 1),
            Case(At("worker.image.after_store:1"), 1, 1),
        ],
    },
    // The operator's rule for this one is to ask again when nobody can say.
    Chain {
        worker: "worker-3",
        model: "repeated",
        count: 1,
        cases: &[Case(Seen(Moment::Drafted, 1), 1, 2), Case(At("worker.call.before:1"), 1, 1)],
    },
    // A call for each image, one after the other: one that is lost leaves its neighbours.
    Chain {
        worker: "worker-3",
        model: "several",
        count: 3,
        cases: &[
            Case(At("worker.ack.after:1"), 3, 3),
            Case(At("worker.call.before:1"), 2, 2),
            Case(At("worker.image.after_store:1"), 3, 3),
        ],
    },
    Chain {
        worker: "worker-4",
        model: "more",
        count: 3,
        cases: &[
            Case(At("worker.call.after:1"), 2, 3),
            Case(At("worker.call.before:2"), 2, 2),
            Case(Seen(Moment::Asked, 2), 2, 3),
            Case(At("worker.call.after:2"), 2, 3),
            Case(At("worker.manifest.before:1"), 3, 3),
        ],
    },
];

#[tokio::test]
async fn r42_a_worker_killed_at_any_moment_of_any_kind_of_paid_call_buys_nothing_twice() {
    let (provider, folder) = (Shapes::start().await, reachable_folder());
    let house = House::with(1, 4, configs(&provider, &folder.path().join("catalogue.toml"))).await;
    let workers = ["worker-1", "worker-2", "worker-3", "worker-4"];
    join_all(workers.map(async |worker| {
        for chain in CHAINS.iter().filter(|chain| chain.worker == worker) {
            chain.run(&house, &provider).await;
        }
    }))
    .await;
    house.stop().await;
}

impl Chain {
    /// One death after the other, each with a generation of its own, and the bill.
    async fn run(&self, house: &House, provider: &Shapes) {
        let user = house.user().await;
        let credits = user.balance().await.expect("a balance").available;
        for case in self.cases {
            self.die(house, (provider, &user), case).await;
        }
        let all = user.all_ended(HANG).await.expect("everything has ended");
        for Case(death, images, paid) in self.cases {
            let prompt = self.prompt(death);
            let made = all.iter().find(|generation| generation.prompt == prompt).expect("it was accepted");
            let outcome = (made.images.len() as i64, made.charge, provider.paid(&prompt));
            assert_eq!(outcome, (*images, images * PRICE, *paid), "{prompt}: {made:?}");
        }
        house.settled(&user, credits).await;
    }

    async fn die(&self, house: &House, (provider, user): (&Shapes, &User), Case(death, ..): &Case) {
        let (stack, prompt) = (&house.stack, self.prompt(death));
        // It may be coming back from the death before.
        stack.part_ready(self.worker).await.expect("a worker");
        match death {
            At(point) => stack.restart(self.worker, &[("IMAGIOO_KILL_AT", *point)]).await.expect("armed"),
            Seen(moment, number) => provider.hold(&prompt, (*moment, *number)),
        }
        stack.part_ready(self.worker).await.expect("a worker");
        let before = house.restarts(self.worker);
        user.accepted(wanted(self.model, &prompt, self.count)).await.expect("accepted");
        if let Seen(moment, number) = death {
            house.until(&prompt, async || provider.count(&prompt, *moment) >= *number).await;
            stack.signal(self.worker, Signal::SIGKILL).await.expect("it runs");
            provider.release(&prompt);
        }
        house.until(&format!("{prompt} kills it"), async || house.restarts(self.worker) > before).await;
        user.all_ended(HANG).await.expect("somebody goes on");
    }

    fn prompt(&self, death: &Death) -> String {
        match death {
            At(point) => format!("{} dies at {point}", self.model),
            Seen(moment, number) => format!("{} dies when {moment:?} {number}", self.model),
        }
    }
}

fn wanted(model: &str, prompt: &str, count: i32) -> CreateGenerationRequest {
    CreateGenerationRequest {
        request_id: Uuid::now_v7().to_string(),
        model: format!("models/{model}"),
        prompt: prompt.to_owned(),
        count,
        ..CreateGenerationRequest::default()
    }
}

/// How gateway and workers find the providers; each worker has models of its own.
fn configs(provider: &Shapes, catalogue: &Path) -> Vec<(&'static str, toml::Table)> {
    // Stability knows shapes, and no sizes.
    let shaped = |id| {
        let model = model_of(id, ("forms", "fox-1"), "fail");
        model.replace("sizes = [\"64x64\"]", "aspect_ratios = [\"1:1\"]")
    };
    let models = [
        model_of("polled", ("queue", "acme/fox/dev"), "fail"),
        model_of("streamed", ("stream", "fox-1"), "fail"),
        model_of("repeated", ("stream", "fox-1"), "repeat"),
        shaped("several"),
        shaped("more"),
    ];
    // Longer than any pause here: a call that is held up is killed, not given up.
    let patient = models.join("\n").replace("call_timeout_seconds = 3\n", "call_timeout_seconds = 100\n");
    std::fs::write(catalogue, catalogue_of(&patient)).expect("written");
    let address = &provider.address;
    let accounts = format!(
        "[providers.queue]\nkind = \"fal\"\nbase_url = \"{address}/fal\"\napi_key = \"fake\"\npaid = true\n\
         [providers.stream]\nkind = \"openai\"\nbase_url = \"{address}/v1\"\napi_key = \"fake\"\npaid = true\n\
         dialect = {{ partial_images = 2 }}\n\
         [providers.forms]\nkind = \"stability\"\nbase_url = \"{address}/v2beta\"\napi_key = \"fake\"\npaid = true\n"
    );
    let places = |ids: &[&str]| {
        let places = ids.iter().map(|id| format!("{{ id = \"{id}\", concurrency = 4 }}"));
        format!("deployments = [{}]", places.collect::<Vec<_>>().join(", "))
    };
    let parse = |text: String| text.parse().expect("TOML");
    vec![
        ("gateway", parse(format!("catalogue_file = {:?}", catalogue.display().to_string()))),
        ("worker", parse(accounts)),
        ("worker-1", parse(places(&["polled"]))),
        ("worker-2", parse(places(&["streamed"]))),
        ("worker-3", parse(places(&["repeated", "several"]))),
        ("worker-4", parse(places(&["more"]))),
    ]
}
