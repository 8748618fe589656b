//! Following a generation to its end, from any replica.

use std::time::Duration;

use imagioo_rpc::{Caller, Code, RpcError};
use imagioo_types::GenerationId;
use tokio::time::Instant;

use crate::app::App;
use crate::error::Error;
use crate::generations::outlook::{self, Outlook};
use crate::generations::read::{self, Whole};
use crate::watchers::{Notice, Place, Preview, Progress, Signal, Subscription, Topic};

/// Without a signal the row is read again after this long, so that a lost hint delays a watcher and nothing more.
pub(super) const REREAD: Duration = Duration::from_secs(5);

/// A generation as it is at some moment.
#[derive(Debug, Clone)]
pub(crate) struct Now {
    pub(crate) whole: Whole,
    pub(crate) outlook: Outlook,
    /// How far its attempt has come.
    pub(crate) progress: Option<Progress>,
}

/// One step of a watched generation.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// The generation after a change.
    Changed(Box<Now>),
    Preview(Preview),
    /// Nothing changed for a while.
    Heartbeat,
}

/// A place to watch from, or to wait at. It is taken before anything is created that would be waited for.
pub(crate) fn place(app: &App, caller: &Caller) -> Result<Place, RpcError> {
    let most = app.config.watches.per_user;
    app.watchers.place(caller.identity.user, most).ok_or_else(|| {
        let message =
            format!("you watch {most} times already: end some streams, or watch all generations in one");
        RpcError::new(Code::TooManyWatches, message).detail("most", most)
    })
}

/// A watcher of one generation.
pub(crate) struct Watch {
    app: App,
    caller: Caller,
    id: GenerationId,
    subscription: Subscription,
    /// The version that the watcher knows, and the position that it was told.
    seen: i64,
    ahead: i64,
    progress: Option<Progress>,
    begun: bool,
    over: bool,
}

impl Watch {
    /// Starts to follow from `seen` on; the subscription precedes the first read, so that nothing falls between them.
    pub(crate) fn start(app: &App, caller: &Caller, place: Place, (id, seen): (GenerationId, i64)) -> Self {
        Self {
            app: app.clone(),
            caller: caller.clone(),
            id,
            subscription: app.watchers.follow(Topic::Generation(id), place),
            seen,
            ahead: 0,
            progress: None,
            begun: false,
            over: false,
        }
    }

    /// The next step; nothing after the final state.
    pub(crate) async fn next(&mut self) -> Result<Option<Step>, Error> {
        if !self.begun {
            self.begun = true;
            if let Some(step) = self.read(false).await? {
                return Ok(Some(step));
            }
        }
        while !self.over {
            match tokio::time::timeout(REREAD, self.subscription.next()).await {
                Err(_) => {
                    let step = self.read(false).await?;
                    return Ok(step.or_else(|| (!self.over).then_some(Step::Heartbeat)));
                }
                Ok(None | Some(Notice { signal: Signal::Changed, .. })) => {
                    if let Some(step) = self.read(false).await? {
                        return Ok(Some(step));
                    }
                }
                Ok(Some(Notice { signal: Signal::Preview(preview), .. })) => {
                    return Ok(Some(Step::Preview(preview)));
                }
                Ok(Some(Notice { signal: Signal::Progress(progress), .. })) => {
                    self.progress = Some(progress);
                    return self.read(true).await;
                }
            }
        }
        Ok(None)
    }

    /// The generation if it is newer than what the watcher knows, has another position, or is to be shown `anyway`.
    async fn read(&mut self, anyway: bool) -> Result<Option<Step>, Error> {
        let whole = read::get(&self.app, &self.caller, self.id).await?;
        let generation = &whole.generation;
        self.over = generation.state.is_final();
        let outlooks = outlook::of(&self.app, generation.owner, std::iter::once(generation)).await?;
        let outlook = outlooks.get(&self.id).copied().unwrap_or_default();
        if generation.version <= self.seen && outlook.ahead == self.ahead && !anyway {
            return Ok(None);
        }
        (self.seen, self.ahead) = (self.seen.max(generation.version), outlook.ahead);
        let progress = self.progress.clone().filter(|progress| progress.attempt == generation.attempt);
        Ok(Some(Step::Changed(Box::new(Now { whole, outlook, progress }))))
    }
}

/// Waits for the end of a generation from a place, and no longer than until then.
pub(crate) async fn wait(
    app: &App,
    caller: &Caller,
    id: GenerationId,
    waiting: Option<(Place, Instant)>,
) -> Result<Whole, Error> {
    let Some((place, deadline)) = waiting else { return read::get(app, caller, id).await };
    let mut watch = Watch::start(app, caller, place, (id, 0));
    while let Ok(step) = tokio::time::timeout_at(deadline, watch.next()).await {
        match step? {
            Some(Step::Changed(now)) if now.whole.generation.state.is_final() => return Ok(now.whole),
            Some(_) => {}
            None => break,
        }
    }
    read::get(app, caller, id).await
}
