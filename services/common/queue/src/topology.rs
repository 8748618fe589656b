//! Every queue and every message that travels through one, with the reason of each property.

use std::time::Duration;

use imagioo_proto::{
    account::v1::AccountVerified,
    jobs::v1::{
        CancelUpstream, GenerationChanged, GenerationFinished, GenerationProgress, GenerationReady,
        GenerationSettled,
    },
};

use crate::message::{Event, Hint, Payload};

/// Deliveries of one message to one queue before it becomes a dead letter: a message that kills its consumer
/// must not do so for ever, and one that waits for a database must survive a longer outage (see the
/// consumer's backoff).
pub const DELIVERY_LIMIT: u32 = 20;

/// How long an offer may wait. Longer, and the dispatcher has returned the generation to its own queue, where
/// fair share is decided anew; an older offer could only start work twice.
pub const OFFER_LIFETIME: Duration = Duration::from_secs(60);

/// Offers that wait for one deployment. The dispatcher keeps far fewer; the bound is there for when it is
/// wrong, and refuses (instead of dropping the oldest) so that the producer knows.
pub const OFFERS_PER_DEPLOYMENT: usize = 10_000;

/// Hints a slow listener may be behind before it skips: enough for a burst, little enough to forget.
pub const HINTS_PER_LISTENER: usize = 1_024;

/// The gateway applies outcomes of attempts. Own queue: its consumers commit to the generation rows.
pub const GENERATION_FINISHED: &str = "gateway.generation-finished";

/// Billing captures and releases. Own queue: money neither waits for mail nor delays it.
pub const GENERATION_SETTLED: &str = "billing.generation-settled";

/// Billing grants the sign-up credits.
pub const ACCOUNT_VERIFIED: &str = "billing.account-verified";

/// The queue of a deployment's offers. One each: a slow provider delays its own work only.
#[must_use]
pub fn deployment_queue(deployment: &str) -> String {
    format!("deployment.{deployment}")
}

/// The deployment whose offers a queue holds, if that is what it does.
#[must_use]
pub fn deployment_of(queue: &str) -> Option<&str> {
    queue.strip_prefix("deployment.")
}

/// Names of the queues bound to a message, or nothing for a name that no queue is bound to.
#[must_use]
pub fn queues_of(message: &str) -> Option<&'static [&'static str]> {
    ROUTES.iter().find(|route| route.message == message).map(|route| route.queues)
}

/// Whether events are routed to a queue of this name.
#[must_use]
pub fn is_event_queue(name: &str) -> bool {
    ROUTES.iter().any(|route| route.queues.contains(&name))
}

struct Route {
    message: &'static str,
    queues: &'static [&'static str],
}

impl Route {
    const fn of<E: Event>() -> Self {
        Self { message: E::NAME, queues: E::QUEUES }
    }
}

const ROUTES: [Route; 3] =
    [Route::of::<GenerationFinished>(), Route::of::<GenerationSettled>(), Route::of::<AccountVerified>()];

impl Payload for GenerationFinished {
    const NAME: &'static str = "imagioo.jobs.v1.GenerationFinished";
}

impl Event for GenerationFinished {
    const QUEUES: &'static [&'static str] = &[GENERATION_FINISHED];
}

impl Payload for GenerationSettled {
    const NAME: &'static str = "imagioo.jobs.v1.GenerationSettled";
}

impl Event for GenerationSettled {
    const QUEUES: &'static [&'static str] = &[GENERATION_SETTLED];
}

impl Payload for AccountVerified {
    const NAME: &'static str = "imagioo.account.v1.AccountVerified";
}

impl Event for AccountVerified {
    const QUEUES: &'static [&'static str] = &[ACCOUNT_VERIFIED];
}

impl Payload for GenerationReady {
    const NAME: &'static str = "imagioo.jobs.v1.GenerationReady";
}

impl Payload for GenerationProgress {
    const NAME: &'static str = "imagioo.jobs.v1.GenerationProgress";
}

impl Hint for GenerationProgress {}

impl Payload for GenerationChanged {
    const NAME: &'static str = "imagioo.jobs.v1.GenerationChanged";
}

impl Hint for GenerationChanged {}

impl Payload for CancelUpstream {
    const NAME: &'static str = "imagioo.jobs.v1.CancelUpstream";
}

impl Hint for CancelUpstream {}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use prost::Message as _;

    use super::*;

    #[test]
    fn every_name_is_one_of_the_contracts() {
        let set = prost_types::FileDescriptorSet::decode(imagioo_proto::DESCRIPTOR_SET).unwrap();
        let known: HashSet<String> = set
            .file
            .iter()
            .flat_map(|file| {
                file.message_type.iter().map(|message| format!("{}.{}", file.package(), message.name()))
            })
            .collect();
        let transient =
            [GenerationReady::NAME, GenerationProgress::NAME, GenerationChanged::NAME, CancelUpstream::NAME];
        for name in ROUTES.iter().map(|route| route.message).chain(transient) {
            assert!(known.contains(name), "{name} is in no .proto file");
        }
    }

    #[test]
    fn every_event_has_a_queue() {
        assert!(ROUTES.iter().all(|route| !route.queues.is_empty()));
        assert_eq!(queues_of(GenerationSettled::NAME), Some(&[GENERATION_SETTLED][..]));
        assert_eq!(queues_of("imagioo.jobs.v1.Unheard"), None);
    }
}
