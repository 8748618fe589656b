//! Following a generation to its end, from any replica.

use std::time::Duration;

use imagioo_rpc::Caller;
use imagioo_types::GenerationId;
use tokio::time::Instant;

use crate::app::App;
use crate::error::Error;
use crate::generations::read::{self, Whole};
use crate::watchers::{Preview, Progress, Signal, Subscription};

/// Without a signal the row is read again after this long, so that a lost hint delays a watcher and nothing more.
const REREAD: Duration = Duration::from_secs(5);

/// One step of a watched generation.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// The generation after a change, and how far its attempt has come.
    Changed(Box<Whole>, Option<Progress>),
    Preview(Preview),
    /// Nothing changed for a while.
    Heartbeat,
}

/// A watcher of one generation.
pub(crate) struct Watch {
    app: App,
    caller: Caller,
    id: GenerationId,
    subscription: Subscription,
    seen: i64,
    progress: Option<Progress>,
    over: bool,
}

impl Watch {
    /// Starts to follow; the subscription precedes the first read, so that nothing falls between them.
    pub(crate) fn start(app: &App, caller: &Caller, id: GenerationId) -> Self {
        Self {
            app: app.clone(),
            caller: caller.clone(),
            id,
            subscription: app.watchers.follow(id),
            seen: 0,
            progress: None,
            over: false,
        }
    }

    /// The next step; nothing after the final state.
    pub(crate) async fn next(&mut self) -> Result<Option<Step>, Error> {
        if self.over {
            return Ok(None);
        }
        if self.seen == 0 {
            return self.read().await;
        }
        loop {
            match tokio::time::timeout(REREAD, self.subscription.next()).await {
                Err(_) => return Ok(self.read().await?.or(Some(Step::Heartbeat))),
                Ok(Signal::Changed) => {
                    if let Some(step) = self.read().await? {
                        return Ok(Some(step));
                    }
                }
                Ok(Signal::Preview(preview)) => return Ok(Some(Step::Preview(preview))),
                Ok(Signal::Progress(progress)) => {
                    self.progress = Some(progress);
                    self.seen = 0;
                    return self.read().await;
                }
            }
        }
    }

    /// The generation if it is newer than what was shown.
    async fn read(&mut self) -> Result<Option<Step>, Error> {
        let whole = read::get(&self.app, &self.caller, self.id).await?;
        if whole.generation.version <= self.seen {
            return Ok(None);
        }
        self.seen = whole.generation.version;
        self.over = whole.generation.state.is_final();
        let current = self.progress.clone().filter(|progress| progress.attempt == whole.generation.attempt);
        Ok(Some(Step::Changed(Box::new(whole), current)))
    }
}

/// The generation when it has ended or `wait` is over, whichever comes first.
pub(crate) async fn wait(
    app: &App,
    caller: &Caller,
    id: GenerationId,
    wait: Duration,
) -> Result<Whole, Error> {
    if wait.is_zero() {
        return read::get(app, caller, id).await;
    }
    let deadline = Instant::now() + wait;
    let mut watch = Watch::start(app, caller, id);
    while let Ok(step) = tokio::time::timeout_at(deadline, watch.next()).await {
        match step? {
            Some(Step::Changed(whole, _)) if whole.generation.state.is_final() => return Ok(*whole),
            Some(_) => {}
            None => break,
        }
    }
    read::get(app, caller, id).await
}
