//! What one owner has now, as that owner may see it.

use imagioo_types::{Credits, UserId};
use sqlx::PgConnection;

/// Three figures, each zero or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Balance {
    pub(crate) available: Credits,
    pub(crate) reserved: Credits,
    pub(crate) debt: Credits,
}

/// The balance of `owner`. Expired credits do not count, booked or not.
pub(crate) async fn get(
    connection: &mut PgConnection,
    owner: UserId,
) -> Result<Option<Balance>, sqlx::Error> {
    sqlx::query_as!(
        Balance,
        r#"
        select w.reserved as "reserved: Credits", w.debt as "debt: Credits", (
            select coalesce(sum(b.remaining), 0)::bigint from billing.buckets b
            where b.owner = w.owner and b.live
                and (b.expires_at is null or b.expires_at > (select billing.clock_now()))
        ) as "available!: Credits"
        from billing.wallets w where w.owner = $1
        "#,
        owner.uuid(),
    )
    .fetch_optional(connection)
    .await
}
