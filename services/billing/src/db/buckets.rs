//! `billing.buckets`: the credits of each grant.

use imagioo_types::UserId;
use sqlx::PgConnection;

/// Owners with expired credits that are not booked, at most `limit`.
pub(crate) async fn owners_to_expire(
    connection: &mut PgConnection,
    limit: i64,
) -> Result<Vec<UserId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        select distinct owner as "owner: UserId" from billing.buckets
        where live and remaining > 0 and expires_at <= (select billing.clock_now())
        order by owner limit $1
        "#,
        limit,
    )
    .fetch_all(connection)
    .await
}
