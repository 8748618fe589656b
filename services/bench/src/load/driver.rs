//! Closed loops: each client submits again as soon as it was answered.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

/// Somebody who submits.
pub(crate) trait Submit: Send + 'static {
    /// Submits once, and returns when the submit is durable.
    fn submit(&mut self) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// What clients saw.
#[derive(Debug)]
pub(crate) struct Load {
    /// Of every submit, ascending.
    pub(crate) latencies: Vec<Duration>,
    /// From the first submit to the last answer.
    pub(crate) took: Duration,
}

impl Load {
    /// Submits per second.
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }
}

/// Runs every client until the time is over, and gives them back for the next loop.
///
/// # Errors
/// The first submit that failed.
pub(crate) async fn drive<S: Submit>(clients: Vec<S>, lasting: Duration) -> anyhow::Result<(Vec<S>, Load)> {
    let started = Instant::now();
    let deadline = started + lasting;
    let mut running = JoinSet::new();
    for mut client in clients {
        running.spawn(async move {
            let mut latencies = Vec::new();
            while Instant::now() < deadline {
                let asked = Instant::now();
                client.submit().await?;
                latencies.push(asked.elapsed());
            }
            anyhow::Ok((client, latencies))
        });
    }
    let (mut clients, mut latencies) = (Vec::new(), Vec::new());
    while let Some(ended) = running.join_next().await {
        let (client, seen) = ended??;
        clients.push(client);
        latencies.extend(seen);
    }
    latencies.sort_unstable();
    Ok((clients, Load { latencies, took: started.elapsed() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Patient;

    impl Submit for Patient {
        async fn submit(&mut self) -> anyhow::Result<()> {
            tokio::time::advance(Duration::from_millis(10)).await;
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_submits_until_the_time_is_over() {
        let (clients, load) = drive(vec![Patient], Duration::from_millis(95)).await.expect("no failure");
        assert_eq!((clients.len(), load.latencies.len()), (1, 10));
        assert!((load.per_second() - 100.0).abs() < 1.0);
    }
}
