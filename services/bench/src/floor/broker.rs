//! The floor's queue. The client library is used directly here and nowhere else outside of `imagioo-queue`: what is
//! measured is the broker's least cost, without that crate's work.

use anyhow::{Context as _, ensure};
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

const QUEUE: &str = "bench-floor";
/// Survives a broker's restart.
const PERSISTENT: u8 = 2;

/// One connection, and the queue.
pub(super) struct Broker {
    connection: Connection,
    channel: Channel,
}

/// One client's channel, on which one publish is under way at most.
pub(super) struct Publisher(Channel);

impl Broker {
    pub(super) async fn connect(url: &SecretString) -> anyhow::Result<Self> {
        let connection = Connection::connect(url.expose_secret(), ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        channel.queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), arguments).await?;
        Ok(Self { connection, channel })
    }

    pub(super) async fn publisher(&self) -> anyhow::Result<Publisher> {
        let channel = self.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Publisher(channel))
    }

    pub(super) async fn purge(&self) -> anyhow::Result<()> {
        self.channel.queue_purge(QUEUE.into(), QueuePurgeOptions::default()).await?;
        Ok(())
    }
}

impl Publisher {
    /// Returns when the broker has the message on disk.
    pub(super) async fn publish(&self, job: Uuid) -> anyhow::Result<()> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
        let confirm =
            self.0.basic_publish("".into(), QUEUE.into(), options, job.as_bytes(), properties).await?;
        ensure!(matches!(confirm.await?, Confirmation::Ack(None)), "the floor's message was not confirmed");
        Ok(())
    }
}

/// Bytes of the first message that waits in a queue: its body, and the texts of its properties and headers. It stays there.
pub(crate) async fn message_bytes(url: &SecretString, queue: &str) -> anyhow::Result<usize> {
    let connection = Connection::connect(url.expose_secret(), ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let message = channel.basic_get(queue.into(), BasicGetOptions::default()).await?;
    let delivery = message.with_context(|| format!("{queue} is empty"))?.delivery;
    let properties = &delivery.properties;
    let texts =
        [properties.message_id(), properties.kind(), properties.content_type(), properties.correlation_id()];
    let texts: usize = texts.into_iter().flatten().map(|text| text.as_str().len()).sum();
    let headers = properties.headers().as_ref().into_iter().flat_map(|headers| headers.inner());
    let headers: usize = headers.map(|(name, value)| name.as_str().len() + size(value)).sum();
    // Unacknowledged, it goes back to its place.
    connection.close(200, "seen".into()).await?;
    Ok(delivery.data.len() + texts + headers)
}

fn size(value: &AMQPValue) -> usize {
    match value {
        AMQPValue::LongString(text) => text.as_bytes().len(),
        AMQPValue::ShortString(text) => text.as_str().len(),
        _ => size_of::<u64>(),
    }
}
