//! The loop around a subscription: limits, decisions, panics and the two ways to stop.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use imagioo_proto::jobs::v1::GenerationSettled;
use imagioo_queue::{Decision, Message, Queue, Received, run, topology::DELIVERY_LIMIT};
use imagioo_runtime::Shutdown;
use tokio::{
    sync::{Notify, Semaphore},
    time::{Instant, timeout},
};

use crate::messages::{SOON, assert_nothing_comes, publish, settled, subscribe, take};

type Settled = Received<GenerationSettled>;

const GRACE: Duration = Duration::from_mins(1);
/// More than all backoffs of one message.
const LONG: Duration = Duration::from_hours(2);

async fn start<H, F>(queue: &Queue, concurrency: usize, handler: H) -> Shutdown
where
    H: Fn(Settled) -> F + Send + Sync + 'static,
    F: Future<Output = Decision> + Send + 'static,
{
    let shutdown = Shutdown::new(GRACE);
    let deliveries = subscribe(queue, 8).await;
    shutdown.spawn("consumer", run(deliveries, concurrency, shutdown.clone(), handler));
    shutdown
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_has_done_is_acknowledged() {
    let queue = Queue::in_process();
    let shutdown = start(&queue, 4, async |_: Settled| Decision::Done).await;
    let publishes = publish(&queue, (0..20).map(|number| settled(&number.to_string())));
    timeout(SOON, publishes.join_all()).await.unwrap();
    shutdown.request();
    shutdown.drained().await;
    assert!(!shutdown.is_forced());
}

#[tokio::test(start_paused = true)]
async fn r38_a_poison_message_becomes_a_dead_letter_and_its_neighbours_succeed() {
    let queue = Queue::in_process();
    let done = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&done);
    let shutdown = start(&queue, 8, move |received: Settled| {
        let counted = Arc::clone(&counted);
        async move {
            assert_ne!(received.payload.generation, "poison", "the handler cannot stand this one");
            counted.fetch_add(1, SeqCst);
            Decision::Done
        }
    })
    .await;
    let names = ["a", "b", "c", "poison", "d", "e", "f", "g"];
    timeout(LONG, publish(&queue, names.map(settled)).join_all()).await.unwrap();
    assert_eq!(done.load(SeqCst), 7);
    let letters = queue.dead_letters().await.unwrap();
    assert_eq!((letters.len(), letters[0].attempts), (1, DELIVERY_LIMIT));
    assert_eq!(letters[0].reason, "given up after 20 deliveries: the handler panicked");
    shutdown.request();
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_at_least_as_long_as_the_handler_asks() {
    let queue = Queue::in_process();
    let shutdown = start(&queue, 1, async |received: Settled| match received.attempt {
        3 => Decision::Done,
        _ => Decision::Retry { after: Duration::from_mins(10) },
    })
    .await;
    let published = Instant::now();
    timeout(LONG, publish(&queue, [settled("a")]).join_all()).await.unwrap();
    assert!(published.elapsed() >= Duration::from_mins(20));
    shutdown.request();
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_given_up_carries_the_reason_of_its_handler() {
    let queue = Queue::in_process();
    let give_up = async |_: Settled| Decision::GiveUp { reason: "unknown generation".to_owned() };
    let shutdown = start(&queue, 1, give_up).await;
    timeout(SOON, publish(&queue, [settled("a")]).join_all()).await.unwrap();
    assert_eq!(queue.dead_letters().await.unwrap()[0].reason, "unknown generation");
    shutdown.request();
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_decode_is_given_up_at_once() {
    let queue = Queue::in_process();
    let shutdown = start(&queue, 1, async |_: Settled| Decision::Done).await;
    let damaged = Message { body: vec![0xff; 8].into(), ..settled("a") };
    timeout(SOON, publish(&queue, [damaged]).join_all()).await.unwrap();
    assert_eq!(queue.dead_letters().await.unwrap()[0].attempts, 1);
    shutdown.request();
}

#[tokio::test(start_paused = true)]
async fn no_more_handlers_run_than_allowed() {
    let queue = Queue::in_process();
    let (running, most, gate) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Semaphore::new(0));
    let (counted, highest, gate) = (Arc::clone(&running), Arc::clone(&most), Arc::new(gate));
    let opened = Arc::clone(&gate);
    let shutdown = start(&queue, 3, move |_: Settled| {
        let (counted, highest, gate) = (Arc::clone(&counted), Arc::clone(&highest), Arc::clone(&gate));
        async move {
            highest.fetch_max(counted.fetch_add(1, SeqCst) + 1, SeqCst);
            gate.acquire().await.unwrap().forget();
            counted.fetch_sub(1, SeqCst);
            Decision::Done
        }
    })
    .await;
    let mut publishes = publish(&queue, (0..9).map(|number| settled(&number.to_string())));
    assert!(timeout(SOON, publishes.join_next()).await.is_err());
    assert_eq!(running.load(SeqCst), 3);
    opened.add_permits(9);
    timeout(SOON, publishes.join_all()).await.unwrap();
    assert_eq!(most.load(SeqCst), 3);
    shutdown.request();
}

#[tokio::test(start_paused = true)]
async fn a_requested_stop_lets_running_handlers_finish_and_takes_nothing_more() {
    let queue = Queue::in_process();
    let (started, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begun, finished) = (Arc::clone(&started), Arc::clone(&finish));
    let shutdown = start(&queue, 1, move |_: Settled| {
        let (begun, finished) = (Arc::clone(&begun), Arc::clone(&finished));
        async move {
            begun.notify_one();
            finished.notified().await;
            Decision::Done
        }
    })
    .await;
    let mut publishes = publish(&queue, ["a", "b"].map(settled));
    started.notified().await;
    shutdown.request();
    finish.notify_one();
    shutdown.drained().await;
    assert!(!shutdown.is_forced());
    timeout(SOON, publishes.join_next()).await.expect("the running one was finished");
    let mut next = subscribe(&queue, 8).await;
    assert_eq!(take(&mut next).await.attempt(), 1, "the other one was never taken");
}

#[tokio::test(start_paused = true)]
async fn a_forced_stop_returns_what_was_running() {
    let queue = Queue::in_process();
    let started = Arc::new(Notify::new());
    let begun = Arc::clone(&started);
    let shutdown = start(&queue, 1, move |_: Settled| {
        let begun = Arc::clone(&begun);
        async move {
            begun.notify_one();
            std::future::pending().await
        }
    })
    .await;
    let _publishes = publish(&queue, [settled("a")]);
    started.notified().await;
    shutdown.request();
    shutdown.drained().await;
    assert!(shutdown.is_forced());
    let mut next = subscribe(&queue, 8).await;
    let delivery = take(&mut next).await;
    assert_eq!(delivery.attempt(), 2);
    delivery.ack().await;
    assert_nothing_comes(&mut next).await;
}
