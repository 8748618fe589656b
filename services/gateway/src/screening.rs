//! Screening: the recorded decision without which no prompt is stored or sent to a provider.
//!
//! Screens are asked one after the other; the first that does not allow the words ends it. Who cannot answer does not
//! allow: the call fails with a status that is worth another try. Blocked words are nowhere logged.

mod config;
mod endpoint;
mod lists;
mod refusal;
mod verdict;

use std::sync::Arc;

use imagioo_rpc::RpcError;
use imagioo_runtime::Shutdown;
use imagioo_types::{Clock, GenerationId, Screened, Wording};
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

use config::ScreenKind;
pub use config::ScreeningConfig;
use endpoint::Endpoint;
use lists::Lists;
pub(crate) use refusal::STAGE;
use verdict::Verdict;

use crate::instruments;

/// Decides about words before anything is held, stored or sent. Without a screen it allows everything, and says so.
pub(crate) struct PromptScreen {
    screens: Vec<Screen>,
    clock: Arc<dyn Clock>,
}

/// One that decides.
enum Screen {
    Lists(Arc<Lists>),
    Http(Box<Endpoint>),
}

impl PromptScreen {
    /// The screens of a configuration. Lists are read now, and again whenever they change until the shutdown.
    ///
    /// # Errors
    /// Every mistake in the lists, or no HTTP client can be made.
    pub(crate) async fn open(
        config: &ScreeningConfig,
        clock: &Arc<dyn Clock>,
        shutdown: &Shutdown,
    ) -> anyhow::Result<Self> {
        let mut screens = Vec::with_capacity(config.screens.len());
        for kind in &config.screens {
            screens.push(match kind {
                ScreenKind::Lists => {
                    let lists = Arc::new(Lists::open(&config.lists).await?);
                    shutdown
                        .spawn("reload screening lists", lists::keep_fresh(lists.clone(), shutdown.clone()));
                    Screen::Lists(lists)
                }
                ScreenKind::Http => Screen::Http(Box::new(Endpoint::open(&config.http, Arc::clone(clock))?)),
            });
        }
        Ok(Self { screens, clock: Arc::clone(clock) })
    }

    /// The words with the decision that allows them. `generation` is what the words are for; an endpoint is told its
    /// id, and nothing else about the caller.
    ///
    /// # Errors
    /// `CONTENT_POLICY` when a screen does not allow them, `UNAVAILABLE` when one cannot say.
    pub(crate) async fn screen(
        &self,
        generation: GenerationId,
        wording: Wording,
    ) -> Result<Screened, RpcError> {
        if self.screens.is_empty() {
            return allowed("off", wording);
        }
        let mut proofs = Vec::with_capacity(self.screens.len());
        for screen in &self.screens {
            proofs.push(screen.allow(generation, &wording).await?);
        }
        let at = self.clock.now().format(&Rfc3339).map_err(RpcError::internal)?;
        allowed(&format!("{};{at}", proofs.join(",")), wording)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where it is decided")]
fn allowed(screens: &str, wording: Wording) -> Result<Screened, RpcError> {
    Screened::allowed_by(screens, wording).map_err(RpcError::internal)
}

impl Screen {
    const fn name(&self) -> &'static str {
        match self {
            Self::Lists(_) => "lists",
            Self::Http(_) => "http",
        }
    }

    /// What proves that it allows the words: its name and the version of the lists, or the endpoint's own ids.
    async fn allow(&self, generation: GenerationId, wording: &Wording) -> Result<String, RpcError> {
        let (name, started) = (self.name(), Instant::now());
        let verdict = match self {
            Self::Lists(lists) => lists.judge(wording).await,
            Self::Http(endpoint) => endpoint.judge(generation, wording).await,
        };
        let outcome = verdict.as_ref().map_or("unavailable", Verdict::outcome);
        instruments::screened(name, outcome, started.elapsed());
        match verdict {
            Ok(Verdict::Allow { proof }) => Ok(format!("{name}={proof}")),
            Ok(Verdict::Block(block)) => {
                tracing::info!(
                    screen = name,
                    outcome,
                    categories = block.categories_text(),
                    "prompt blocked"
                );
                Err(refusal::blocked(name, &block))
            }
            Err(trouble) => Err(refusal::unavailable(name, trouble)),
        }
    }
}

#[cfg(test)]
mod tests;
