//! Following everything that a user has, from any replica: what is open, then every change.

use std::collections::{BTreeMap, HashMap, VecDeque};

use imagioo_rpc::Caller;
use imagioo_types::GenerationId;
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::app::App;
use crate::db::generations::changes::{self, Brief};
use crate::error::Error;
use crate::generation::State;
use crate::generations::outlook;
use crate::generations::read;
use crate::generations::watch::{Now, REREAD};
use crate::watchers::{Notice, Place, Preview, Progress, Signal, Subscription, Topic};

/// Whole generations that are read at once.
const CHUNK: usize = 50;
/// Waiting generations, those first in line, whose positions are told when they change.
const POSITIONS: usize = 50;

/// One step in the life of a user's generations.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A generation after a change.
    Changed(Box<Now>),
    Preview(GenerationId, Preview),
    /// Every ending before this time was told.
    Until(OffsetDateTime),
}

/// A watcher of everything that a user has.
pub(crate) struct WatchAll {
    app: App,
    caller: Caller,
    subscription: Subscription,
    /// Endings before it were told, here or in an earlier stream.
    until: Option<OffsetDateTime>,
    /// The versions that were told of what is open or ended since.
    seen: HashMap<GenerationId, i64>,
    positions: HashMap<GenerationId, i64>,
    progress: HashMap<GenerationId, Progress>,
    /// What is to be read, and whether it is told even when its version is known.
    dirty: BTreeMap<GenerationId, bool>,
    told: VecDeque<Step>,
    /// What comes once everything dirty was told.
    then: Option<OffsetDateTime>,
    next_look: Instant,
}

impl WatchAll {
    /// Begins with what is open, and with the endings since `until` if there is one. Whatever changes after this is told.
    pub(crate) async fn start(
        app: &App,
        caller: &Caller,
        place: Place,
        until: Option<OffsetDateTime>,
    ) -> Result<Self, Error> {
        let topic = Topic::User(caller.identity.user);
        let mut watch = Self {
            app: app.clone(),
            caller: caller.clone(),
            subscription: app.watchers.follow(topic, place),
            until,
            seen: HashMap::new(),
            positions: HashMap::new(),
            progress: HashMap::new(),
            dirty: BTreeMap::new(),
            told: VecDeque::new(),
            then: None,
            next_look: Instant::now(),
        };
        watch.look().await?;
        Ok(watch)
    }

    /// The next step; there is always one.
    pub(crate) async fn next(&mut self) -> Result<Step, Error> {
        loop {
            if let Some(step) = self.told.pop_front() {
                return Ok(step);
            }
            if !self.dirty.is_empty() {
                self.read().await?;
                continue;
            }
            if let Some(until) = self.then.take() {
                self.until = Some(until);
                return Ok(Step::Until(until));
            }
            match tokio::time::timeout_at(self.next_look, self.subscription.next()).await {
                // Hints may be lost; what was read last cannot be.
                Err(_) | Ok(None) => self.look().await?,
                Ok(Some(notice)) => self.hear(notice),
            }
        }
    }

    fn hear(&mut self, Notice { generation, signal }: Notice) {
        match signal {
            Signal::Changed => {
                self.dirty.entry(generation).or_default();
            }
            Signal::Progress(progress) => {
                self.progress.insert(generation, progress);
                self.dirty.insert(generation, true);
            }
            Signal::Preview(preview) => self.told.push_back(Step::Preview(generation, preview)),
        }
    }

    /// Finds everything that changed, whoever told of it.
    async fn look(&mut self) -> Result<(), Error> {
        let user = self.caller.identity.user;
        let mut conn = self.app.pool.acquire().await?;
        // An ending is stamped before it is committed, at most as long before as a transaction may take.
        let slack = time::Duration::seconds(
            i64::try_from(self.app.config.database.statement_timeout_seconds).unwrap_or(i64::MAX / 8) * 2,
        );
        let until = changes::settled_by(&mut conn, slack).await?;
        let briefs = changes::list(&mut conn, user, self.until.unwrap_or(until)).await?;
        drop(conn);
        let first = briefs.iter().filter(|brief| brief.state == State::Queued).take(POSITIONS);
        let first: Vec<_> = first.map(|brief| brief.id.uuid()).collect();
        let places = outlook::places(&self.app, user, &first).await?;
        let mut known = std::mem::take(&mut self.seen);
        for brief in briefs {
            let seen = known.remove(&brief.id);
            if self.until.is_none() && brief.state.is_final() {
                // It ended before anybody watched.
                self.seen.insert(brief.id, brief.version);
                continue;
            }
            if seen.is_none_or(|seen| seen < brief.version) {
                self.dirty.entry(brief.id).or_default();
            } else if places.get(&brief.id).is_some_and(|place| self.has_moved(&brief, *place)) {
                self.dirty.insert(brief.id, true);
            }
            self.seen.extend(seen.map(|seen| (brief.id, seen)));
        }
        self.positions.retain(|id, _| self.seen.contains_key(id));
        self.progress.retain(|id, _| self.seen.contains_key(id));
        self.then = Some(until);
        self.next_look = Instant::now() + REREAD;
        Ok(())
    }

    fn has_moved(&self, brief: &Brief, place: i64) -> bool {
        let ahead = self.app.lines.ahead(&brief.deployment, self.caller.identity.user, place);
        self.positions.get(&brief.id).is_some_and(|told| *told != ahead)
    }

    /// Reads some of what is dirty.
    async fn read(&mut self) -> Result<(), Error> {
        let mut anyway = HashMap::new();
        while anyway.len() < CHUNK {
            let Some((id, is_told)) = self.dirty.pop_first() else { break };
            anyway.insert(id, is_told);
        }
        let ids: Vec<_> = anyway.keys().copied().collect();
        let wholes = read::several(&self.app, &self.caller, &ids).await?;
        let user = self.caller.identity.user;
        let outlooks = outlook::of(&self.app, user, wholes.iter().map(|whole| &whole.generation)).await?;
        for whole in wholes {
            let (id, version) = (whole.generation.id, whole.generation.version);
            let is_told = anyway.get(&id).copied().unwrap_or_default() && !whole.generation.state.is_final();
            if self.seen.get(&id).is_some_and(|seen| *seen >= version) && !is_told {
                continue;
            }
            self.seen.insert(id, version);
            let outlook = outlooks.get(&id).copied().unwrap_or_default();
            self.positions.insert(id, outlook.ahead);
            let progress = self.progress.get(&id).cloned();
            let progress = progress.filter(|progress| progress.attempt == whole.generation.attempt);
            self.told.push_back(Step::Changed(Box::new(Now { whole, outlook, progress })));
        }
        Ok(())
    }
}
