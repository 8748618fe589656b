//! Who waits in which queue: what every replica saw a moment ago, for queue positions.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use imagioo_runtime::Shutdown;
use imagioo_types::UserId;
use tokio::time::Instant;

use crate::app::App;
use crate::db::dispatch_users::{self, Waiting};

/// Looked at this often at most,
const REFRESH: Duration = Duration::from_millis(500);
/// and never for more than one part in so many of the time.
const REST: u32 = 20;
/// Users that are looked at; those whose turn comes after all of them are not counted.
const MOST: i64 = 50_000;

/// The last look at every line. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines(Arc<RwLock<HashMap<String, Vec<Waiting>>>>);

impl Lines {
    /// Generations that are served before the `place`-th of a user, counted from 1, if nobody else comes: what the
    /// dispatcher would do.
    pub(crate) fn ahead(&self, queue: &str, user: UserId, place: i64) -> i64 {
        let lines = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let own_before = place - 1;
        let Some(line) = lines.get(queue) else { return own_before };
        let own = line.iter().find(|waiting| waiting.owner == user.uuid());
        // Who is not in the line yet joins where it begins.
        let (vtime, weight) = own.map_or_else(
            || (line.first().map_or(0.0, |first| first.vtime), 1.0),
            |own| (own.vtime, own.weight),
        );
        let turn = vtime + place as f64 / weight;
        let others = line.iter().filter(|waiting| waiting.owner != user.uuid());
        own_before + others.map(|other| served_before(other, turn)).sum::<i64>()
    }

    /// Generations of a user that wait in a queue.
    pub(crate) fn own(&self, queue: &str, user: UserId) -> i64 {
        let lines = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut line = lines.get(queue).into_iter().flatten();
        line.find(|waiting| waiting.owner == user.uuid()).map_or(0, |own| own.queued.into())
    }

    fn replace(&self, rows: Vec<Waiting>) {
        let mut lines: HashMap<_, Vec<_>> = HashMap::new();
        for row in rows {
            lines.entry(row.queue.clone()).or_default().push(row);
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = lines;
    }
}

/// How many of somebody's generations have their turn before a virtual time.
#[expect(clippy::cast_possible_truncation, reason = "at most as many as wait")]
fn served_before(other: &Waiting, turn: f64) -> i64 {
    let turns = ((turn - other.vtime) * other.weight).ceil() - 1.0;
    turns.clamp(0.0, f64::from(other.queued)) as i64
}

/// Looks again and again until shutdown.
pub(crate) async fn keep_fresh(app: App, shutdown: Shutdown) {
    while !shutdown.is_requested() {
        let begin = Instant::now();
        match look(&app).await {
            Ok(rows) => app.lines.replace(rows),
            Err(error) => tracing::warn!(error = %error, "waiting lines not read"),
        }
        tokio::select! {
            () = shutdown.requested() => return,
            () = tokio::time::sleep(REFRESH.max(begin.elapsed() * REST)) => {}
        }
    }
}

async fn look(app: &App) -> Result<Vec<Waiting>, sqlx::Error> {
    dispatch_users::waiting(&mut *app.pool.acquire().await?, MOST).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(owner: UserId, vtime: f64, weight: f64, queued: i32) -> Waiting {
        Waiting { queue: "q".to_owned(), owner: owner.uuid(), vtime, weight, queued }
    }

    #[test]
    fn a_position_counts_who_is_served_before_and_not_everybody_who_waits() {
        let (many, few, heavy) = (UserId::generate(), UserId::generate(), UserId::generate());
        let lines = Lines::default();
        lines.replace(vec![
            waiting(many, 0.0, 1.0, 500),
            waiting(few, 0.5, 1.0, 1),
            waiting(heavy, 0.0, 4.0, 100),
        ]);
        // Her turn is at 1.5: one of the first user's at 1, five of the third's at 0.25 to 1.25.
        assert_eq!(lines.ahead("q", few, 1), 6);
        // His tenth is at 10: nine of his own, the other's only one, and 39 of the third's.
        assert_eq!(lines.ahead("q", many, 10), 9 + 1 + 39);
        assert_eq!(lines.ahead("q", many, 500), 499 + 1 + 100);
        assert_eq!((lines.own("q", many), lines.own("q", UserId::generate())), (500, 0));
        assert_eq!(lines.ahead("empty", few, 3), 2);
    }

    #[test]
    fn who_is_not_in_the_line_yet_joins_where_it_begins() {
        let (old, new) = (UserId::generate(), UserId::generate());
        let lines = Lines::default();
        lines.replace(vec![waiting(old, 40.0, 1.0, 500)]);
        assert_eq!(lines.ahead("q", new, 1), 0);
        assert_eq!(lines.ahead("q", new, 3), 4);
    }
}
