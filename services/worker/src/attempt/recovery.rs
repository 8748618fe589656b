//! Recovery of a call that an earlier epoch meant to make and of which nothing else is known.

use futures::future::join_all;

use super::calls::{Calls, Step};
use super::keeping::graver;
use crate::backoff::Backoff;
use crate::job::UnknownOutcome;
use crate::provider::{Call, CallError};
use crate::reason::Reason;
use crate::results::{Delivered, Kept};

impl Calls<'_> {
    /// What is left to do: in this order, keep what was stored, look the call up, repeat it where that is the same
    /// call, or apply the deployment's rule.
    ///
    /// # Errors
    /// A final failure when the call may have been paid for and must not be repeated.
    pub(super) async fn recover(&self, call: &Call, images: &mut Vec<Delivered>) -> Result<Step, CallError> {
        let kept = self.stored_before(call).await?;
        if !kept.is_empty() {
            // The call was answered, and the rest of its answer died with the worker.
            let mut failure = (kept.len() < call.count as usize).then(unknown);
            for kept in kept {
                let error = self.take(kept, images);
                failure = graver(failure, error);
            }
            return failure.map_or(Ok(Step::Kept), Err);
        }
        let can = self.provider.capabilities();
        if can.look_up
            && let Some(step) = self.look_up(call).await
        {
            return Ok(step);
        }
        match self.job.deployment.unknown_outcome {
            _ if can.idempotent => Ok(Step::Make),
            UnknownOutcome::Repeat => Ok(Step::Make),
            UnknownOutcome::Fail => Err(unknown()),
        }
    }

    /// After an interruption: keeps what earlier epochs stored and this one had not come to, and has the provider stop what
    /// they left running.
    pub(super) async fn wind_up(&self, images: &mut Vec<Delivered>) {
        if self.job.lease.epoch == 1 {
            return;
        }
        let mut running = Vec::new();
        for (number, call) in self.all() {
            let places = call.first..call.first + call.count;
            let is_its = |image: &Delivered| places.contains(&image.stored.index);
            if images.iter().any(is_its) {
                continue;
            }
            let kept = self.stored_before(&call).await.unwrap_or_else(|error| {
                tracing::warn!(error = &error as &dyn std::error::Error, "earlier results not found out");
                Vec::new()
            });
            if kept.is_empty() {
                running.extend(self.recorded(number).and_then(|recorded| recorded.task.as_ref()));
            }
            for kept in kept {
                // Why one is withheld is no reason any more: the generation ends otherwise.
                self.take(kept, images);
            }
        }
        join_all(running.into_iter().map(|task| self.cancel_task(task))).await;
    }

    /// Images of this call that earlier epochs stored, the latest epoch's first choice; screened again, because nobody
    /// knows how far they came.
    async fn stored_before(&self, call: &Call) -> Result<Vec<Kept>, CallError> {
        let mut kept = Vec::new();
        for place in call.first..call.first + call.count {
            for epoch in (1..self.job.lease.epoch).rev() {
                let found = self.worker.results.find(self.job.image_key(epoch, place), place).await?;
                if let Some(image) = found {
                    kept.push(image);
                    break;
                }
            }
        }
        Ok(kept)
    }

    /// What the provider says of the call; nothing when it cannot say.
    async fn look_up(&self, call: &Call) -> Option<Step> {
        let mut backoff = Backoff::short();
        loop {
            match self.provider.look_up(call).await {
                Ok(Some(task)) => return Some(Step::Resume(task)),
                Ok(None) => return Some(Step::Make),
                Err(error) if !backoff.wait().await => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "provider call not found out");
                    return None;
                }
                Err(_) => {}
            }
        }
    }
}

fn unknown() -> CallError {
    CallError::failed(Reason::ProviderOutcomeUnknown)
}
