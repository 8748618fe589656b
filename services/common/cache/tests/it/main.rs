//! The promises of the cache, held against every implementation.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod conformance;
mod redis;

mod in_process {
    use std::time::Duration;

    use imagioo_cache::Cache;

    use crate::conformance::{self, Bench, Clock};

    conformance::properties!(
        #[tokio::test(start_paused = true)]
        bench()
    );

    fn bench() -> Bench<Paused> {
        Bench { cache: Cache::in_process(), clock: Paused }
    }

    /// The clock of the runtime.
    struct Paused;

    impl Clock for Paused {
        const STOPPED: bool = true;

        async fn pass(&self, span: Duration) {
            tokio::time::advance(span).await;
        }
    }
}
