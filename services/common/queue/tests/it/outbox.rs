//! From a table into the queue: at least once, never lost, and an end.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use imagioo_queue::{BoxError, Delivery, Message, OutboxRow, OutboxSource, Queue, relay};
use imagioo_runtime::Shutdown;
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use crate::messages::{assert_nothing_comes, name, settled, subscribe, take};

const CLAIM: Duration = Duration::from_secs(30);

/// A table of messages with the time until which each is claimed.
#[derive(Clone, Default)]
pub(crate) struct Table(Arc<Mutex<Rows>>);

#[derive(Default)]
struct Rows {
    rows: BTreeMap<i64, (Message, Option<Instant>)>,
    broken_confirms: u32,
    claim: Option<Duration>,
}

impl Table {
    pub(crate) fn of(messages: impl IntoIterator<Item = Message>) -> Self {
        let table = Self::default();
        messages.into_iter().for_each(|message| table.add(message));
        table
    }

    /// The same with claims that are over sooner.
    pub(crate) fn claimed_for(self, claim: Duration) -> Self {
        self.0.lock().unwrap().claim = Some(claim);
        self
    }

    fn add(&self, message: Message) {
        let rows = &mut self.0.lock().unwrap().rows;
        let id = rows.last_key_value().map_or(1, |(last, _)| last + 1);
        rows.insert(id, (message, None));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().rows.len()
    }
}

impl OutboxSource for Table {
    const TABLE: &'static str = "test.outbox";

    async fn claim(&self, limit: i64) -> Result<Vec<OutboxRow>, BoxError> {
        let now = Instant::now();
        let mut table = self.0.lock().unwrap();
        let claim = table.claim.unwrap_or(CLAIM);
        let free = table.rows.iter_mut().filter(|(_, (_, until))| until.is_none_or(|until| until <= now));
        let claimed = free.take(limit as usize).map(|(id, (message, until))| {
            *until = Some(now + claim);
            OutboxRow { id: *id, message: message.clone() }
        });
        Ok(claimed.collect())
    }

    async fn confirm(&self, ids: &[i64]) -> Result<(), BoxError> {
        let mut table = self.0.lock().unwrap();
        if table.broken_confirms > 0 {
            table.broken_confirms -= 1;
            return Err("the database is away".into());
        }
        for id in ids {
            table.rows.remove(id);
        }
        Ok(())
    }

    async fn size(&self) -> Result<i64, BoxError> {
        Ok(i64::try_from(self.len())?)
    }
}

struct Relay {
    queue: Queue,
    wake: Arc<Notify>,
    shutdown: Shutdown,
}

fn start(table: &Table) -> Relay {
    let (queue, wake) = (Queue::in_process(), Arc::new(Notify::new()));
    let shutdown = Shutdown::new(Duration::from_mins(1));
    shutdown.spawn("relay", relay(table.clone(), queue.clone(), Arc::clone(&wake), shutdown.clone()));
    Relay { queue, wake, shutdown }
}

impl Relay {
    /// Stops and waits for the last confirms.
    async fn stop(self) {
        self.shutdown.request();
        self.shutdown.drained().await;
        assert!(!self.shutdown.is_forced());
    }

    async fn take(&self) -> Delivery {
        take(&mut subscribe(&self.queue, 1).await).await
    }
}

#[tokio::test(start_paused = true)]
async fn every_row_is_published_and_forgotten_after_its_confirm() {
    let table = Table::of((0..3_000).map(|number| settled(&number.to_string())));
    let relay = start(&table);
    let started = Instant::now();
    let mut deliveries = subscribe(&relay.queue, 100).await;
    for _ in 0..3_000 {
        take(&mut deliveries).await.ack().await;
    }
    assert_eq!(started.elapsed(), Duration::ZERO, "what one claim left is claimed without a pause");
    assert_nothing_comes(&mut deliveries).await;
    assert_eq!(table.len(), 0);
    relay.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_row_stays_until_its_consumer_is_done() {
    let table = Table::of([settled("a")]);
    let relay = start(&table);
    let delivery = relay.take().await;
    assert!(timeout(CLAIM * 3, std::future::pending::<()>()).await.is_err());
    assert_eq!(table.len(), 1);
    assert_nothing_comes(&mut subscribe(&relay.queue, 8).await).await;
    delivery.ack().await;
    relay.stop().await;
    assert_eq!(table.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_answered_before_the_next_look() {
    let table = Table::default();
    let relay = start(&table);
    let mut deliveries = subscribe(&relay.queue, 1).await;
    let between_two_looks = Duration::from_millis(10_500);
    assert!(timeout(between_two_looks, deliveries.next()).await.is_err());
    let committed = Instant::now();
    table.add(settled("a"));
    relay.wake.notify_one();
    take(&mut deliveries).await.ack().await;
    assert_eq!(committed.elapsed(), Duration::ZERO);
    relay.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_row_is_found_without_a_call() {
    let table = Table::default();
    let relay = start(&table);
    let mut deliveries = subscribe(&relay.queue, 1).await;
    assert_nothing_comes(&mut deliveries).await;
    table.add(settled("a"));
    take(&mut deliveries).await.ack().await;
    relay.stop().await;
}

#[tokio::test(start_paused = true)]
async fn r35_a_row_that_cannot_be_routed_stays_and_holds_up_no_other() {
    let unheard = Message { name: "imagioo.jobs.v1.Unheard".to_owned(), ..settled("a") };
    let table = Table::of([unheard, settled("b")]);
    let relay = start(&table);
    let delivery = relay.take().await;
    assert_eq!(name(&delivery), "b");
    delivery.ack().await;
    assert!(timeout(CLAIM * 3, std::future::pending::<()>()).await.is_err());
    assert_eq!(table.len(), 1);
    relay.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_confirm_that_failed_is_repeated_without_a_second_publish() {
    let table = Table::of([settled("a")]);
    table.0.lock().unwrap().broken_confirms = 40;
    let relay = start(&table);
    let mut deliveries = subscribe(&relay.queue, 8).await;
    take(&mut deliveries).await.ack().await;
    assert!(timeout(CLAIM * 3, deliveries.next()).await.is_err());
    assert_eq!(table.len(), 0);
    relay.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_leaves_unconfirmed_rows_for_the_next_start() {
    let table = Table::of([settled("a")]);
    let relay = start(&table);
    let _delivery = relay.take().await;
    relay.stop().await;
    assert_eq!(table.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn r37_three_relays_lose_nothing_and_share_the_rows() {
    let table = Table::of((0..500).map(|number| settled(&number.to_string())));
    let relay = start(&table);
    for _ in 0..2 {
        let other =
            imagioo_queue::relay(table.clone(), relay.queue.clone(), Arc::default(), relay.shutdown.clone());
        relay.shutdown.spawn("relay", other);
    }
    let mut deliveries = subscribe(&relay.queue, 100).await;
    for _ in 0..500 {
        take(&mut deliveries).await.ack().await;
    }
    assert_nothing_comes(&mut deliveries).await;
    relay.stop().await;
    assert_eq!(table.len(), 0);
}
