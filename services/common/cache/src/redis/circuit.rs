//! Whether it is worth asking a server that failed lately.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Failures in a row after which a server counts as away: one late answer is no outage.
const TOLERATED: u32 = 3;
/// How long nobody asks a server that is away; then one caller tries.
const PAUSE: Duration = Duration::from_millis(250);

/// Closed while the server answers. A few failures in a row open it; from then on one call per pause goes through,
/// until one is answered.
#[derive(Default)]
pub(super) struct Circuit {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures: u32,
    /// Nobody asks before.
    shut_until: Option<Instant>,
}

impl Circuit {
    /// Whether this call may go through. A caller that does not come back takes nobody's turn but one.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let mut state = self.lock();
        match state.shut_until {
            Some(until) if now < until => false,
            Some(_) => {
                state.shut_until = Some(now + PAUSE);
                true
            }
            None => true,
        }
    }

    pub(super) fn answered(&self) {
        let mut state = self.lock();
        if state.shut_until.is_some() {
            tracing::info!("cache answers again");
        }
        *state = State::default();
    }

    /// Whether the server counts as away now.
    pub(super) fn failed(&self, now: Instant) -> bool {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        if state.failures < TOLERATED {
            return false;
        }
        if state.shut_until.is_none() {
            tracing::warn!("cache does not answer and is left alone for a while");
        }
        state.shut_until = Some(now + PAUSE);
        true
    }

    /// No code panics while it holds this lock; a poisoned one is whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(now: Instant) -> Circuit {
        let circuit = Circuit::default();
        for _ in 0..TOLERATED {
            assert!(circuit.admits(now));
            circuit.failed(now);
        }
        circuit
    }

    #[test]
    fn single_failures_between_answers_change_nothing() {
        let (circuit, now) = (Circuit::default(), Instant::now());
        for _ in 0..10 {
            circuit.failed(now);
            circuit.failed(now);
            circuit.answered();
        }
        assert!(circuit.admits(now));
    }

    #[test]
    fn a_server_that_is_away_is_asked_once_per_pause() {
        let now = Instant::now();
        let circuit = open(now);
        assert!(!circuit.admits(now));
        let later = now + PAUSE;
        let asked = (0..10).filter(|_| circuit.admits(later)).count();
        assert_eq!(asked, 1);
        circuit.failed(later);
        assert!(!circuit.admits(later + PAUSE / 2));
        assert!(circuit.admits(later + PAUSE));
    }

    #[test]
    fn one_answer_lets_everybody_in_again() {
        let now = Instant::now();
        let circuit = open(now);
        assert!(circuit.admits(now + PAUSE));
        circuit.answered();
        assert!((0..10).all(|_| circuit.admits(now + PAUSE)));
    }
}
