//! Hints as they come, on a queue of one's own that vanishes with its listener.

use std::sync::Arc;

use futures::{StreamExt as _, stream::BoxStream};
use lapin::{
    Channel,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};

use super::{
    Rabbit,
    link::{LinkError, Patience},
    topology::insert,
};
use crate::{message::Hint, topology::HINTS_PER_LISTENER};

/// Hints on their way to a listener; those beyond wait in its queue, where the oldest give way.
const AHEAD: u16 = 64;

struct Listening {
    stream: lapin::Consumer,
    _channel: Channel,
}

/// Subscribes, or goes on trying in the stream if the broker is away.
pub(super) async fn listen<H: Hint>(rabbit: Arc<Rabbit>) -> BoxStream<'static, H> {
    let first = subscribe(&rabbit, H::NAME).await.ok();
    futures::stream::unfold((rabbit, first), |(rabbit, mut listening)| async move {
        let hint = next(&rabbit, &mut listening).await;
        Some((hint, (rabbit, listening)))
    })
    .boxed()
}

async fn next<H: Hint>(rabbit: &Rabbit, listening: &mut Option<Listening>) -> H {
    let mut patience = Patience::default();
    loop {
        let Some(open) = listening else {
            match subscribe(rabbit, H::NAME).await {
                Ok(open) => *listening = Some(open),
                Err(error) => patience.wait(H::NAME, error).await,
            }
            continue;
        };
        match open.stream.next().await {
            Some(Ok(delivery)) => {
                // A lost acknowledgement is a second hint at worst.
                if let Err(error) = delivery.acker.ack(BasicAckOptions::default()).await {
                    tracing::debug!(error = &error as &dyn std::error::Error, "acknowledgement lost");
                }
                if let Ok(hint) = H::decode(delivery.data.as_slice()) {
                    return hint;
                }
            }
            _ended => *listening = None,
        }
    }
}

async fn subscribe(rabbit: &Rabbit, hint: &'static str) -> Result<Listening, LinkError> {
    let channel = rabbit.consuming().channel().await?;
    rabbit.topology().declare_hints(&channel, hint).await?;
    let mut arguments = FieldTable::default();
    insert(&mut arguments, "x-max-length", HINTS_PER_LISTENER as i64);
    // Exclusive: of this connection, deleted with it. Auto-delete: also when only the listener goes.
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
    let queue = channel.queue_declare("".into(), options, arguments).await?.name().clone();
    let exchange = rabbit.topology().hints(hint);
    let none = FieldTable::default;
    let options = QueueBindOptions::default();
    channel.queue_bind(queue.clone(), exchange.as_str().into(), "".into(), options, none()).await?;
    channel.basic_qos(AHEAD, BasicQosOptions::default()).await?;
    let stream = channel.basic_consume(queue, "".into(), BasicConsumeOptions::default(), none()).await?;
    Ok(Listening { stream, _channel: channel })
}
