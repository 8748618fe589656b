//! Whether the database answers, as the readiness of a service shows it.

use std::time::Duration;

use metrics::{Unit, describe_gauge, gauge};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::cut::cut;
use crate::Shutdown;
use crate::ops::Gate;

const CONNECTIONS: &str = "imagioo_database_connections";
const LOOK: Duration = Duration::from_secs(1);
/// A server that is busy answers an empty question within this time.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// One that does not within this time will not: whatever waits for it is cut off.
const SILENCE: Duration = Duration::from_secs(10);

/// Keeps `gate` open as long as the server of `pool` answers, until the shutdown is requested. It is asked on a
/// connection of its own: a pool that is busy is no outage. Also tells operators how full the pool is.
pub async fn watch(pool: PgPool, gate: Gate, shutdown: Shutdown) {
    describe_gauge!(CONNECTIONS, Unit::Count, "open connections, by pool and whether they are in use");
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watch = Watch { pool, gate, connection: None, answered: None };
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            _ = ticks.tick() => {}
        }
        tokio::select! {
            () = shutdown.requested() => return,
            () = watch.look() => {}
        }
    }
}

struct Watch {
    pool: PgPool,
    gate: Gate,
    connection: Option<PgConnection>,
    answered: Option<bool>,
}

impl Watch {
    async fn look(&mut self) {
        note(&self.pool, self.gate.name());
        let asking = ask(self.pool.clone(), self.connection.take());
        tokio::pin!(asking);
        if let Ok(answer) = timeout(ANSWER_WITHIN, &mut asking).await {
            self.connection = answer.ok();
            return self.tell(self.connection.is_some());
        }
        self.tell(false);
        match timeout(SILENCE - ANSWER_WITHIN, asking).await {
            Ok(answer) => self.connection = answer.ok(),
            Err(_) => {
                let connections = cut(&self.pool).await;
                tracing::warn!(connections, after = ?SILENCE, "the database is silent, its connections are cut");
            }
        }
    }

    fn tell(&mut self, answers: bool) {
        if self.answered != Some(answers) {
            tell(self.answered, answers);
            self.gate.set(answers);
            self.answered = Some(answers);
        }
    }
}

async fn ask(pool: PgPool, connection: Option<PgConnection>) -> Result<PgConnection, sqlx::Error> {
    let mut connection = match connection {
        Some(connection) => connection,
        None => PgConnection::connect_with(&pool.connect_options()).await?,
    };
    connection.ping().await?;
    Ok(connection)
}

fn tell(before: Option<bool>, answers: bool) {
    match (before, answers) {
        (_, false) => tracing::warn!("the database does not answer, this process is not ready"),
        (Some(false), true) => tracing::info!("the database answers again"),
        (_, true) => {}
    }
}

fn note(pool: &PgPool, name: &'static str) {
    let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
    let used = pool.size().saturating_sub(idle);
    gauge!(CONNECTIONS, "pool" => name, "state" => "idle").set(idle);
    gauge!(CONNECTIONS, "pool" => name, "state" => "used").set(used);
}
