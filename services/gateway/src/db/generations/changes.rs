//! What a watcher of everything a user has compares: what is open and what ended, by version.

use imagioo_types::{GenerationId, UserId};
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use super::State;
use crate::db::broken;

/// As much of a generation as tells whether it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Brief {
    pub(crate) id: GenerationId,
    pub(crate) version: i64,
    pub(crate) state: State,
    pub(crate) deployment: String,
}

/// The time by which everything that ended earlier than `slack` before is there to be seen.
pub(crate) async fn settled_by(
    conn: &mut PgConnection,
    slack: Duration,
) -> Result<OffsetDateTime, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select generation.clock_now() - make_interval(secs => $1) as "at!""#,
        slack.as_seconds_f64(),
    )
    .fetch_one(conn)
    .await
}

/// The user's open generations, and those that ended after `since`, oldest first.
pub(crate) async fn list(
    conn: &mut PgConnection,
    owner: UserId,
    since: OffsetDateTime,
) -> Result<Vec<Brief>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"with ids as (
               select b.generation as id from generation.dispatch_users u
               join generation.backlog b on b.queue = u.queue and b.owner = u.owner
               where u.owner = $1 and u.queued > 0
               union
               select id from generation.generations where owner = $1 and state in ('dispatched', 'running')
               union
               select id from generation.generations where owner = $1 and ended_at is not null and ended_at > $2
           )
           select g.id, g.version, g.state, g.deployment from ids join generation.generations g using (id)
           where g.state <> 'void'
           order by g.id"#,
        owner.uuid(),
        since,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let state = State::try_from(row.state).map_err(broken)?;
            let id = GenerationId::from_uuid(row.id);
            Ok(Brief { id, version: row.version, state, deployment: row.deployment })
        })
        .collect()
}
