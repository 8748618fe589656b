//! Messages that the gateway consumes: finished attempts, and hints for watchers.

use std::time::Duration;

use fail::fail_point;
use futures::StreamExt as _;
use imagioo_proto::jobs::v1::{GenerationChanged, GenerationFinished, GenerationProgress};
use imagioo_queue::{Decision, QueueError, Subscription, topology};
use imagioo_runtime::Shutdown;
use imagioo_types::{GenerationId, UserId};

use crate::app::App;
use crate::generations::finish::{self, Finished};
use crate::watchers::{Preview, Progress, Signal};

/// Finished attempts applied at once; their commits share statements.
const CONCURRENCY: usize = 128;
/// A manifest that a message names but storage does not show yet.
const MANIFEST_RETRY: Duration = Duration::from_millis(200);
const DATABASE_RETRY: Duration = Duration::from_secs(1);

/// Starts every consumer.
pub(crate) async fn start(app: &App, shutdown: &Shutdown) -> Result<(), QueueError> {
    let prefetch = u16::try_from(CONCURRENCY).unwrap_or(u16::MAX);
    let finished = app.queue.consume(Subscription::queue(topology::GENERATION_FINISHED, prefetch)).await?;
    let own = app.clone();
    shutdown.spawn(
        "apply finished attempts",
        imagioo_queue::run(finished, CONCURRENCY, shutdown.clone(), move |received| {
            let (app, message) = (own.clone(), received.payload);
            async move { apply(&app, message).await }
        }),
    );
    let mut changes = app.queue.listen::<GenerationChanged>().await?;
    let mut progress = app.queue.listen::<GenerationProgress>().await?;
    let (watchers, soft) = (app.watchers.clone(), shutdown.clone());
    shutdown.spawn("pass hints to watchers", async move {
        loop {
            tokio::select! {
                () = soft.requested() => return,
                Some(hint) = changes.next() => {
                    if let Ok(id) = GenerationId::from_name(&hint.generation) {
                        watchers.tell(owner(&hint.owner), id, Signal::Changed);
                    }
                }
                Some(hint) = progress.next() => {
                    if let Ok(id) = GenerationId::from_name(&hint.generation) {
                        let owner = owner(&hint.owner);
                        signals(hint).for_each(|signal| watchers.tell(owner, id, signal));
                    }
                }
                else => return,
            }
        }
    });
    Ok(())
}

/// Applies one finished attempt. The row and the manifest decide; a repeated or foreign message changes nothing.
async fn apply(app: &App, message: GenerationFinished) -> Decision {
    let Ok(id) = GenerationId::from_name(&message.generation) else {
        return Decision::GiveUp { reason: "the message names no generation".to_owned() };
    };
    match finish::finish(app, id, message.attempt).await {
        Ok(Finished::Applied | Finished::Past) => {
            fail_point!("gateway.finish.before_ack");
            Decision::Done
        }
        Ok(Finished::NoManifest) => Decision::Retry { after: MANIFEST_RETRY },
        Err(error) => {
            tracing::warn!(
                generation = %id,
                error = &error as &dyn std::error::Error,
                "finished attempt not applied, trying again",
            );
            Decision::Retry { after: DATABASE_RETRY }
        }
    }
}

/// Whom a hint names; an older replica's names nobody.
fn owner(name: &str) -> Option<UserId> {
    UserId::from_name(name).ok()
}

fn signals(hint: GenerationProgress) -> impl Iterator<Item = Signal> {
    let preview = hint.preview.map(|preview| {
        Signal::Preview(Preview { index: preview.index, format: preview.format, data: preview.data })
    });
    let progress = Signal::Progress(Progress {
        attempt: hint.attempt,
        epoch: hint.epoch,
        stage: hint.stage,
        percent: hint.percent.clamp(0, 100),
    });
    std::iter::once(progress).chain(preview)
}
