//! `billing.holds`: credits set aside for generations.

use std::time::Duration;

use imagioo_types::{GenerationId, UserId};
use sqlx::PgConnection;
use sqlx::postgres::types::PgInterval;

/// An open hold past its time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Overdue {
    pub(crate) generation: GenerationId,
    pub(crate) owner: UserId,
}

/// Takes open holds past their time, the oldest first and at most `limit`, and puts their time off by `again`, so that
/// nobody else takes them meanwhile.
pub(crate) async fn claim_overdue(
    connection: &mut PgConnection,
    limit: i64,
    again: Duration,
) -> Result<Vec<Overdue>, sqlx::Error> {
    sqlx::query_as!(
        Overdue,
        r#"
        update billing.holds set resolve_after = billing.clock_now() + $2
        where id in (
            select id from billing.holds
            where state = 'open' and resolve_after <= (select billing.clock_now())
            order by resolve_after limit $1
            for update skip locked
        )
        returning id as "generation: GenerationId", owner as "owner: UserId"
        "#,
        limit,
        PgInterval::try_from(again).map_err(sqlx::Error::Encode)?,
    )
    .fetch_all(connection)
    .await
}

/// How many holds are neither captured nor released.
pub(crate) async fn count_open(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from billing.holds where state = 'open'"#)
        .fetch_one(connection)
        .await
}
