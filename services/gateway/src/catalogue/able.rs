//! Which models would take a request that another one cannot.

use time::OffsetDateTime;

use super::{Asked, Catalogue, Model};

/// Most models that are named to somebody whose choice cannot do it.
pub(crate) const MOST_NAMED: usize = 5;

impl Catalogue {
    /// Names of models that are offered now, take the very same request, and run where `works` says so.
    pub(crate) fn able(
        &self,
        asked: &Asked,
        now: OffsetDateTime,
        works: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let takes = |model: &&Model| {
            let priced = model.price(asked);
            priced.is_ok_and(|priced| priced.route.iter().any(|stop| works(&stop.deployment)))
        };
        self.offered(now).filter(takes).take(MOST_NAMED).map(Model::name).collect()
    }
}
