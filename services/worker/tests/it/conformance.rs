//! What every adapter over HTTP does when its provider misbehaves: one suite, run against each provider's [`Wire`].

mod bursts;
mod own_keys;
mod strangers;
mod tables;
mod transfers;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use imagioo_proto::jobs::v1::Manifest;
use imagioo_testkit::web::{Asked, Reply, WebServer};
use imagioo_worker::job::Job;

pub use bursts::bursts;
pub use own_keys::own_keys;
pub use strangers::strangers;
pub use tables::{checks, downloads, pages, polls, refusals, submits, takeovers};
pub use transfers::{broken_downloads, unreachable};

use crate::harness::{World, job_at, picture, taken_over};
use crate::pictures::kept;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It makes the call, and would be paid for.
    Submit,
    /// It asks how the call is getting on.
    Poll,
    /// It fetches a result from its link.
    Download,
    /// Anything else, such as an upload.
    Other,
}

/// What a good answer is made of.
pub struct Good<'a> {
    /// Where the provider is, such as `http://127.0.0.1:1234`.
    pub origin: &'a str,
    /// Where the result is, for providers that answer with links.
    pub link: &'a str,
    /// The result, for providers that answer with the image itself.
    pub file: &'a [u8],
}

/// One provider's API as its documentation has it. Shares nothing with the adapter.
pub trait Wire: Default + Send + 'static {
    /// The kind of account that speaks it.
    const KIND: &'static str;
    /// Where the API begins on its host.
    const BASE: &'static str;
    /// Whether results come as links.
    const LINKS: bool;
    /// What is noted of an accepted call, where calls are accepted before they are done; `{origin}` stands for where the
    /// provider is.
    const TASK: Option<&'static str>;
    /// Whether a call whose outcome nobody knows may be made again, because it costs nothing.
    const REPEATABLE: bool = false;
    /// The account's key.
    const KEY: &'static str = "test-key";
    /// Whether users may bring keys of their own.
    const OWN_KEYS: bool = true;
    /// What a complaint looks like, whatever its status.
    const COMPLAINT: &'static str;
    /// Whether a job starts from a picture.
    const PICTURE: bool = false;
    /// What a call costs that is answered with a server error.
    const SERVER_ERROR_CHARGED: &'static str = "unknown";

    /// Where its account is asked after for nothing, and how it answers a good key.
    const CHECK: (&'static str, u16);
    /// What it says with that.
    const CHECK_BODY: &'static str = "{}";
    /// Whether it is asked without the key, too, and must refuse that.
    const REFUSES_STRANGERS: bool = false;

    /// What a request is for. Downloads are known by their path, [`FILE`].
    fn step(&self, asked: &Asked) -> Step;

    /// The answer to a request when all is well.
    fn good(&mut self, asked: &Asked, good: &Good<'_>) -> Reply;

    /// Every shape in which it refuses: a name, the step that answers so, the answer, and the stage and categories that
    /// are kept, such as `output:violence`.
    fn refusals() -> Vec<(&'static str, Step, Reply, &'static str)> {
        Vec::new()
    }

    /// Whatever a job of one image needs to be one for this provider.
    fn prepare(_job: &mut Job) {}
}

/// A job of one image for a provider.
pub async fn prepared<W: Wire>(world: &World) -> Job {
    let mut job = job_at("provider", 1);
    W::prepare(&mut job);
    if W::PICTURE {
        job.references = vec![kept(world, &job, &picture(1)).await];
    }
    job
}

/// Where results are on the provider's own host.
pub const FILE: &str = "/files/1.png";

/// One thing that goes wrong: the first so many answers at one step.
pub struct Fault {
    pub step: Step,
    pub times: usize,
    pub reply: Reply,
}

impl Fault {
    pub fn always(step: Step, reply: Reply) -> Self {
        Self { step, times: usize::MAX, reply }
    }
}

/// One job of one image against a provider.
pub struct Trial {
    /// What goes wrong.
    pub fault: Option<Fault>,
    /// Where the provider says the result is; its own place when absent.
    pub link: Option<String>,
    /// Where the provider says that the call can be asked after; its own place when absent.
    pub stated: Option<String>,
    /// The result.
    pub file: Vec<u8>,
    /// Whether another worker made the call and noted its task.
    pub accepted_before: bool,
    /// Longest time of the call.
    pub call_timeout: Duration,
    /// More of the worker's configuration.
    pub overrides: toml::Table,
    /// Where the account is said to be; where the provider really is when absent.
    pub origin: Option<String>,
    /// The operator's key where the job comes with [`Wire::KEY`] as its owner's.
    pub operators_key: Option<&'static str>,
}

impl Default for Trial {
    fn default() -> Self {
        Self {
            fault: None,
            link: None,
            stated: None,
            file: crate::harness::picture(1).to_vec(),
            accepted_before: false,
            call_timeout: Duration::from_secs(20),
            overrides: toml::Table::new(),
            origin: None,
            operators_key: None,
        }
    }
}

/// What a trial came to.
pub struct Verdict {
    pub manifest: Manifest,
    /// Every request, with what it was for.
    pub asked: Vec<(Step, Asked)>,
}

impl Verdict {
    /// Requests for a step.
    pub fn count(&self, wanted: Step) -> usize {
        self.asked.iter().filter(|(step, _)| *step == wanted).count()
    }
}

impl Trial {
    /// Runs a job of one image.
    pub async fn run<W: Wire>(self) -> Verdict {
        let mut world = World::new().await;
        let job = prepared::<W>(&world).await;
        self.run_job::<W>(&mut world, job).await
    }

    /// Runs some job.
    pub async fn run_job<W: Wire>(self, world: &mut World, mut job: Job) -> Verdict {
        job.deployment.call_timeout = self.call_timeout;
        let (server, steps) = serve::<W>(self.fault, (self.link, self.stated), self.file).await;
        if self.accepted_before {
            let task = W::TASK.expect("a provider with tasks").replace("{origin}", &server.url(""));
            job = taken_over(&job, &[(0, Some(&task))]);
        }
        let mut overrides = self.overrides;
        job.own_key = self.operators_key.map(|_| W::KEY.into());
        let origin = self.origin.unwrap_or_else(|| server.url(""));
        overrides.extend(account::<W>(&origin, self.operators_key.unwrap_or(W::KEY)));
        let worker = world.start_configured(overrides);
        world.submit(&job).await;
        let manifest = world.outcome().await.manifest;
        worker.stop().await;
        let steps = steps.lock().expect("no answer panics").clone();
        let asked = steps.into_iter().zip(server.asked().iter().cloned()).collect();
        Verdict { manifest, asked }
    }
}

/// The configuration of an account, called `provider`, at a server that may be here also when it is asked over TLS.
pub fn account<W: Wire>(origin: &str, key: &str) -> toml::Table {
    let mut account = toml::Table::from_iter([
        ("kind".to_owned(), W::KIND.into()),
        ("api_key".to_owned(), key.into()),
        ("base_url".to_owned(), format!("{origin}{}", W::BASE).into()),
    ]);
    if let Some(host) = origin.strip_prefix("https://") {
        account.insert("trusted_hosts".to_owned(), vec![host].into());
    }
    let providers = toml::Table::from_iter([("provider".to_owned(), account.into())]);
    toml::Table::from_iter([("providers".to_owned(), providers.into())])
}

async fn serve<W: Wire>(
    mut fault: Option<Fault>,
    (link, elsewhere): (Option<String>, Option<String>),
    file: Vec<u8>,
) -> (WebServer, Arc<Mutex<Vec<Step>>>) {
    let steps = Arc::new(Mutex::new(Vec::new()));
    let (seen, mut wire) = (Arc::clone(&steps), W::default());
    let server = WebServer::start(move |asked| {
        let origin = format!("http://{}", asked.header("host").unwrap_or_default());
        let step = if asked.path.starts_with(FILE) { Step::Download } else { wire.step(asked) };
        seen.lock().expect("no answer panics").push(step);
        if let Some(fault) = fault.as_mut().filter(|fault| fault.step == step && fault.times > 0) {
            fault.times -= 1;
            return fault.reply.clone();
        }
        match step {
            Step::Download => Reply::file("image/png", &file),
            _ => {
                let link = link.clone().unwrap_or_else(|| format!("{origin}{FILE}"));
                wire.good(
                    asked,
                    &Good { origin: elsewhere.as_deref().unwrap_or(&origin), link: &link, file: &file },
                )
            }
        }
    });
    (server.await, steps)
}

/// The suite as tests of a module, for one provider; servers of one's own refuse nothing.
macro_rules! conformance {
    ($wire:ty) => {
        crate::conformance::conformance!($wire, refuses nothing);

        #[tokio::test]
        async fn every_shape_of_a_refusal_is_the_one_refusal() {
            crate::conformance::refusals::<$wire>().await;
        }
    };
    ($wire:ty, refuses nothing) => {
        #[tokio::test]
        async fn a_key_is_checked_by_a_call_that_costs_nothing() {
            crate::conformance::checks::<$wire>().await;
            crate::conformance::pages::<$wire>().await;
        }

        #[tokio::test]
        async fn a_key_of_a_user_is_used_in_place_of_the_operators_and_goes_nowhere_else() {
            crate::conformance::own_keys::<$wire>().await;
        }

        #[tokio::test]
        async fn r43_every_fault_of_a_submit_has_its_class() {
            crate::conformance::submits::<$wire>().await;
        }

        #[tokio::test]
        async fn a_burst_of_server_errors_costs_one_call_an_attempt_until_it_is_over() {
            crate::conformance::bursts::<$wire>().await;
        }

        #[tokio::test]
        async fn a_key_goes_to_no_address_but_the_apis_own() {
            crate::conformance::strangers::<$wire>().await;
        }

        #[tokio::test]
        async fn r43_an_accepted_call_outlives_faulty_answers() {
            crate::conformance::polls::<$wire>().await;
        }

        #[tokio::test]
        async fn r32_an_accepted_call_is_resumed_by_another_worker() {
            crate::conformance::takeovers::<$wire>().await;
        }

        #[tokio::test]
        async fn r43_a_provider_that_was_never_reached_cost_nothing() {
            crate::conformance::unreachable::<$wire>().await;
        }

        #[tokio::test]
        async fn r43_a_download_that_breaks_off_begins_again() {
            crate::conformance::broken_downloads::<$wire>().await;
        }

        #[tokio::test]
        async fn r76_results_are_fetched_from_allowed_hosts_and_are_images() {
            crate::conformance::downloads::<$wire>().await;
        }
    };
}
pub(crate) use conformance;
