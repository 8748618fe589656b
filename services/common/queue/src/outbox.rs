//! From a table into the queue: what a transaction left in its outbox is published until it is confirmed.

use std::{collections::HashSet, sync::Arc, time::Duration};

use fail::fail_point;
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use imagioo_runtime::Shutdown;
use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    error::{BoxError, PublishError},
    instruments,
    message::Message,
    queue::Queue,
};

/// How often the table is looked at when nobody calls.
const POLL: Duration = Duration::from_secs(1);
/// How often its rows are counted, for operators.
const COUNT: Duration = Duration::from_secs(5);
/// Rows taken by one claim.
const BATCH: usize = 200;
/// Rows whose publish is not confirmed yet; more are not claimed.
const IN_FLIGHT: usize = 1_000;
/// How long confirms are waited for after the shutdown is requested. A confirm takes milliseconds unless it
/// waits for a consumer that is gone by then; its row stays and is published at the next start.
const LAST_CONFIRMS: Duration = Duration::from_secs(2);

/// Seconds for which a row is claimed: longer than a publish takes, and as long as the rows of a killed relay wait.
pub const CLAIM_SECONDS: f64 = 15.0;

/// One row of an outbox.
#[derive(Debug, Clone)]
pub struct OutboxRow {
    /// Its key in the table.
    pub id: i64,
    /// What to publish.
    pub message: Message,
}

/// The outbox of one service.
pub trait OutboxSource: Send + Sync + 'static {
    /// The table, as operators know it.
    const TABLE: &'static str;

    /// Claims up to `limit` rows, oldest first, for [`CLAIM_SECONDS`] and for this caller alone; a row whose claim has
    /// lapsed is claimed again.
    fn claim(&self, limit: i64) -> impl Future<Output = Result<Vec<OutboxRow>, BoxError>> + Send;

    /// Forgets rows that are published. Rows that are gone already are no error.
    fn confirm(&self, ids: &[i64]) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// How many rows there are, claimed ones included.
    fn size(&self) -> impl Future<Output = Result<i64, BoxError>> + Send;
}

/// Publishes what is in the outbox, until the shutdown is requested: whenever `wake` is notified (after a
/// commit) and every second. A row is forgotten only after its confirm, so everything is published at least
/// once.
pub async fn relay(source: impl OutboxSource, queue: Queue, wake: Arc<Notify>, shutdown: Shutdown) {
    let mut relay = Relay::new(source, queue);
    let (mut poll, mut count) = (interval(POLL), interval(COUNT));
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    count.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shutdown.requested() => break,
            Some(publish) = relay.publishes.next() => {
                relay.collect(publish);
                relay.confirm().await;
                if relay.more_waits {
                    relay.claim(&shutdown).await;
                }
            }
            () = wake.notified() => relay.claim(&shutdown).await,
            _ = poll.tick() => {
                relay.confirm().await;
                relay.claim(&shutdown).await;
            }
            _ = count.tick() => relay.count().await,
        }
    }
    tokio::select! {
        () = relay.finish() => {}
        () = shutdown.forced() => {}
    }
}

struct Relay<S> {
    source: S,
    queue: Queue,
    publishes: FuturesUnordered<BoxFuture<'static, Publish>>,
    /// Rows claimed and not yet forgotten, so that a lapsed claim does not publish them beside themselves.
    rows: HashSet<i64>,
    /// Rows published and not yet forgotten.
    published: Vec<i64>,
    /// Whether the last claim ended because enough was in flight.
    more_waits: bool,
}

struct Publish {
    row: i64,
    result: Result<(), PublishError>,
}

impl<S: OutboxSource> Relay<S> {
    fn new(source: S, queue: Queue) -> Self {
        Self {
            source,
            queue,
            publishes: FuturesUnordered::new(),
            rows: HashSet::new(),
            published: Vec::new(),
            more_waits: false,
        }
    }

    /// Claims until the table is empty or enough is in flight.
    async fn claim(&mut self, shutdown: &Shutdown) {
        while !shutdown.is_requested() {
            let limit = IN_FLIGHT.saturating_sub(self.rows.len()).min(BATCH);
            self.more_waits = limit == 0;
            if self.more_waits {
                return;
            }
            let claimed = tokio::select! {
                claimed = claim(&self.source, limit) => claimed,
                () = shutdown.requested() => return,
            };
            let rows = match claimed {
                Ok(rows) => rows,
                Err(error) => return failed("claim", &*error),
            };
            let last = rows.len() < limit;
            rows.into_iter().for_each(|row| self.publish(row));
            if last {
                return;
            }
        }
    }

    fn publish(&mut self, row: OutboxRow) {
        if !self.rows.insert(row.id) {
            return;
        }
        let queue = self.queue.clone();
        let publish = async move {
            fail_point!("relay.publish.before");
            let result = queue.publish(row.message).await;
            fail_point!("relay.publish.after");
            Publish { row: row.id, result }
        };
        self.publishes.push(publish.boxed());
    }

    /// Notes one finished publish and every other that is finished, too.
    fn collect(&mut self, first: Publish) {
        let mut next = Some(first);
        while let Some(publish) = next {
            match publish.result {
                Ok(()) => self.published.push(publish.row),
                Err(error) => {
                    // The row's claim lapses, then it is published again.
                    self.rows.remove(&publish.row);
                    failed("publish", &error);
                }
            }
            next = self.publishes.next().now_or_never().flatten();
        }
    }

    /// Forgets what is published; on failure later, and until then it is not published again.
    async fn confirm(&mut self) {
        if self.published.is_empty() {
            return;
        }
        fail_point!("relay.forget.before");
        let forgotten = self.source.confirm(&self.published).await;
        fail_point!("relay.forget.after");
        match forgotten {
            Ok(()) => {
                instruments::relayed(S::TABLE, self.published.len());
                for row in self.published.drain(..) {
                    self.rows.remove(&row);
                }
            }
            Err(error) => failed("confirm", &*error),
        }
    }

    /// Tells operators how much waits.
    async fn count(&mut self) {
        match self.source.size().await {
            Ok(rows) => instruments::outbox(S::TABLE, rows),
            Err(error) => failed("count", &*error),
        }
    }

    async fn finish(&mut self) {
        let deadline = sleep(LAST_CONFIRMS);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                publish = self.publishes.next() => match publish {
                    Some(publish) => self.collect(publish),
                    None => break,
                },
                () = &mut deadline => break,
            }
        }
        self.confirm().await;
    }
}

async fn claim(source: &impl OutboxSource, limit: usize) -> Result<Vec<OutboxRow>, BoxError> {
    let rows = source.claim(limit as i64).await?;
    if !rows.is_empty() {
        fail_point!("relay.claim.after");
    }
    Ok(rows)
}

fn failed(step: &'static str, error: &(dyn std::error::Error + 'static)) {
    instruments::relay_failed(step);
    tracing::warn!(step, error, "outbox step failed, it will be repeated");
}
