//! Keeping what a call delivers: results are stored as they arrive and screened side by side, so that a slow screen holds up
//! none of them and a worker that dies leaves as many as possible.

use std::sync::PoisonError;

use futures::channel::mpsc::{self, UnboundedSender};
use futures::{StreamExt as _, join};
use imagioo_storage::ObjectKey;
use tokio::time::{Instant, timeout_at};

use super::calls::{Calls, timed_out};
use crate::progress::Stage;
use crate::provider::{Call, CallError, Charged, Images, ProviderImage};
use crate::reason::Reason;
use crate::results::{Delivered, Kept, Stored};

impl Calls<'_> {
    /// Keeps what a call delivers. A bad or blocked image does not spoil its neighbours; what is too many is left.
    ///
    /// # Errors
    /// The gravest failure of an image.
    pub(super) async fn keep(
        &self,
        call: &Call,
        results: Images,
        (until, images): (Instant, &mut Vec<Delivered>),
    ) -> Result<(), CallError> {
        let (sender, stored) = mpsc::unbounded();
        let at_once = usize::try_from(call.count).unwrap_or(usize::MAX);
        let screening = async {
            let mut screened =
                stored.map(|stored| self.worker.results.screen(stored, None)).buffer_unordered(at_once);
            let mut failure = None;
            while let Some(kept) = screened.next().await {
                failure = graver(failure, self.take(kept, images));
            }
            failure
        };
        let (lost, withheld) = join!(self.store(call, results, (until, sender)), screening);
        graver(lost, withheld).map_or(Ok(()), Err)
    }

    /// Stores each image as it arrives and passes it on; the gravest failure, if there is one.
    async fn store(
        &self,
        call: &Call,
        mut results: Images,
        (until, sender): (Instant, UnboundedSender<Stored>),
    ) -> Option<CallError> {
        let mut failure = None;
        for place in call.first..call.first + call.count {
            let stored = match timeout_at(until, results.next()).await {
                Ok(Some(Ok(image))) => self.store_one(place, image).await,
                Ok(Some(Err(error))) => Err(error),
                Ok(None) => Err(CallError::retry(Reason::ProviderFewerImages, Charged::Unknown)),
                Err(_) => Err(timed_out()),
            };
            let error = match stored {
                // Whoever screens listens until this ends.
                Ok(stored) => sender.unbounded_send(stored).err().map(|_| timed_out()),
                Err(error) => Some(error),
            };
            failure = graver(failure, error);
        }
        failure
    }

    async fn store_one(&self, place: u32, image: ProviderImage) -> Result<Stored, CallError> {
        self.progress.report(Stage::Storing, 100 * place / self.job.count);
        let key = self.job.image_key(self.job.lease.epoch, place);
        self.worker.results.keep((key, place), image).await
    }

    /// Takes what became of an image to where it belongs; why it is withheld, if it is.
    pub(super) fn take(&self, kept: Kept, images: &mut Vec<Delivered>) -> Option<CallError> {
        match kept {
            Kept::Delivered(image) => {
                images.push(image);
                None
            }
            Kept::Withheld { key, why } => {
                self.withheld.lock().unwrap_or_else(PoisonError::into_inner).push(key);
                Some(why)
            }
        }
    }

    /// The stored images that nobody may see, to be deleted once the outcome is settled.
    pub(super) fn withheld(&self) -> Vec<ObjectKey> {
        self.withheld.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The graver of what failed before and what failed now, if anything did.
pub(super) fn graver(earlier: Option<CallError>, later: Option<CallError>) -> Option<CallError> {
    match (earlier, later) {
        (Some(earlier), Some(later)) => Some(earlier.or_graver(later)),
        (earlier, later) => earlier.or(later),
    }
}
