//! The provider port: what an adapter to a model provider offers, in terms no provider invented.
//!
//! Whose fault a failure is decides whether a deployment is shut for everybody, so adapters follow one rule. What a provider
//! says of one task that it took is about that request ([`Reason::ProviderRejected`]): anybody could bring it about at will,
//! with too large a picture or an odd prompt, and for nothing. The provider's own fault is only what no request can bring
//! about: it cannot be reached, answers with a server error or with nonsense, or says that a model, a node or a
//! device is missing.

pub mod account;
pub mod automatic1111;
pub mod bfl;
pub mod call;
pub mod comfyui;
mod encoded;
pub mod error;
pub mod fal;
mod fields;
pub mod gemini;
pub mod openai;
mod output;
mod pixels;
pub mod replicate;
#[cfg(test)]
mod shipped;
pub mod sketch;
pub mod stability;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use imagioo_picture::{Operation, Settings};
use secrecy::SecretString;

pub use call::{Call, Options, Picture, TaskId};
pub use error::{CallError, Charged, Fate, Refusal};

use crate::progress::Progress;
use crate::reason::Reason;

/// What the worker may expect of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// What it can do at all; a model may do less.
    pub operations: &'static [Operation],
    /// Most images one call delivers, at least 1.
    pub images_per_call: u32,
    /// Whether a call costs money: its intent is noted before it is made.
    pub paid: bool,
    /// Whether a call repeated under the same key ([`Call::key`]) is the same call.
    pub idempotent: bool,
    /// Whether a call can be found by its key.
    pub look_up: bool,
}

/// What an adapter heeds of what a deployment is told besides its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heeds {
    /// Whether `endpoint` changes where calls go.
    pub endpoint: bool,
    /// The options that it knows; nothing when it passes on whatever there is.
    pub options: Option<&'static [&'static str]>,
    /// The options without which it can do nothing.
    pub needs: &'static [&'static str],
}

/// What became of a call that the provider took.
pub enum Submission {
    /// Its results, at once.
    Finished(Images),
    /// The provider works on it under this id; [`Provider::resume`] waits for the results.
    Accepted(TaskId),
}

/// Results as they arrive, in order. An error stands for one image; those after it may still be good.
pub type Images = BoxStream<'static, Result<ProviderImage, CallError>>;

/// One result, not yet verified.
pub struct ProviderImage {
    /// The file, whatever it may be.
    pub body: BoxStream<'static, Result<Bytes, CallError>>,
    /// The seed that repeats it, where the provider told one.
    pub seed: Option<i64>,
}

impl ProviderImage {
    /// A result that is in memory.
    pub fn from_bytes(bytes: Bytes, seed: Option<i64>) -> Self {
        Self { body: Box::pin(futures::stream::once(async { Ok(bytes) })), seed }
    }
}

/// A model provider. A call counts as made when [`Provider::submit`] is entered. Dropping a future cancels what it does;
/// whoever drops the future of an accepted call also calls [`Provider::cancel`].
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// What it can do; constant.
    fn capabilities(&self) -> Capabilities;

    /// What it heeds of what a deployment is told besides; constant.
    fn heeds(&self) -> Heeds {
        Heeds { endpoint: true, options: None, needs: &[] }
    }

    /// Most images one call delivers with these settings, at a deployment with these options: at least 1, at most what its
    /// capabilities say.
    fn images_per_call(&self, _settings: &Settings, _options: &Options) -> u32 {
        self.capabilities().images_per_call.max(1)
    }

    /// Makes a call.
    ///
    /// # Errors
    /// [`CallError`] says whether it may be repeated and whether it may have cost something.
    async fn submit(&self, call: &Call, progress: &Progress) -> Result<Submission, CallError>;

    /// Waits for the results of an accepted call, perhaps one that another worker made.
    ///
    /// # Errors
    /// [`CallError`], as for [`Provider::submit`].
    async fn resume(&self, _call: &Call, _task: &TaskId, _progress: &Progress) -> Result<Images, CallError> {
        Err(CallError::failed(Reason::ProviderOutcomeUnknown))
    }

    /// Finds a call by its key; `None` when the provider never took it. Only asked where
    /// [`Capabilities::look_up`] says so.
    ///
    /// # Errors
    /// [`CallError`] when the provider cannot say.
    async fn look_up(&self, _call: &Call) -> Result<Option<TaskId>, CallError> {
        Err(CallError::failed(Reason::ProviderOutcomeUnknown))
    }

    /// Proves address and key by a call that costs nothing.
    ///
    /// # Errors
    /// [`CallError`] says whether the provider was reached and what it thinks of the key.
    async fn check(&self) -> Result<(), CallError>;

    /// The same with a user's own key in place of the operator's; nothing where users have none. Address, hosts and limits
    /// stay the operator's.
    fn with_key(&self, _key: &SecretString) -> Option<Arc<dyn Provider>> {
        None
    }

    /// Asks the provider to stop an accepted call. Best effort, at most a few seconds.
    async fn cancel(&self, _task: &TaskId) {}
}

/// Longest time a worker gives a cancellation.
pub(crate) const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);
