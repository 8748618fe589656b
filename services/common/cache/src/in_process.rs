//! The cache of one process: three tables of entries that end.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::rate::{LONGEST, Rate, Verdict};

mod table;

use table::{Entry, Table};

/// Limits and counters of each kind at most; with keys of usual length some 100 MB if somebody fills them.
const EVENTS: usize = 1_000_000;
/// Values at most; they are larger.
const VALUES: usize = 100_000;

pub(crate) struct InProcess {
    /// An entry ends when its limiter is as good as new.
    limits: Table<()>,
    /// Events of the window that ends with the entry.
    counters: Table<u64>,
    values: Table<Bytes>,
}

impl InProcess {
    pub(crate) fn new() -> Self {
        Self { limits: Table::new(EVENTS), counters: Table::new(EVENTS), values: Table::new(VALUES) }
    }

    pub(crate) fn allow(&self, key: &str, rate: Rate) -> Verdict {
        let now = Instant::now();
        self.limits.update(key, now, Entry { value: (), ends: now }, |entry| rate.judge(now, &mut entry.ends))
    }

    pub(crate) fn count(&self, key: &str, window: Duration) -> u64 {
        let now = Instant::now();
        self.counters.update(key, now, Entry { value: 0, ends: end(now, window) }, |entry| {
            entry.value += 1;
            entry.value
        })
    }

    pub(crate) fn get(&self, key: &str) -> Option<Bytes> {
        self.values.get(key, Instant::now())
    }

    pub(crate) fn put(&self, key: &str, value: Bytes, ttl: Duration) {
        let now = Instant::now();
        let ends = end(now, ttl);
        self.values.update(key, now, Entry { value: Bytes::new(), ends }, |entry| {
            *entry = Entry { value, ends };
        });
    }

    pub(crate) fn remove(&self, key: &str) {
        self.values.remove(key);
    }
}

fn end(now: Instant, span: Duration) -> Instant {
    now + span.min(LONGEST)
}
