//! Local lists: files of terms and patterns, read again when they change. A file with a mistake changes nothing.

mod file;
mod folding;
mod rules;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use imagioo_runtime::Shutdown;
use imagioo_types::Wording;
use tokio::task::{JoinError, spawn_blocking};

use super::config::ListsConfig;
use super::verdict::{Trouble, Verdict};
use crate::instruments;
use file::Source;
use rules::Rules;

/// The lists of some files.
pub(super) struct Lists {
    files: Vec<PathBuf>,
    pause: Duration,
    state: Mutex<State>,
}

struct State {
    /// The last good version.
    rules: Arc<Rules>,
    /// What the files held when they were last looked at, good or bad.
    seen: Source,
}

/// Every mistake in every file.
#[derive(Debug, thiserror::Error)]
#[error("the screening lists have mistakes: {}", .0.join("; "))]
pub(super) struct Mistakes(pub(super) Vec<String>);

/// What came of looking at the files again.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Look {
    Unchanged,
    /// In force from now on.
    Taken,
    /// Changed and wrong: the last good version stays.
    Refused(String),
}

impl Lists {
    /// Reads the files.
    ///
    /// # Errors
    /// [`Mistakes`]
    pub(super) async fn open(config: &ListsConfig) -> anyhow::Result<Self> {
        let files = config.files.clone();
        let (seen, rules) = spawn_blocking(move || load(&files)).await?;
        let rules = Arc::new(rules?);
        tracing::info!(version = rules.version, lists = rules.len(), "screening lists loaded");
        Ok(Self {
            files: config.files.clone(),
            pause: Duration::from_secs(config.reload_seconds),
            state: Mutex::new(State { rules, seen }),
        })
    }

    /// What the version in force says of the words.
    pub(super) async fn judge(&self, wording: &Wording) -> Result<Verdict, Trouble> {
        let (rules, wording) = (Arc::clone(&self.state().rules), wording.clone());
        let judged = spawn_blocking(move || rules.judge(&wording)).await;
        judged.map_err(|error| Trouble::new("the screening lists failed").because(error))
    }

    /// Looks at the files and takes what they hold if all of it is good.
    async fn look(&self) -> Result<Look, JoinError> {
        let files = self.files.clone();
        let source = spawn_blocking(move || Source::read(&files)).await?;
        if self.state().seen == source {
            return Ok(Look::Unchanged);
        }
        let (seen, rules) = spawn_blocking(move || compile(source)).await?;
        let mut state = self.state();
        state.seen = seen;
        Ok(match rules {
            Ok(rules) => {
                state.rules = Arc::new(rules);
                Look::Taken
            }
            Err(mistakes) => Look::Refused(mistakes.to_string()),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn load(files: &[PathBuf]) -> (Source, Result<Rules, Mistakes>) {
    compile(Source::read(files))
}

fn compile(source: Source) -> (Source, Result<Rules, Mistakes>) {
    let rules = source.lists().and_then(|lists| Rules::compile(lists, source.version()));
    (source, rules)
}

/// Looks again and again until shutdown.
pub(super) async fn keep_fresh(lists: Arc<Lists>, shutdown: Shutdown) {
    let mut ticks = tokio::time::interval(lists.pause);
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            _ = ticks.tick() => {}
        }
        match lists.look().await {
            Ok(Look::Unchanged) => {}
            Ok(Look::Taken) => {
                let version = lists.state().rules.version.clone();
                tracing::info!(version, "screening lists changed");
                instruments::lists_reloaded("taken");
            }
            Ok(Look::Refused(mistakes)) => {
                tracing::error!(mistakes, "screening lists changed and are wrong: the last good ones stay");
                instruments::lists_reloaded("refused");
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "screening lists not looked at");
            }
        }
    }
}

#[cfg(test)]
mod tests;
