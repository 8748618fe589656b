//! Publishing: mandatory, persistent, confirmed, and never longer than the time-out.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lapin::{
    BasicProperties, Channel, Confirmation, Connection,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use tokio::{
    sync::{Mutex as AsyncMutex, Semaphore},
    time::timeout,
};

use super::{
    config::RabbitConfig,
    link::{Link, LinkError},
    topology::{Target, Topology},
};

/// Why a message is not published.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// No queue is bound; the broker gave the message back.
    #[error("no queue is bound")]
    Unroutable,
    /// The broker said no: a queue is full, or cannot store.
    #[error("the broker refused the message")]
    Refused,
    /// Nobody knows whether the broker has it.
    #[error("the broker did not confirm in time")]
    Unconfirmed,
    /// The broker asks publishers to wait: it runs out of memory or disk.
    #[error("the broker is blocked by an alarm")]
    Blocked,
    /// The broker cannot be reached, or broke the channel.
    #[error("the broker is not available")]
    Unavailable(#[source] LinkError),
}

pub(super) struct Publisher {
    link: Link,
    topology: Topology,
    timeout: Duration,
    /// One permit for each publish that may wait for its confirm.
    in_flight: Semaphore,
    session: AsyncMutex<Option<Arc<Session>>>,
}

/// What lives as long as one connection.
struct Session {
    connection: Arc<Connection>,
    /// Channels without an unconfirmed publish. A publish has a channel to itself: the client library hands
    /// a returned message to whichever confirm of its channel comes next, and with several under way that
    /// may be another one's.
    idle: Mutex<Vec<Channel>>,
    hints: AsyncMutex<Option<Hints>>,
    /// What this connection knows to be there.
    declared: AsyncMutex<HashSet<Target>>,
}

/// Where hints go: one channel without confirms, and the kinds it knows the exchange of.
struct Hints {
    channel: Channel,
    declared: HashSet<&'static str>,
}

impl Publisher {
    pub(super) fn new(link: Link, config: &RabbitConfig) -> Self {
        Self {
            link,
            topology: Topology::new(config),
            timeout: config.publish_timeout(),
            in_flight: Semaphore::new(usize::from(config.in_flight)),
            session: AsyncMutex::default(),
        }
    }

    pub(super) const fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Returns when the broker has the message on a majority of its disks. Dropping the call closes its
    /// channel, nothing else.
    pub(super) async fn publish(
        &self,
        target: &Target,
        properties: BasicProperties,
        body: &[u8],
    ) -> Result<(), Refusal> {
        let publish = async {
            // Never closed; without a permit there would only be no limit.
            let _permit = self.in_flight.acquire().await.ok();
            let session = self.session().await.map_err(Refusal::Unavailable)?;
            session.publish(&self.topology, target, properties, body).await
        };
        timeout(self.timeout, publish).await.unwrap_or(Err(Refusal::Unconfirmed))
    }

    /// Sends a hint to whoever listens. It may be lost.
    pub(super) async fn hint(&self, name: &'static str, body: &[u8]) -> Result<(), LinkError> {
        let session = self.session().await?;
        if session.connection.status().blocked() {
            // The broker reads nothing more from us; what we sent would pile up here.
            return Ok(());
        }
        let channel = session.hints(&self.topology, name).await?;
        let exchange = self.topology.hints(name);
        let options = BasicPublishOptions::default();
        let properties = super::envelope::transient();
        channel.basic_publish(exchange.as_str().into(), "".into(), options, body, properties).await?;
        Ok(())
    }

    async fn session(&self) -> Result<Arc<Session>, LinkError> {
        let mut present = self.session.lock().await;
        if let Some(session) = present.as_ref().filter(|session| session.connection.status().connected()) {
            return Ok(Arc::clone(session));
        }
        *present = None;
        let session = Arc::new(Session::new(self.link.connection().await?));
        *present = Some(Arc::clone(&session));
        Ok(session)
    }
}

impl Session {
    fn new(connection: Arc<Connection>) -> Self {
        Self {
            connection,
            idle: Mutex::default(),
            hints: AsyncMutex::default(),
            declared: AsyncMutex::default(),
        }
    }

    async fn publish(
        &self,
        topology: &Topology,
        target: &Target,
        properties: BasicProperties,
        body: &[u8],
    ) -> Result<(), Refusal> {
        if self.connection.status().blocked() {
            return Err(Refusal::Blocked);
        }
        self.ensure(topology, target).await.map_err(unavailable)?;
        let channel = self.channel().await.map_err(unavailable)?;
        let (exchange, key) = topology.address(target);
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let (exchange, key) = (exchange.as_str().into(), key.as_str().into());
        let sent = channel.basic_publish(exchange, key, options, body, properties).await;
        let confirmation = match sent {
            Ok(confirm) => confirm.await.map_err(|error| {
                tracing::debug!(error = &error as &dyn std::error::Error, "confirm lost");
                Refusal::Unconfirmed
            })?,
            Err(error) => return Err(unavailable(error)),
        };
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(channel);
        match confirmation {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => {
                // Whoever deleted the queue may not have meant to: the next publish declares it again.
                self.declared.lock().await.remove(&generic(target));
                Err(Refusal::Unroutable)
            }
            Confirmation::Nack(None) => Err(Refusal::Refused),
            Confirmation::NotRequested => Err(Refusal::Unconfirmed),
        }
    }

    /// A channel on which nothing is under way.
    async fn channel(&self) -> lapin::Result<Channel> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match idle {
                Some(channel) if channel.status().connected() => return Ok(channel),
                Some(_closed) => {}
                None => break,
            }
        }
        let channel = self.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(channel)
    }

    async fn hints(&self, topology: &Topology, name: &'static str) -> lapin::Result<Channel> {
        let mut present = self.hints.lock().await;
        let hints = match present.take().filter(|hints| hints.channel.status().connected()) {
            Some(hints) => present.insert(hints),
            None => {
                let channel = self.connection.create_channel().await?;
                present.insert(Hints { channel, declared: HashSet::new() })
            }
        };
        if !hints.declared.contains(name) {
            topology.declare_hints(&hints.channel, name).await?;
            hints.declared.insert(name);
        }
        Ok(hints.channel.clone())
    }

    /// Declares what the target needs, once for each connection. On a channel of its own, because a refused
    /// declaration closes it.
    async fn ensure(&self, topology: &Topology, target: &Target) -> lapin::Result<()> {
        let mut declared = self.declared.lock().await;
        let target = generic(target);
        if !declared.contains(&target) {
            let channel = self.connection.create_channel().await?;
            topology.declare(&channel, &target).await?;
            declared.insert(target);
        }
        Ok(())
    }
}

/// One delay class serves every queue.
fn generic(target: &Target) -> Target {
    match target {
        Target::Delayed { class, .. } => Target::Delayed { queue: String::new(), class: *class },
        other => other.clone(),
    }
}

fn unavailable(error: lapin::Error) -> Refusal {
    Refusal::Unavailable(error.into())
}
