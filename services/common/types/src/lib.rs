//! Values that two services name alike: identifiers, credits, time, identity, screened prompts, foreign words.

pub mod clock;
pub mod credits;
mod decision;
pub mod id;
pub mod identity;
pub mod prompt;
pub mod service;
pub mod word;

pub use clock::{Clock, ManualClock, SystemClock};
pub use credits::{Credits, CreditsOverflow};
pub use decision::allows;
pub use id::{ApiKeyId, EventId, GenerationId, ImageId, InvalidName, SessionId, UserId, WebhookEndpointId};
pub use identity::{Credential, Identity};
pub use prompt::{InvalidPrompt, NotAllowed, Prompt, Screened, Wording};
pub use service::ServiceName;
pub use word::tame;
