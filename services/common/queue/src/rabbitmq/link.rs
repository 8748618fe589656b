//! One connection that is made anew when it is lost.

use std::{error::Error, sync::Arc, time::Duration};

use lapin::{Channel, Connection, ConnectionProperties, tcp::OwnedTLSConfig, uri::AMQPUri};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout},
};

/// How long connecting may take, the handshake included.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Shortest and longest pause after a failed attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("RabbitMQ does not answer in time")]
    Late,
    #[error("RabbitMQ was not reached a moment ago, the next attempt is due in {0:?}")]
    Pausing(Duration),
    #[error("RabbitMQ refuses to work with us")]
    Broker(#[from] lapin::Error),
}

impl LinkError {
    /// As logs take it.
    pub(super) fn as_error(&self) -> &(dyn Error + 'static) {
        self
    }
}

/// The pauses of one subscriber that tries until it works.
#[derive(Default)]
pub(super) struct Patience {
    failures: u32,
}

impl Patience {
    /// Waits before `what` is tried again; longer after each failure of its own.
    pub(super) async fn wait(&mut self, what: &str, error: LinkError) {
        let wait = match error {
            LinkError::Pausing(wait) => wait,
            LinkError::Late | LinkError::Broker(_) => {
                let wait = pause(self.failures);
                self.failures = self.failures.saturating_add(1);
                tracing::warn!(what, error = error.as_error(), ?wait, "not subscribed to RabbitMQ");
                wait
            }
        };
        sleep(wait.max(Duration::from_millis(1))).await;
    }
}

/// What everyone who uses one connection shares.
pub(super) struct Link {
    address: AMQPUri,
    name: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<Arc<Connection>>,
    failures: u32,
    not_before: Option<Instant>,
}

impl Link {
    /// `name` is what operators see in the broker's list of connections.
    pub(super) fn new(address: AMQPUri, name: String) -> Self {
        Self { address, name, state: Mutex::default() }
    }

    /// The present connection, or a new one. After a failure it fails at once until a pause is over, so that a
    /// thousand callers make one attempt.
    pub(super) async fn connection(&self) -> Result<Arc<Connection>, LinkError> {
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection
            && connection.status().connected()
        {
            return Ok(Arc::clone(connection));
        }
        state.connection = None;
        if let Some(due) = state.not_before.filter(|due| *due > Instant::now()) {
            return Err(LinkError::Pausing(due - Instant::now()));
        }
        match self.connect().await {
            Ok(connection) => {
                tracing::info!(connection = self.name, "connected to RabbitMQ");
                let connection = Arc::new(connection);
                *state = State { connection: Some(Arc::clone(&connection)), ..State::default() };
                Ok(connection)
            }
            Err(error) => {
                let pause = pause(state.failures);
                state.failures = state.failures.saturating_add(1);
                state.not_before = Some(Instant::now() + pause);
                let cause = error.as_error();
                tracing::warn!(connection = self.name, error = cause, ?pause, "no connection to RabbitMQ");
                Err(error)
            }
        }
    }

    /// A new channel on the connection.
    pub(super) async fn channel(&self) -> Result<Channel, LinkError> {
        Ok(self.connection().await?.create_channel().await?)
    }

    async fn connect(&self) -> Result<Connection, LinkError> {
        let properties = ConnectionProperties::default().with_connection_name(self.name.as_str().into());
        let runtime = lapin::runtime::default_runtime()?;
        let (address, tls) = (self.address.clone(), OwnedTLSConfig::default());
        let connecting = Connection::connect_uri_with_config(address, properties, tls, runtime);
        Ok(timeout(CONNECT_WITHIN, connecting).await.map_err(|_| LinkError::Late)??)
    }
}

/// Doubles with each failure, between half and all of it at random, so that a hundred services do not return
/// to a broker in step.
fn pause(failures: u32) -> Duration {
    let full = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
    full.mul_f64(rand::random_range(0.5..=1.0))
}
