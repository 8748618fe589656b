//! How many retries may be dispatched: so many a second and deployment, whatever fails.

use std::collections::HashMap;

use tokio::time::Instant;

/// The budgets of every deployment.
#[derive(Debug)]
pub(super) struct Budgets {
    per_second: f64,
    left: HashMap<String, Budget>,
}

#[derive(Debug)]
struct Budget {
    retries: f64,
    at: Instant,
}

impl Budgets {
    /// Budgets of so many retries a second, each with one second's worth at hand.
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second: f64::from(per_second), left: HashMap::new() }
    }

    /// Retries that may be dispatched to a deployment now.
    #[expect(clippy::cast_possible_truncation, reason = "at most one second's worth")]
    pub(super) fn left(&mut self, deployment: &str) -> i64 {
        let (now, full) = (Instant::now(), self.per_second);
        let fresh = || Budget { retries: full, at: now };
        let budget = self.left.entry(deployment.to_owned()).or_insert_with(fresh);
        let earned = now.duration_since(budget.at).as_secs_f64() * full;
        *budget = Budget { retries: (budget.retries + earned).min(full), at: now };
        budget.retries as i64
    }

    /// Counts retries that were dispatched.
    pub(super) fn spend(&mut self, deployment: &str, retries: usize) {
        if let Some(budget) = self.left.get_mut(deployment) {
            budget.retries -= retries as f64;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_spent_comes_back_with_time_and_never_more() {
        let mut budgets = Budgets::new(4);
        assert_eq!(budgets.left("a"), 4);
        budgets.spend("a", 4);
        assert_eq!((budgets.left("a"), budgets.left("b")), (0, 4));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(budgets.left("a"), 2);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(budgets.left("a"), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn r45_a_thousand_retries_leave_at_the_rate_of_the_budget() {
        let (mut budgets, begun, mut waiting) = (Budgets::new(20), Instant::now(), 1_000);
        let mut seconds: HashMap<u64, i64> = HashMap::new();
        while waiting > 0 {
            let leaving = budgets.left("a").min(waiting);
            budgets.spend("a", usize::try_from(leaving).expect("a count"));
            waiting -= leaving;
            *seconds.entry(begun.elapsed().as_secs()).or_default() += leaving;
            tokio::time::advance(Duration::from_millis(250)).await;
        }
        // One second's worth was at hand.
        assert!(
            seconds.iter().all(|(second, left)| *left <= if *second == 0 { 40 } else { 20 }),
            "{seconds:?}"
        );
        assert_eq!(seconds.len(), 50, "{seconds:?}");
    }
}
