//! A provider that does what a test tells it, and counts what it would be paid for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;
use imagioo_picture::Operation;
use imagioo_worker::progress::Progress;
use imagioo_worker::provider::{
    Call, CallError, Capabilities, Images, Provider, ProviderImage, Submission, TaskId,
};
use tokio::sync::Notify;

/// What the provider does with one call.
pub enum Act {
    /// Answers with these results.
    Deliver(Vec<Result<Bytes, CallError>>),
    /// Delivers these and then nothing for ever.
    DeliverThenHang(Vec<Bytes>),
    /// Accepts the call as a task; the results come with the next act.
    Accept(&'static str),
    /// Fails.
    Fail(CallError),
    /// Never answers.
    Hang,
}

/// The provider. Clones share it.
#[derive(Clone)]
pub struct FakeProvider(Arc<Inner>);

struct Inner {
    capabilities: Capabilities,
    state: Mutex<State>,
    changed: Notify,
}

/// What the provider did and will do.
#[derive(Default)]
pub struct State {
    /// What it does next.
    pub script: VecDeque<Act>,
    /// The calls it was paid for.
    pub submitted: Vec<Call>,
    /// The tasks it was asked to resume.
    pub resumed: Vec<String>,
    /// The tasks it was asked to cancel.
    pub cancelled: Vec<String>,
    /// What a look-up answers.
    pub known: Option<&'static str>,
    /// Calls that were dropped while they waited.
    pub dropped: usize,
}

/// Notices when a waiting call is dropped.
struct Waiting(FakeProvider);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.state().dropped += 1;
        self.0.0.changed.notify_waiters();
    }
}

/// One paid image per call of up to ten, without look-up or idempotency.
pub const PAID: Capabilities = Capabilities {
    operations: &Operation::ALL,
    images_per_call: 10,
    paid: true,
    idempotent: false,
    look_up: false,
};

impl FakeProvider {
    /// A provider with these capabilities that will act so.
    pub fn new(capabilities: Capabilities, script: impl IntoIterator<Item = Act>) -> Self {
        let state = Mutex::new(State { script: script.into_iter().collect(), ..State::default() });
        Self(Arc::new(Inner { capabilities, state, changed: Notify::new() }))
    }

    /// A look at, or a change of, what the provider did and will do.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("no test panics inside")
    }

    /// Waits until the state is so.
    pub async fn wait_until(&self, so: impl Fn(&State) -> bool) {
        loop {
            let changed = self.0.changed.notified();
            if so(&self.state()) {
                return;
            }
            changed.await;
        }
    }

    async fn act(&self) -> Result<Submission, CallError> {
        let act = self.state().script.pop_front().unwrap_or(Act::Hang);
        self.0.changed.notify_waiters();
        let waiting = Waiting(self.clone());
        let submission = match act {
            Act::Deliver(results) => Ok(Submission::Finished(images(results).boxed())),
            Act::DeliverThenHang(files) => Ok(Submission::Finished(
                images(files.into_iter().map(Ok).collect()).chain(stream::pending()).boxed(),
            )),
            Act::Accept(task) => Ok(Submission::Accepted(TaskId(task.to_owned()))),
            Act::Fail(error) => Err(error),
            Act::Hang => std::future::pending().await,
        };
        std::mem::forget(waiting);
        submission
    }
}

fn images(
    results: Vec<Result<Bytes, CallError>>,
) -> impl stream::Stream<Item = Result<ProviderImage, CallError>> {
    stream::iter(results).map(|result| result.map(|file| ProviderImage::from_bytes(file, None)))
}

#[async_trait]
impl Provider for FakeProvider {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities
    }

    async fn check(&self) -> Result<(), CallError> {
        Ok(())
    }

    async fn submit(&self, call: &Call, _progress: &Progress) -> Result<Submission, CallError> {
        self.state().submitted.push(call.clone());
        self.act().await
    }

    async fn resume(&self, _call: &Call, task: &TaskId, _progress: &Progress) -> Result<Images, CallError> {
        self.state().resumed.push(task.0.clone());
        match self.act().await? {
            Submission::Finished(images) => Ok(images),
            Submission::Accepted(_) => panic!("a task is not accepted twice"),
        }
    }

    async fn look_up(&self, _call: &Call) -> Result<Option<TaskId>, CallError> {
        Ok(self.state().known.map(|task| TaskId(task.to_owned())))
    }

    async fn cancel(&self, task: &TaskId) {
        self.state().cancelled.push(task.0.clone());
    }
}
