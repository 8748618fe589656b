//! The streams of `imagioo.generation.v1.GenerationService`.

use std::time::Duration;

use futures::stream::BoxStream;
use futures::{TryStreamExt as _, stream};
use imagioo_proto::generation::v1 as wire;
use imagioo_rpc::{AccessVerifier, Caller, Code, RpcError, page};
use imagioo_runtime::Shutdown;
use imagioo_types::GenerationId;
use time::OffsetDateTime;
use tonic::Status;

use super::convert;
use super::feed::feed;
use crate::app::App;
use crate::generations::read;
use crate::generations::watch::{self, Watch};
use crate::generations::watch_all::{self, WatchAll};
use crate::watchers::{Place, Preview};

type Steps<T> = BoxStream<'static, Result<T, Status>>;

/// What a stream is made with.
pub(super) struct Watching {
    app: App,
    verifier: AccessVerifier,
    shutdown: Shutdown,
    place: Place,
}

impl Watching {
    /// Lets a caller watch who does not watch too much already.
    pub(super) fn admit(
        app: App,
        verifier: AccessVerifier,
        shutdown: Shutdown,
        caller: &Caller,
    ) -> Result<Self, RpcError> {
        let place = watch::place(&app, caller)?;
        Ok(Self { app, verifier, shutdown, place })
    }

    /// One generation, from a version on.
    pub(super) async fn one(
        self,
        caller: Caller,
        id: GenerationId,
        seen: i64,
    ) -> Result<Steps<wire::WatchGenerationResponse>, Status> {
        read::get(&self.app, &caller, id).await?;
        let Self { app, verifier, shutdown, place } = self;
        let watch = Watch::start(&app, &caller, place, (id, seen));
        let steps = stream::try_unfold((watch, verifier, caller), async |(mut watch, verifier, caller)| {
            let step = watch.next().await?;
            // After the wait, which may have been long: nothing is shown to somebody who was signed out meanwhile.
            verifier.not_revoked(&caller.identity)?;
            Ok::<_, Status>(step.map(|step| (step, (watch, verifier, caller))))
        });
        Ok(patient(steps.map_ok(one), &app, &shutdown))
    }

    /// Everything that the caller has, from a cursor on.
    pub(super) async fn all(
        self,
        caller: Caller,
        cursor: &str,
    ) -> Result<Steps<wire::WatchGenerationsResponse>, Status> {
        let Self { app, verifier, shutdown, place } = self;
        let watch = WatchAll::start(&app, &caller, place, since(cursor)?).await?;
        let steps = stream::try_unfold((watch, verifier, caller), async |(mut watch, verifier, caller)| {
            let step = watch.next().await?;
            verifier.not_revoked(&caller.identity)?;
            Ok::<_, Status>(Some((step, (watch, verifier, caller))))
        });
        Ok(patient(steps.and_then(async |step| Ok(all(step)?)), &app, &shutdown))
    }
}

/// The steps for a reader that takes them within the time allowed.
fn patient<T: Send + 'static>(
    steps: impl stream::Stream<Item = Result<T, Status>> + Send + 'static,
    app: &App,
    shutdown: &Shutdown,
) -> Steps<T> {
    feed(steps, Duration::from_secs(app.config.watches.patience_seconds.into()), shutdown)
}

fn one(step: watch::Step) -> wire::WatchGenerationResponse {
    match step {
        watch::Step::Changed(now) => {
            wire::WatchGenerationResponse { generation: Some(convert::generation(*now)), preview: None }
        }
        watch::Step::Preview(shown) => {
            wire::WatchGenerationResponse { generation: None, preview: Some(preview(shown)) }
        }
        watch::Step::Heartbeat => wire::WatchGenerationResponse::default(),
    }
}

fn all(step: watch_all::Step) -> Result<wire::WatchGenerationsResponse, RpcError> {
    let nothing = wire::WatchGenerationsResponse::default();
    Ok(match step {
        watch_all::Step::Changed(now) => {
            wire::WatchGenerationsResponse { generation: Some(convert::generation(*now)), ..nothing }
        }
        watch_all::Step::Preview(id, shown) => {
            let preview = wire::GenerationPreview { generation: id.name(), preview: Some(preview(shown)) };
            wire::WatchGenerationsResponse { preview: Some(preview), ..nothing }
        }
        watch_all::Step::Until(until) => {
            wire::WatchGenerationsResponse { cursor: page::encode(&until.unix_timestamp_nanos())?, ..nothing }
        }
    })
}

fn preview(Preview { index, format, data }: Preview) -> wire::Preview {
    wire::Preview { index, format, data }
}

/// The time that a cursor stands for. It carries no authority: a forged one moves within the caller's own rows only.
fn since(cursor: &str) -> Result<Option<OffsetDateTime>, RpcError> {
    let refused = || {
        RpcError::new(Code::InvalidArgument, "the cursor is not one of ours")
            .field("cursor", "pass the last `cursor` of an earlier stream, unchanged, or none")
    };
    let nanoseconds: Option<i128> = page::decode(cursor).map_err(|_| refused())?;
    nanoseconds
        .map(|nanoseconds| OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).map_err(|_| refused()))
        .transpose()
}
