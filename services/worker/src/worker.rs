//! What the parts of one worker process share.

use std::sync::Arc;

use imagioo_queue::Queue;
use imagioo_runtime::Shutdown;
use imagioo_storage::Storage;
use imagioo_types::Clock;

use crate::held::Held;
use crate::leases::Leases;
use crate::registry::Registry;
use crate::results::Results;

/// One worker process.
pub(crate) struct Worker {
    /// Unique per start: a restarted process is another worker, with another epoch.
    pub(crate) id: String,
    pub(crate) leases: Arc<dyn Leases>,
    pub(crate) queue: Queue,
    pub(crate) storage: Storage,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) providers: Registry,
    pub(crate) results: Results,
    pub(crate) held: Held,
    pub(crate) shutdown: Shutdown,
}
