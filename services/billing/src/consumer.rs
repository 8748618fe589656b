//! Messages in, one use case each, a decision out.

use std::time::Duration;

use fail::fail_point;
use imagioo_proto::account::v1::AccountVerified;
use imagioo_proto::jobs::v1::GenerationSettled;
use imagioo_queue::{Decision, Queue, QueueError, Subscription, topology};
use imagioo_runtime::Shutdown;
use imagioo_types::{Credits, GenerationId, InvalidName, UserId};

use crate::bookkeeper::Bookkeeper;
use crate::config::{ConsumersConfig, RegistrationConfig};
use crate::error::BillingError;
use crate::{registration, settlement};

/// How long a message waits at least when the ledger is not reachable.
const UNREACHABLE: Duration = Duration::from_secs(1);

/// Consumes both of billing's queues until the shutdown.
///
/// # Errors
/// [`QueueError`] when a subscription is refused.
pub(crate) async fn start(
    queue: &Queue,
    bookkeeper: &Bookkeeper,
    (registration, consumers): (RegistrationConfig, ConsumersConfig),
    shutdown: &Shutdown,
) -> Result<(), QueueError> {
    let concurrency = usize::from(consumers.concurrency);
    let subscribe = |name| queue.consume(Subscription::queue(name, consumers.concurrency));

    let deliveries = subscribe(topology::GENERATION_SETTLED).await?;
    let keeper = bookkeeper.clone();
    let work = imagioo_queue::run(deliveries, concurrency, shutdown.clone(), move |message| {
        let keeper = keeper.clone();
        async move { settled(&keeper, message.payload).await }
    });
    shutdown.spawn("consume generation-settled", work);

    let deliveries = subscribe(topology::ACCOUNT_VERIFIED).await?;
    let keeper = bookkeeper.clone();
    let work = imagioo_queue::run(deliveries, concurrency, shutdown.clone(), move |message| {
        let keeper = keeper.clone();
        async move { verified(&keeper, registration, message.payload).await }
    });
    shutdown.spawn("consume account-verified", work);
    Ok(())
}

struct Settlement {
    owner: UserId,
    generation: GenerationId,
    charge: Credits,
}

/// A message that says something impossible.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error("a name is malformed")]
    Name(#[from] InvalidName),
    #[error("the charge is negative")]
    Charge,
}

impl TryFrom<GenerationSettled> for Settlement {
    type Error = Unreadable;

    fn try_from(message: GenerationSettled) -> Result<Self, Unreadable> {
        if message.charge < 0 {
            return Err(Unreadable::Charge);
        }
        Ok(Self {
            owner: UserId::from_name(&message.owner)?,
            generation: GenerationId::from_name(&message.generation)?,
            charge: Credits::new(message.charge),
        })
    }
}

async fn settled(bookkeeper: &Bookkeeper, message: GenerationSettled) -> Decision {
    match Settlement::try_from(message) {
        Ok(Settlement { owner, generation, charge }) => {
            fail_point!("billing.settle.before");
            let settled = settlement::settle(bookkeeper, owner, generation, charge).await;
            fail_point!("billing.settle.before_ack");
            decide(settled)
        }
        Err(error) => unreadable(&error),
    }
}

async fn verified(bookkeeper: &Bookkeeper, config: RegistrationConfig, message: AccountVerified) -> Decision {
    match UserId::from_name(&message.user) {
        Ok(user) => decide(registration::grant(bookkeeper, &config, user).await),
        Err(error) => unreadable(&error.into()),
    }
}

fn decide(outcome: Result<(), BillingError>) -> Decision {
    match outcome {
        Ok(()) => Decision::Done,
        Err(BillingError::Refused(refusal)) => {
            tracing::error!(error = &refusal as &dyn std::error::Error, "message contradicts the ledger");
            Decision::GiveUp { reason: format!("the ledger refused: {refusal}") }
        }
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "ledger not reachable, message waits");
            Decision::Retry { after: UNREACHABLE }
        }
    }
}

fn unreadable(error: &Unreadable) -> Decision {
    tracing::error!(error = error as &dyn std::error::Error, "message cannot be read");
    Decision::GiveUp { reason: error.to_string() }
}
