//! One generation behind one HTTP call: accepted whoever still listens, and followed to its end.

use std::time::Duration;

use imagioo_proto::generation::v1::CreateGenerationRequest;
use imagioo_rpc::{Caller, Code, RpcError};
use imagioo_types::GenerationId;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Door;
use super::refusal::Refusal;
use super::room::Place;
use crate::app::App;
use crate::error::Error;
use crate::generations::create::{self, Accepted};
use crate::generations::read::Whole;
use crate::generations::watch::{self, Watch};
use crate::grpc::decode;
use crate::watchers::Preview;

/// What there is to see of a generation that is followed.
pub(super) enum Step {
    /// Accepted, or changed.
    Changed(Box<Whole>),
    Preview(Preview),
    /// The end, with at least one image.
    Delivered(Box<Whole>),
}

/// What somebody wants, and how long they wait for it.
pub(super) struct Wanted {
    pub(super) request: CreateGenerationRequest,
    /// For a request that names no model.
    pub(super) default_model: Option<String>,
    /// What its pictures take up until it is accepted or refused.
    pub(super) place: Option<Place>,
    pub(super) until: Instant,
}

/// A generation that somebody waits for.
pub(super) struct Following {
    pub(super) door: Door,
    pub(super) id: GenerationId,
    caller: Caller,
    watch: Watch,
    /// Nothing for who stays to the end.
    until: Option<Instant>,
    has_key: bool,
}

impl Following {
    /// Creates a generation, or finds the one that the same call created before. A caller who hangs up meanwhile changes
    /// nothing: what has begun to be accepted is.
    pub(super) async fn create(door: &Door, caller: &Caller, wanted: Wanted) -> Result<Self, Refusal> {
        let has_key = !wanted.request.request_id.is_empty();
        let seat = watch::place(&door.app, caller)?;
        let until = wanted.until;
        let (accepted, answer) = oneshot::channel();
        let (app, creator) = (door.app.clone(), caller.clone());
        door.shutdown.spawn("accept a generation", async move {
            // Nobody listens when the client is gone.
            let _ = accepted.send(accept(&app, &creator, wanted).await);
        });
        let id = match tokio::time::timeout_at(until, answer).await {
            Ok(Ok(Ok(accepted))) => accepted.id(),
            // A generation that surely is not there may be asked for again by whoever likes.
            Ok(Ok(Err(error))) if !error.may_be_done() => return Err(error.into()),
            Ok(Ok(Err(error))) => return Err(Refusal::from(error).repeated_by(has_key)),
            Ok(Err(_)) => return Err(Refusal::from(stopping()).repeated_by(has_key)),
            Err(_) => return Err(Refusal::from(late()).repeated_by(has_key)),
        };
        let watch = Watch::start(&door.app, caller, seat, (id, 0));
        Ok(Self { door: door.clone(), id, caller: caller.clone(), watch, until: Some(until), has_key })
    }

    /// The same without an end to patience.
    pub(super) fn patiently(self) -> Self {
        Self { until: None, ..self }
    }

    /// The next step.
    pub(super) async fn next(&mut self) -> Result<Step, Refusal> {
        self.step().await.map_err(|refusal| self.goes_on(refusal))
    }

    /// The refusal of a call whose generation was accepted all the same.
    pub(super) fn goes_on(&self, refusal: Refusal) -> Refusal {
        refusal.about(self.id).repeated_by(self.has_key)
    }

    /// The end.
    pub(super) async fn outcome(&mut self) -> Result<Whole, Refusal> {
        loop {
            if let Step::Delivered(whole) = self.next().await? {
                return Ok(*whole);
            }
        }
    }

    async fn step(&mut self) -> Result<Step, Refusal> {
        loop {
            let step = tokio::select! {
                () = self.door.shutdown.requested() => return Err(stopping().into()),
                () = over(self.until) => return Err(late().into()),
                step = self.watch.next() => step,
            };
            let step = step?;
            // After the wait, which may have been long: nothing is shown to somebody who was signed out meanwhile.
            self.door.verifier.not_revoked(&self.caller.identity)?;
            match step {
                Some(watch::Step::Preview(preview)) => return Ok(Step::Preview(preview)),
                Some(watch::Step::Changed(now)) => return shown(now.whole),
                Some(watch::Step::Heartbeat) => {}
                None => return Err(RpcError::internal("a followed generation has no end").into()),
            }
        }
    }
}

/// Reads and accepts a request. Its pictures are in memory until that is done, whether the client is still there or not.
async fn accept(app: &App, caller: &Caller, wanted: Wanted) -> Result<Accepted, Error> {
    let Wanted { request, default_model, place: _place, until: _ } = wanted;
    // Pictures are hashed with the rest of the request, which takes a while.
    let decoded = tokio::task::spawn_blocking(|| decode::create(request)).await;
    let mut call = decoded.map_err(RpcError::internal)??;
    if let Some(model) = default_model {
        call.model = model;
    }
    create::create(app, caller, call).await
}

/// When patience ends, if it does.
async fn over(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

fn shown(whole: Whole) -> Result<Step, Refusal> {
    if !whole.generation.state.is_final() {
        return Ok(Step::Changed(Box::new(whole)));
    }
    if whole.images.is_empty() {
        return Err(Refusal::of_ending(&whole.generation));
    }
    Ok(Step::Delivered(Box::new(whole)))
}

fn late() -> RpcError {
    RpcError::new(
        Code::DeadlineExceeded,
        "the images are not done yet; the generation goes on and will be in the history",
    )
}

fn stopping() -> RpcError {
    RpcError::new(
        Code::Unavailable,
        "this server stops; what was accepted goes on and will be in the history",
    )
    .retry_after(Duration::from_secs(1))
}
