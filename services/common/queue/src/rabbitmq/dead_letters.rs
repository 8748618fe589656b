//! What was given up, for a person to look at.

use lapin::options::{BasicGetOptions, BasicNackOptions};

use super::{Rabbit, envelope, link::LinkError};
use crate::delivery::DeadLetter;

/// Letters that one look shows; more than that and counting matters, not reading.
const SHOWN: usize = 10_000;

/// Takes the letters one by one without acknowledging any, then returns them all, in their order. Who looks at
/// the same time sees the others' letters missing.
pub(super) async fn list(rabbit: &Rabbit) -> Result<Vec<DeadLetter>, LinkError> {
    let channel = rabbit.consuming().channel().await?;
    rabbit.topology().declare_dead_letters(&channel).await?;
    let queue = rabbit.topology().dead_letters();
    let mut letters = Vec::new();
    while letters.len() < SHOWN {
        let taken = channel.basic_get(queue.as_str().into(), BasicGetOptions::default()).await?;
        let Some(mut taken) = taken else { break };
        letters.push(envelope::open_dead(&mut taken.delivery, rabbit.topology()));
    }
    // Tag 0 with `multiple` is everything this channel holds.
    channel.basic_nack(0, BasicNackOptions { multiple: true, requeue: true }).await?;
    Ok(letters)
}
