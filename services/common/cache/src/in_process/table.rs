//! A bounded map whose entries end. Ended entries are swept out as the map grows, so no task has to run.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use crate::instruments;

/// Parts with a lock each: enough that cores seldom meet.
const SHARDS: usize = 64;
/// Entries of a shard below which sweeping is not worth it.
const FIRST_SWEEP: usize = 64;

pub(super) struct Table<V> {
    shards: Vec<Mutex<Shard<V>>>,
    /// Keyed at random: nobody can choose keys that fall into one shard.
    hasher: RandomState,
}

pub(super) struct Entry<V> {
    pub(super) value: V,
    /// From this instant on the entry is as good as absent.
    pub(super) ends: Instant,
}

struct Shard<V> {
    entries: HashMap<Box<str>, Entry<V>>,
    capacity: usize,
    /// Number of entries at which the ended ones are swept out.
    sweep_at: usize,
}

impl<V> Table<V> {
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = capacity.div_ceil(SHARDS);
        let shard = || Shard { entries: HashMap::new(), capacity, sweep_at: FIRST_SWEEP.min(capacity) };
        Self { shards: (0..SHARDS).map(|_| Mutex::new(shard())).collect(), hasher: RandomState::new() }
    }

    /// Changes the entry under `key`, which begins as `fresh` where there is none that lives.
    pub(super) fn update<T>(
        &self,
        key: &str,
        now: Instant,
        fresh: Entry<V>,
        change: impl FnOnce(&mut Entry<V>) -> T,
    ) -> T {
        let mut shard = self.shard(key);
        if let Some(entry) = shard.entries.get_mut(key) {
            if entry.ends <= now {
                *entry = fresh;
            }
            return change(entry);
        }
        shard.make_room(now);
        change(shard.entries.entry(key.into()).or_insert(fresh))
    }

    pub(super) fn get(&self, key: &str, now: Instant) -> Option<V>
    where
        V: Clone,
    {
        self.shard(key).entries.get(key).filter(|entry| now < entry.ends).map(|entry| entry.value.clone())
    }

    pub(super) fn remove(&self, key: &str) {
        self.shard(key).entries.remove(key);
    }

    /// No code panics while it holds this lock; a poisoned one is whole.
    fn shard(&self, key: &str) -> MutexGuard<'_, Shard<V>> {
        let number = self.hasher.hash_one(key) as usize % SHARDS;
        self.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Shard<V> {
    /// Sweeps whenever the entries have doubled, which costs each entry little however many there are. A
    /// shard full of living entries forgets some of them, whichever come first: a cache may.
    fn make_room(&mut self, now: Instant) {
        if self.entries.len() < self.sweep_at {
            return;
        }
        self.entries.retain(|_, entry| now < entry.ends);
        if self.entries.len() >= self.capacity {
            let forgotten = self.capacity.div_ceil(16);
            let mut left = forgotten;
            self.entries.retain(|_, _| {
                let forget = left > 0;
                left -= usize::from(forget);
                !forget
            });
            instruments::evicted(forgotten);
        }
        self.sweep_at = (self.entries.len() * 2).clamp(FIRST_SWEEP.min(self.capacity), self.capacity);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn fill(table: &Table<u64>, keys: std::ops::Range<u64>, now: Instant, ends: Instant) {
        for key in keys {
            table.update(&format!("key {key}"), now, Entry { value: key, ends }, |_| ());
        }
    }

    fn len(table: &Table<u64>) -> usize {
        table.shards.iter().map(|shard| shard.lock().unwrap().entries.len()).sum()
    }

    #[test]
    fn ended_entries_make_room_for_new_ones() {
        let (table, now) = (Table::new(100_000), Instant::now());
        let ends = now + Duration::from_secs(1);
        fill(&table, 0..50_000, now, ends);
        fill(&table, 50_000..100_000, ends, ends + Duration::from_secs(1));
        assert!(len(&table) <= 70_000, "{}", len(&table));
        assert!((50_000..100_000).all(|key| table.get(&format!("key {key}"), ends) == Some(key)));
    }

    #[test]
    fn a_table_never_exceeds_its_capacity() {
        let (table, now) = (Table::new(6_400), Instant::now());
        fill(&table, 0..50_000, now, now + Duration::from_secs(1));
        assert!(len(&table) <= 6_400);
        assert_eq!(table.get("key 49999", now), Some(49_999), "the newest entry is there");
    }
}
