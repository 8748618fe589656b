//! The output screen: decides about every image before anybody can see it.
//!
//! The image is stored by then, where only this system reads: a worker that dies here leaves it to the next one, which
//! screens it again. Who cannot answer is asked again, never the provider.

mod config;
mod moderations;
mod reduced;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use imagioo_picture::Verified;
use imagioo_runtime::http::HttpError;
use imagioo_types::Clock;
use time::format_description::well_known::Rfc3339;

use crate::backoff::Backoff;
use crate::instruments;
use crate::provider::CallError;
use crate::reason::Reason;
use config::ScreenKind;
pub use config::ScreeningConfig;
use moderations::{Answer, Moderations};

/// Who refuses an image that the screen blocks, as owners are told.
pub(crate) const SCREEN: &str = "screening";

/// The decision of no screen at all.
const OFF: &str = "allow:off";

/// Decides about images. Without a screen it allows everything, and says so.
pub(crate) struct OutputScreen {
    endpoint: Option<Moderations>,
    patience: Duration,
    clock: Arc<dyn Clock>,
}

impl OutputScreen {
    /// The screen of a configuration.
    ///
    /// # Errors
    /// [`HttpError`] when no client can be made.
    pub(crate) fn open(config: &ScreeningConfig, clock: &Arc<dyn Clock>) -> Result<Self, HttpError> {
        let endpoint = match config.output {
            ScreenKind::Off => None,
            ScreenKind::Moderations => Some(Moderations::open(&config.moderations, Arc::clone(clock))?),
        };
        let patience = Duration::from_secs(config.moderations.patience_seconds);
        Ok(Self { endpoint, patience, clock: Arc::clone(clock) })
    }

    /// The decision that lets every image through unseen, where that is the rule.
    pub(crate) fn without_looking(&self) -> Option<String> {
        self.endpoint.is_none().then(|| OFF.to_owned())
    }

    /// The decision that lets an image through, to be recorded.
    ///
    /// # Errors
    /// The screen blocks the image, or cannot say for longer than its patience lasts.
    pub(crate) async fn allow(&self, file: &Bytes, image: &Verified) -> Result<String, CallError> {
        let Some(endpoint) = &self.endpoint else { return Ok(OFF.to_owned()) };
        let unavailable = || CallError::failed(Reason::ScreeningUnavailable);
        let question = endpoint.question(file, image).await.map_err(|error| unavailable().because(error))?;
        let mut backoff = Backoff::lasting(self.patience);
        loop {
            let trouble = match endpoint.ask(question.clone()).await {
                Ok(Answer::Allow { id }) => {
                    instruments::screened("allow");
                    return self.decision(&id).map_err(|error| unavailable().because(error));
                }
                Ok(Answer::Block { categories }) => {
                    instruments::screened("block");
                    return Err(CallError::blocked(categories));
                }
                Err(trouble) => trouble,
            };
            instruments::screened("unavailable");
            tracing::warn!(error = &trouble as &dyn std::error::Error, "image not screened");
            let wait = trouble.retry_after.unwrap_or_default();
            if trouble.lasting || !backoff.wait_at_least(wait).await {
                return Err(unavailable().because(trouble));
            }
        }
    }

    fn decision(&self, id: &str) -> Result<String, time::error::Format> {
        Ok(format!("allow:moderations={id};{}", self.clock.now().format(&Rfc3339)?))
    }
}
