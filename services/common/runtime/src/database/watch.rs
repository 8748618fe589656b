//! Whether the database answers, as the readiness of a service shows it.

use std::time::Duration;

use metrics::{Unit, describe_gauge, gauge};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::Shutdown;
use crate::ops::Gate;

const CONNECTIONS: &str = "imagioo_database_connections";
const LOOK: Duration = Duration::from_secs(1);
/// A server that is busy answers an empty question within this time.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Keeps `gate` open as long as the server of `pool` answers, until the shutdown is requested. It is asked on a
/// connection of its own: a pool that is busy is no outage. Also tells operators how full the pool is.
pub async fn watch(pool: PgPool, gate: Gate, shutdown: Shutdown) {
    describe_gauge!(CONNECTIONS, Unit::Count, "open connections, by pool and whether they are in use");
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut connection, mut answered) = (None, None);
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            _ = ticks.tick() => {}
        }
        note(&pool, gate.name());
        let answer = timeout(ANSWER_WITHIN, ask(&pool, connection.take())).await;
        connection = answer.ok().and_then(Result::ok);
        let answers = connection.is_some();
        if answered != Some(answers) {
            tell(answered, answers);
            gate.set(answers);
            answered = Some(answers);
        }
    }
}

async fn ask(pool: &PgPool, connection: Option<PgConnection>) -> Result<PgConnection, sqlx::Error> {
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
