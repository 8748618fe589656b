//! An open loop: what arrives does not wait for what came before it.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Calls `each` with 0, 1, 2 … at random moments, so many per second on average (a Poisson process), and returns what
/// all of them gave when the last has ended.
///
/// # Errors
/// The first that failed.
pub(crate) async fn arrive<T: Send + 'static, F>(
    per_second: f64,
    lasting: Duration,
    each: impl Fn(usize) -> F,
) -> anyhow::Result<Vec<T>>
where
    F: Future<Output = anyhow::Result<T>> + Send + 'static,
{
    let mut next = Instant::now();
    let deadline = next + lasting;
    let (mut under_way, mut number) = (JoinSet::new(), 0);
    loop {
        next += pause(per_second, rand::random());
        if next >= deadline {
            break;
        }
        sleep_until(next).await;
        under_way.spawn(each(number));
        number += 1;
    }
    let mut all = Vec::with_capacity(number);
    while let Some(ended) = under_way.join_next().await {
        all.push(ended??);
    }
    Ok(all)
}

/// The time between two arrivals that `chance` (0 to 1, evenly spread) stands for.
fn pause(per_second: f64, chance: f64) -> Duration {
    Duration::from_secs_f64(-(1.0 - chance).ln() / per_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_pauses_are_shorter_than_their_half_life() {
        assert_eq!(pause(1.0, 0.0), Duration::ZERO);
        assert_eq!(pause(10.0, 0.5).as_micros(), 69_314);
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_arrive_as_were_asked_for() {
        let slow = async |number| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(number)
        };
        let mut all = arrive(100.0, Duration::from_secs(20), slow).await.expect("none fails");
        all.sort_unstable();
        assert!((1_700..2_300).contains(&all.len()), "{}", all.len());
        assert!(all.iter().enumerate().all(|(place, number)| place == *number));
    }
}
