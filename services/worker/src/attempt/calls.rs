//! The calls of an attempt, one after the other: noted, made, and their results kept.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fail::fail_point;
use imagioo_picture::Settings;
use imagioo_storage::ObjectKey;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument as _;

use super::batch::{Batch, Next, Waits};
use crate::backoff::Backoff;
use crate::held::Holding;
use crate::inputs::Inputs;
use crate::instruments;
use crate::job::{Job, RecordedCall};
use crate::leases::LeaseError;
use crate::progress::Progress;
use crate::provider::{CANCEL_TIMEOUT, Call, CallError, Charged, Images, Provider, Submission, TaskId};
use crate::reason::Reason;
use crate::results::Delivered;
use crate::worker::Worker;

/// Makes the calls of one attempt.
pub(super) struct Calls<'a> {
    pub(super) worker: &'a Worker,
    pub(super) job: &'a Job,
    pub(super) provider: &'a dyn Provider,
    holding: &'a Holding,
    pub(super) progress: &'a Progress,
    /// The call that the provider works on.
    accepted: Mutex<Option<TaskId>>,
    /// Whether the provider took the call that is being made.
    taken: AtomicBool,
    /// What nobody may see.
    pub(super) withheld: Mutex<Vec<ObjectKey>>,
    /// The pictures to start from, fetched for the first call that is made.
    inputs: OnceCell<Inputs>,
}

/// What is left to do for a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Everything.
    Make,
    /// Its results have to be fetched.
    Resume(TaskId),
    /// Nothing: its images are there.
    Kept,
}

impl<'a> Calls<'a> {
    pub(super) fn new(
        worker: &'a Worker,
        job: &'a Job,
        holding: &'a Holding,
        (provider, progress): (&'a dyn Provider, &'a Progress),
    ) -> Self {
        let (accepted, withheld) = (Mutex::new(None), Mutex::default());
        let (taken, inputs) = (AtomicBool::new(false), OnceCell::new());
        Self { worker, job, provider, holding, progress, accepted, taken, withheld, inputs }
    }

    /// Makes every call. Images go to `images` as they are delivered, whatever becomes of the others.
    ///
    /// # Errors
    /// The gravest failure; [`Batch`] says which ones keep later calls from being made.
    pub(super) async fn make(&self, images: &mut Vec<Delivered>) -> Result<(), CallError> {
        if !self.provider.capabilities().operations.contains(&self.job.operation) {
            return Err(CallError::failed(Reason::SettingUnsupported));
        }
        let mut batch = Batch::new(self.job.deployment.unknown_outcome);
        for (number, call) in self.all() {
            if !self.make_within(&mut batch, (number, &call), images).await {
                break;
            }
        }
        batch.end()
    }

    /// Every call of the attempt with its number.
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, Call)> {
        let per_call = self.provider.images_per_call(&self.job.settings, &self.job.deployment.options);
        (0..self.job.count.div_ceil(per_call)).map(move |number| {
            let first = number * per_call;
            (number, self.call(number, first, per_call.min(self.job.count - first)))
        })
    }

    /// What is known of a call that was made before, or was about to be.
    pub(super) fn recorded(&self, number: u32) -> Option<&RecordedCall> {
        self.job.recorded.iter().find(|recorded| recorded.call == number)
    }

    /// Makes a call, again where that is worth a wait; false when no other is to be made.
    async fn make_within(
        &self,
        batch: &mut Batch,
        (number, call): (u32, &Call),
        images: &mut Vec<Delivered>,
    ) -> bool {
        let mut waits = Waits::default();
        let mut recorded = self.recorded(number);
        loop {
            let Err(error) = self.make_one((number, call), recorded, images).await else {
                batch.made();
                return true;
            };
            let undone = !self.taken.load(Ordering::Relaxed);
            let next = batch.next(&error, (!images.is_empty(), undone));
            if next == Next::Again && waits.wait(error.wished_wait()).await {
                tracing::info!(generation = %self.job.lease.generation, call = number, "call made again");
                recorded = None;
                continue;
            }
            batch.lost(error);
            return next == Next::Others;
        }
    }

    /// Asks the provider to stop what it works on, if anything.
    pub(super) async fn cancel(&self) {
        let task = self.accepted.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            self.cancel_task(&task).await;
        }
    }

    pub(super) async fn cancel_task(&self, task: &TaskId) {
        if timeout(CANCEL_TIMEOUT, self.provider.cancel(task)).await.is_err() {
            tracing::warn!(
                provider = self.job.deployment.provider,
                "provider did not confirm the cancellation"
            );
        }
    }

    fn call(&self, number: u32, first: u32, count: u32) -> Call {
        let job = self.job;
        Call {
            key: format!("{}/{}/{number}", job.lease.generation, job.lease.attempt),
            model: job.deployment.model.clone(),
            endpoint: job.deployment.endpoint.clone(),
            options: Arc::clone(&job.deployment.options),
            operation: job.operation,
            prompt: job.prompt.clone(),
            settings: Settings {
                seed: job.settings.seed.map(|seed| (seed + i64::from(first)) % (i64::from(u32::MAX) + 1)),
                ..job.settings.clone()
            },
            references: Vec::new(),
            mask: None,
            first,
            count,
            decoders: self.worker.results.decoders().clone(),
        }
    }

    /// The call with the pictures it starts from.
    async fn with_inputs(&self, call: &Call) -> Result<Call, CallError> {
        let inputs = self.inputs.get_or_try_init(|| Inputs::fetch(&self.worker.storage, self.job)).await?;
        Ok(Call { references: inputs.references.clone(), mask: inputs.mask.clone(), ..call.clone() })
    }

    async fn make_one(
        &self,
        (number, call): (u32, &Call),
        recorded: Option<&RecordedCall>,
        images: &mut Vec<Delivered>,
    ) -> Result<(), CallError> {
        self.taken.store(false, Ordering::Relaxed);
        let step = match recorded.map(|recorded| recorded.task.clone()) {
            None => Step::Make,
            Some(Some(task)) => Step::Resume(task),
            Some(None) => self.recover(call, images).await?,
        };
        let call = match step {
            Step::Make => &self.with_inputs(call).await?,
            _ => call,
        };
        if step == Step::Make {
            self.note_intent(number).await?;
        }
        let (started, until) = (Instant::now(), Instant::now() + self.job.deployment.call_timeout);
        let provider = self.job.deployment.provider.as_str();
        let span = tracing::info_span!(
            "provider",
            otel.name = format!("{provider} call"),
            otel.kind = "client",
            provider,
            call = number,
        );
        let finished = match timeout_at(until, self.finish(number, call, step).instrument(span)).await {
            Ok(finished) => finished,
            Err(_) => {
                self.cancel().await;
                Err(timed_out())
            }
        };
        let finished = match self.job.own_key {
            Some(_) => finished.map_err(CallError::on_own_key),
            None => finished,
        };
        self.count(started, &finished);
        match finished? {
            Some(results) => self.keep(call, results, (until, images)).await,
            None => Ok(()),
        }
    }

    async fn finish(&self, number: u32, call: &Call, step: Step) -> Result<Option<Images>, CallError> {
        let submitted = match step {
            Step::Kept => return Ok(None),
            Step::Resume(task) => Submission::Accepted(task),
            Step::Make => self.submit(call).await?,
        };
        self.taken.store(true, Ordering::Relaxed);
        let task = match submitted {
            Submission::Finished(images) => return Ok(Some(images)),
            Submission::Accepted(task) => task,
        };
        *self.accepted.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.clone());
        self.note_task(number, &task).await;
        let images = self.provider.resume(call, &task, self.progress).await;
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).take();
        images.map(Some)
    }

    async fn submit(&self, call: &Call) -> Result<Submission, CallError> {
        fail_point!("worker.call.before");
        let submission = self.provider.submit(call, self.progress).await?;
        fail_point!("worker.call.after");
        Ok(submission)
    }

    /// Notes that a paid call is about to be made; this is also the last look at the fence.
    async fn note_intent(&self, number: u32) -> Result<(), CallError> {
        if !self.provider.capabilities().paid {
            return Ok(());
        }
        self.note(number, None)
            .await
            .map_err(|error| CallError::retry(Reason::GatewayUnavailable, Charged::No).because(error))
    }

    /// Notes the id of an accepted call. A failure costs a takeover its short cut, not the call its result.
    async fn note_task(&self, number: u32, task: &TaskId) {
        if let Err(error) = self.note(number, Some(task)).await {
            tracing::warn!(
                generation = %self.job.lease.generation,
                error = &error as &dyn std::error::Error,
                "accepted call not noted"
            );
        }
    }

    /// Never returns when the lease is lost: the job is dropped from outside.
    async fn note(&self, number: u32, task: Option<&TaskId>) -> Result<(), LeaseError> {
        let mut backoff = Backoff::short();
        loop {
            match self.worker.leases.record_task(self.job.lease, number, task).await {
                Ok(()) => return Ok(()),
                Err(LeaseError::Lost) => {
                    self.holding.lose();
                    std::future::pending::<()>().await;
                }
                Err(error) if !backoff.wait().await => return Err(error),
                Err(_) => {}
            }
        }
    }

    fn count(&self, started: Instant, finished: &Result<Option<Images>, CallError>) {
        let outcome = finished.as_ref().err().map_or("DONE", |error| error.reason.as_str());
        instruments::called(&self.job.deployment.provider, outcome, started.elapsed());
    }
}

pub(super) fn timed_out() -> CallError {
    CallError::retry(Reason::ProviderTimeout, Charged::Unknown)
}
