//! What a store may do wrong, in the order in which a test asks for it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::Method;

/// A way to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Answers 503 and does nothing.
    Unavailable,
    /// Does what it was asked, and answers 503.
    UnavailableAfterwards,
    /// Does what it was asked, and hangs up without an answer.
    HangsUpAfterwards,
    /// Never answers, and does nothing.
    Silent,
    /// Answers 200 and does nothing.
    LosesObject,
    /// Does what it was asked, and answers 200 with the ETag of other bytes.
    WrongETag,
    /// Answers that another conditional request is under way (409), and does nothing.
    Conflict,
    /// Overwrites what exists, whatever the condition says.
    IgnoresConditions,
    /// Answers that the credentials have expired (403).
    ExpiredCredentials,
}

/// Faults that have been asked for and did not happen yet.
#[derive(Default)]
pub(super) struct Faults {
    next: Mutex<VecDeque<(Method, Fault)>>,
}

impl Faults {
    pub(super) fn inject(&self, method: &Method, fault: Fault, times: usize) {
        self.lock().extend(std::iter::repeat_n((method.clone(), fault), times));
    }

    pub(super) fn take(&self, method: &Method) -> Option<Fault> {
        let mut next = self.lock();
        let place = next.iter().position(|(of, _)| of == method)?;
        next.remove(place).map(|(_, fault)| fault)
    }

    /// No code panics while it holds this lock; a poisoned one is whole.
    fn lock(&self) -> MutexGuard<'_, VecDeque<(Method, Fault)>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
