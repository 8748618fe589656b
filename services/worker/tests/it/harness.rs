//! One worker in a world of fakes, and the verbs to use it with.

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use image::RgbImage;
use imagioo_picture::{Format, Operation, Settings, Size};
use imagioo_proto::jobs::v1::manifest::Ending;
use imagioo_proto::jobs::v1::{GenerationFinished, GenerationProgress, GenerationReady, Manifest};
use imagioo_queue::{Deliveries, Queue, Subscription, topology};
use imagioo_runtime::ops::Readiness;
use imagioo_runtime::{Settings as Configuration, Shutdown};
use imagioo_storage::{ObjectKey, Storage};
use imagioo_types::{Clock, GenerationId, ManualClock, Prompt, Screened, UserId, Wording};
use imagioo_worker::job::{Deployment, Job, Lease, RecordedCall, UnknownOutcome};
use imagioo_worker::provider::{Provider, TaskId};
use imagioo_worker::{Config, DEFAULTS, Parts, Ports, Registry, serve_with};
use prost::Message as _;
use time::OffsetDateTime;
use time::macros::datetime;

use crate::fake_gateway::FakeGateway;

/// The time in every test.
pub const NOW: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

/// How long anything may take before a test counts as hanging.
const HANG: Duration = Duration::from_secs(60);

/// Everything around a worker. It outlives the worker.
pub struct World {
    pub queue: Queue,
    pub storage: Storage,
    pub gateway: Arc<FakeGateway>,
    pub clock: ManualClock,
    finished: Option<Deliveries>,
}

/// A running worker.
pub struct Running {
    pub shutdown: Shutdown,
}

/// What an attempt came to.
pub struct Outcome {
    pub finished: GenerationFinished,
    pub manifest: Manifest,
}

impl World {
    /// A world in which nobody listens to outcomes yet.
    pub fn deaf() -> Self {
        Self {
            queue: Queue::in_process(),
            storage: Storage::memory(),
            gateway: Arc::default(),
            clock: ManualClock::at(NOW),
            finished: None,
        }
    }

    /// A world that listens to outcomes.
    pub async fn new() -> Self {
        let mut world = Self::deaf();
        world.listen().await;
        world
    }

    /// Starts to listen to outcomes.
    pub async fn listen(&mut self) {
        let subscription = Subscription::queue(topology::GENERATION_FINISHED, 8);
        self.finished = Some(self.queue.consume(subscription).await.expect("a queue of the topology"));
    }

    /// Starts a worker with one provider, called `fake`.
    pub fn start_worker(&self, provider: impl Provider) -> Running {
        self.start_worker_with(provider, toml::Table::new())
    }

    /// The same on top of other options.
    pub fn start_worker_with(&self, provider: impl Provider, overrides: toml::Table) -> Running {
        self.start_with(config(overrides), Registry::default().with("fake", Arc::new(provider)))
    }

    /// Starts a worker with the providers of its configuration.
    pub fn start_configured(&self, overrides: toml::Table) -> Running {
        self.start_with(config(overrides.clone()), registry(overrides))
    }

    fn start_with(&self, config: Config, providers: Registry) -> Running {
        let shutdown = Shutdown::new(HANG);
        let parts = Parts {
            readiness: Readiness::new(),
            queue: self.queue.clone(),
            storage: self.storage.clone(),
            clock: Arc::new(self.clock.clone()),
        };
        let leases: Arc<FakeGateway> = Arc::clone(&self.gateway);
        let ports = Ports { leases, providers };
        let stop = shutdown.clone();
        shutdown.spawn("worker", async move {
            serve_with(config, parts, ports, stop).await.expect("the worker serves");
        });
        Running { shutdown }
    }

    /// Makes a job known to the gateway and offers it.
    pub async fn submit(&self, job: &Job) {
        self.gateway.state().jobs.insert(job.lease.generation, job.clone());
        self.offer(&job.lease.generation.name(), job.lease.attempt).await;
    }

    /// Offers a generation to the workers.
    pub async fn offer(&self, generation: &str, attempt: u32) {
        let attempt = i32::try_from(attempt).expect("small");
        let ready = GenerationReady { generation: generation.to_owned(), attempt };
        self.queue.offer("sketch", &ready).await.expect("offered");
    }

    /// Waits for the next outcome.
    pub async fn outcome(&mut self) -> Outcome {
        let finished = self.finished.as_mut().expect("the world listens");
        let delivery = within(finished.next()).await.expect("a delivery");
        let finished: GenerationFinished = delivery.decode().expect("an announcement");
        delivery.ack().await;
        let key: ObjectKey = finished.manifest.parse().expect("an object key");
        let stored = self.storage.read(&key).await.expect("readable").expect("the announced manifest");
        Outcome { finished, manifest: Manifest::decode(stored).expect("a manifest") }
    }

    /// The manifest of a job, if it has one.
    pub async fn manifest(&self, job: &Job) -> Option<Manifest> {
        let stored = self.storage.read(&job.manifest_key()).await.expect("readable")?;
        Some(Manifest::decode(stored).expect("a manifest"))
    }

    /// Every hint of progress from now on.
    pub async fn progress(&self) -> BoxStream<'static, GenerationProgress> {
        self.queue.listen().await.expect("hints")
    }

    /// Asserts that nothing more is announced and nothing was given up.
    pub async fn is_silent(&mut self) {
        let finished = self.finished.as_mut().expect("the world listens");
        let quiet = tokio::time::timeout(Duration::from_millis(300), finished.next()).await;
        assert!(quiet.is_err(), "something was announced");
        assert_eq!(self.queue.dead_letters().await.expect("listed"), []);
    }
}

impl Running {
    /// Asks the worker to stop and waits until it has.
    pub async fn stop(self) {
        self.shutdown.request();
        within(self.shutdown.drained()).await;
        assert!(!self.shutdown.is_forced(), "the worker did not stop by itself");
    }

    /// Drops the worker where it stands.
    pub async fn kill(self) {
        self.shutdown.force();
        within(self.shutdown.drained()).await;
    }
}

/// The providers of a configuration.
pub fn registry(overrides: toml::Table) -> Registry {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW));
    Registry::from_config(&config(overrides), &clock).expect("a good configuration")
}

/// Fails the test when something hangs.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, future).await.expect("it hangs")
}

fn config(overrides: toml::Table) -> Config {
    let settings = Configuration::from_parts("worker", DEFAULTS, overrides).expect("well formed");
    settings.read().expect("complete")
}

/// Words that a screen let through.
#[expect(clippy::disallowed_methods, reason = "nobody decides in these tests")]
pub fn screened(wording: Wording) -> Screened {
    Screened::from_stored(wording, "allow:off".to_owned()).expect("an allow")
}

/// A job for the provider `fake`: so many images of 64 × 48 pixels, twenty seconds per call, one hour in all.
pub fn job(count: u32) -> Job {
    let prompt = Prompt::parse("a red fox under a full moon".to_owned()).expect("a prompt");
    Job {
        lease: Lease { generation: GenerationId::generate(), attempt: 1, epoch: 1 },
        owner: UserId::generate(),
        prompt: screened(Wording::of(prompt)),
        operation: Operation::TextToImage,
        settings: Settings {
            size: Some(Size { width: 64, height: 48 }),
            format: Some(Format::Png),
            seed: Some(7),
            ..Settings::default()
        },
        references: Vec::new(),
        mask: None,
        count,
        deployment: Deployment {
            id: "sketch".to_owned(),
            provider: "fake".to_owned(),
            model: "model-1".to_owned(),
            call_timeout: Duration::from_secs(20),
            unknown_outcome: UnknownOutcome::Fail,
            endpoint: String::new(),
            options: Arc::default(),
        },
        lease_time: Duration::from_secs(30),
        deadline: NOW + Duration::from_secs(3600),
        recorded: Vec::new(),
        own_key: None,
        cancel_requested: false,
    }
}

/// The same job for the provider `provider`.
pub fn job_at(provider: &str, count: u32) -> Job {
    let mut job = job(count);
    provider.clone_into(&mut job.deployment.provider);
    job
}

/// The same job after a takeover: one epoch later, with what was noted before.
pub fn taken_over(job: &Job, recorded: &[(u32, Option<&str>)]) -> Job {
    let mut job = job.clone();
    job.lease.epoch += 1;
    job.recorded = recorded
        .iter()
        .map(|(call, task)| RecordedCall { call: *call, task: task.map(|task| TaskId(task.to_owned())) })
        .collect();
    job
}

/// A picture of 64 × 48 pixels whose bytes depend on `shade`.
pub fn picture(shade: u8) -> Bytes {
    picture_as(shade, image::ImageFormat::Png)
}

/// The same in some format.
pub fn picture_as(shade: u8, format: image::ImageFormat) -> Bytes {
    let pixels = RgbImage::from_fn(64, 48, |x, y| image::Rgb([shade, x as u8 * 4, y as u8 * 4]));
    let mut file = Cursor::new(Vec::new());
    pixels.write_to(&mut file, format).expect("encodes");
    file.into_inner().into()
}

/// A word for an ending: `complete`, `cancelled`, `refused:…`, `failed:REASON`, `retry:REASON:no|unknown`.
pub fn ending(manifest: &Manifest) -> String {
    match manifest.ending.as_ref().expect("an ending") {
        Ending::Complete(_) => "complete".to_owned(),
        Ending::Cancelled(_) => "cancelled".to_owned(),
        Ending::Refused(policy) => format!("refused:{}:{}", policy.stage, policy.categories.join(",")),
        Ending::Failed(failure) => format!("failed:{}", failure.reason),
        Ending::Retry(retry) => {
            let charged = match retry.charged {
                1 => "no",
                2 => "unknown",
                other => panic!("unspecified charge {other}"),
            };
            let cause = retry.cause.as_ref().expect("a cause");
            format!("retry:{}:{charged}", cause.reason)
        }
    }
}

/// The places of the images in a manifest.
pub fn places(manifest: &Manifest) -> Vec<i32> {
    manifest.images.iter().map(|image| image.index).collect()
}

/// The next item of a stream of hints.
pub async fn next<T>(hints: &mut BoxStream<'static, T>) -> T {
    within(hints.next()).await.expect("a hint")
}
