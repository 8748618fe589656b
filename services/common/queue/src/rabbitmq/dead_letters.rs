//! What was given up, for a person to look at, to put back and to forget.

use lapin::{
    Channel,
    options::{BasicAckOptions, BasicGetOptions, BasicNackOptions},
};

use super::{
    Rabbit, envelope,
    link::LinkError,
    publisher::Refusal,
    topology::{Consumed, Target},
};
use crate::{
    dead_letter::{DeadLetter, Selection},
    error::QueueError,
};

/// Letters that one look takes; more than that and counting matters, not reading.
const TAKEN: usize = 10_000;

/// Letters in our hands. They are taken one by one without an acknowledgement, and go back in their order when the
/// channel is told so, or closes.
struct Taken {
    channel: Channel,
    letters: Vec<(u64, DeadLetter)>,
}

/// What there is. Nothing is taken away.
pub(super) async fn list(rabbit: &Rabbit) -> Result<Vec<DeadLetter>, QueueError> {
    let taken = take(rabbit).await.map_err(unavailable)?;
    let letters = taken.letters.iter().map(|(_, letter)| letter.clone()).collect();
    taken.give_back().await.map_err(unavailable)?;
    Ok(letters)
}

/// Each is in its old queue, confirmed, before it is acknowledged here.
pub(super) async fn replay(rabbit: &Rabbit, selection: &Selection) -> Result<Vec<DeadLetter>, QueueError> {
    let taken = take(rabbit).await.map_err(unavailable)?;
    let mut replayed = Vec::new();
    let mut outcome = Ok(());
    for (tag, letter) in taken.letters.iter().filter(|(_, letter)| selection.takes(letter)) {
        outcome = put_back(rabbit, letter).await;
        if outcome.is_err() {
            break;
        }
        fail::fail_point!("queue.replay.before_ack");
        taken
            .channel
            .basic_ack(*tag, BasicAckOptions::default())
            .await
            .map_err(|error| unavailable(error.into()))?;
        replayed.push(letter.clone());
    }
    taken.give_back().await.map_err(unavailable)?;
    outcome.map(|()| replayed)
}

pub(super) async fn forget(rabbit: &Rabbit, selection: &Selection) -> Result<Vec<DeadLetter>, QueueError> {
    let taken = take(rabbit).await.map_err(unavailable)?;
    let mut forgotten = Vec::new();
    for (tag, letter) in taken.letters.iter().filter(|(_, letter)| selection.takes(letter)) {
        taken
            .channel
            .basic_ack(*tag, BasicAckOptions::default())
            .await
            .map_err(|error| unavailable(error.into()))?;
        forgotten.push(letter.clone());
    }
    taken.give_back().await.map_err(unavailable)?;
    Ok(forgotten)
}

async fn take(rabbit: &Rabbit) -> Result<Taken, LinkError> {
    let channel = rabbit.consuming().channel().await?;
    rabbit.topology().declare_dead_letters(&channel).await?;
    let queue = rabbit.topology().dead_letters();
    let mut letters = Vec::new();
    while letters.len() < TAKEN {
        let taken = channel.basic_get(queue.as_str().into(), BasicGetOptions::default()).await?;
        let Some(mut taken) = taken else { break };
        let tag = taken.delivery.delivery_tag;
        letters.push((tag, envelope::open_dead(&mut taken.delivery, rabbit.topology())));
    }
    Ok(Taken { channel, letters })
}

impl Taken {
    /// Returns whatever was not acknowledged.
    async fn give_back(self) -> Result<(), LinkError> {
        // Tag 0 with `multiple` is everything this channel holds.
        self.channel.basic_nack(0, BasicNackOptions { multiple: true, requeue: true }).await?;
        Ok(())
    }
}

async fn put_back(rabbit: &Rabbit, letter: &DeadLetter) -> Result<(), QueueError> {
    let queue = Consumed::named(&letter.queue)
        .ok_or_else(|| QueueError::UnknownQueue { name: letter.queue.clone() })?;
    let properties = envelope::first(&letter.message);
    let published = rabbit.publisher().publish(&Target::Queue(queue), properties, &letter.message.body).await;
    published.map_err(|refusal: Refusal| QueueError::Unavailable { source: Box::new(refusal) })
}

fn unavailable(error: LinkError) -> QueueError {
    QueueError::Unavailable { source: Box::new(error) }
}
