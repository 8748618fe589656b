//! Offers of generations that were dispatched at their creation: made after the commit and off the caller's path, so
//! that neither a slow broker delays an answer nor a caller that hangs up keeps its own generation waiting.

use fail::fail_point;
use futures::{StreamExt as _, stream};
use imagioo_proto::jobs::v1::GenerationReady;
use imagioo_queue::Queue;
use imagioo_runtime::Shutdown;
use tokio::sync::mpsc;
use tracing::Instrument as _;

use crate::trace;

/// Offers that may wait to be made; more are left to the sweeper.
const WAITING: usize = 10_000;
/// Offers that are made at once.
pub(super) const AT_ONCE: usize = 64;

/// A generation for the workers of a deployment.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) deployment: String,
    pub(crate) ready: GenerationReady,
    /// The `traceparent` that the generation was created in.
    pub(crate) trace: Option<String>,
}

/// Where offers are left. Clones share the way.
#[derive(Clone)]
pub(crate) struct Offers(mpsc::Sender<Offer>);

impl Offers {
    /// Makes offers until every clone is dropped.
    pub(crate) fn new(queue: Queue, shutdown: &Shutdown) -> Self {
        let (sender, mut receiver) = mpsc::channel::<Offer>(WAITING);
        let left = stream::poll_fn(move |context| receiver.poll_recv(context));
        let offers = left.for_each_concurrent(AT_ONCE, move |offer| {
            let queue = queue.clone();
            async move { make(&queue, &offer).await }
        });
        shutdown.spawn("offer created generations", offers);
        Self(sender)
    }

    /// Has an offer made soon.
    pub(crate) fn leave(&self, offer: Offer) {
        if self.0.try_send(offer).is_err() {
            tracing::warn!("too many offers wait, the sweeper will return this generation");
        }
    }
}

/// Makes an offer. A lost one is found by the sweeper: the row says that nobody has started it.
pub(crate) async fn make(queue: &Queue, offer: &Offer) {
    let Offer { deployment, ready, trace } = offer;
    let span = trace::go_on("offer", trace.as_deref());
    fail_point!("gateway.offer.before_publish");
    let offered = queue.offer(deployment, ready).instrument(span).await;
    fail_point!("gateway.offer.after_publish");
    if let Err(error) = offered {
        tracing::warn!(
            generation = %ready.generation,
            error = &error as &dyn std::error::Error,
            "not offered, the sweeper will return it",
        );
    }
}
