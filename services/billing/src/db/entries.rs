//! `billing.entries`: why every balance is what it is.

use imagioo_types::{Credits, GenerationId, UserId};
use sqlx::PgConnection;
use time::OffsetDateTime;

/// A posting as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatementLine {
    pub(crate) id: i64,
    pub(crate) kind: String,
    pub(crate) available_change: Credits,
    pub(crate) reserved_change: Credits,
    pub(crate) generation: Option<GenerationId>,
    pub(crate) source: Option<String>,
    pub(crate) posted_at: OffsetDateTime,
    pub(crate) effective_at: OffsetDateTime,
}

/// The postings that touched `owner`'s credits, newest first: at most `limit`, all older than the line `before`.
pub(crate) async fn statement(
    connection: &mut PgConnection,
    owner: UserId,
    before: i64,
    limit: i64,
) -> Result<Vec<StatementLine>, sqlx::Error> {
    sqlx::query_as!(
        StatementLine,
        r#"
        select head.id, head.kind, head.generation as "generation: GenerationId", head.source, head.posted_at,
            head.effective_at, sums.available as "available_change!: Credits",
            sums.reserved as "reserved_change!: Credits"
        from (
            select id, posting, kind, generation, source, posted_at, effective_at from billing.entries
            where owner = $1 and id < $2 and line = 0 and account in ('available', 'reserved', 'debt')
            order by id desc limit $3
        ) head
        cross join lateral (
            select coalesce(sum(e.amount) filter (where e.account = 'available'), 0)::bigint as available,
                coalesce(sum(e.amount) filter (where e.account = 'reserved'), 0)::bigint as reserved
            from billing.entries e where e.posting = head.posting
        ) sums
        order by head.id desc
        "#,
        owner.uuid(),
        before,
        limit,
    )
    .fetch_all(connection)
    .await
}
