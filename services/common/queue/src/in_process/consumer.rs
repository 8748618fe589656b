//! A consumer of one queue and the receipts of what it holds.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Span;

use super::backlog::{Backlog, Entry};
use crate::{
    delivery::{self, Delivery, Handover},
    trace,
};

pub(crate) struct Consumer {
    backlog: Arc<Backlog>,
    /// One permit for each delivery that may be unanswered.
    prefetch: Arc<Semaphore>,
}

impl Consumer {
    pub(super) fn new(backlog: Arc<Backlog>, prefetch: u16) -> Self {
        Self { backlog, prefetch: Arc::new(Semaphore::new(usize::from(prefetch))) }
    }

    pub(crate) async fn next(&mut self) -> Delivery {
        // The semaphore is never closed; without a permit there would only be no limit.
        let permit = Arc::clone(&self.prefetch).acquire_owned().await.ok();
        let mut entry = self.backlog.take().await;
        let handover = Handover {
            message: Arc::clone(&entry.message),
            queue: self.backlog.name(),
            attempt: entry.attempt,
            previous: entry.previous.take(),
        };
        Delivery::new(handover, |span| {
            delivery::Receipt::InProcess(Receipt {
                entry: Some(entry),
                backlog: Arc::clone(&self.backlog),
                span: span.clone(),
                _permit: permit,
            })
        })
    }
}

/// The queue's side of an unanswered delivery.
pub(crate) struct Receipt {
    entry: Option<Entry>,
    backlog: Arc<Backlog>,
    span: Span,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Receipt {
    pub(crate) fn ack(mut self) {
        if let Some(entry) = self.entry.take() {
            self.backlog.confirm(entry);
        }
    }

    pub(crate) fn retry(mut self, after: Duration, reason: &str) {
        if let Some(entry) = self.entry.take() {
            self.backlog.put_back_later(entry, trace::of(&self.span), after, reason);
        }
    }

    pub(crate) fn dead_letter(mut self, reason: &str) {
        if let Some(entry) = self.entry.take() {
            self.backlog.give_up(entry, reason.to_owned());
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.backlog.put_back(entry, trace::of(&self.span));
        }
    }
}
