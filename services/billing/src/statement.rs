//! What changed a person's balance.

use imagioo_runtime::database::begin_as;
use imagioo_types::UserId;
use sqlx::PgPool;

use crate::USER_ROLE;
use crate::db::entries::{self, StatementLine};

/// Some lines of a statement, newest first.
pub(crate) struct Page {
    pub(crate) lines: Vec<StatementLine>,
    /// Where the next page begins, if there is one.
    pub(crate) next: Option<i64>,
}

/// At most `size` lines of `owner`'s statement, from the position `before` of an earlier page.
pub(crate) async fn list(
    pool: &PgPool,
    owner: UserId,
    before: Option<i64>,
    size: i64,
) -> Result<Page, sqlx::Error> {
    let mut transaction = begin_as(pool, USER_ROLE, owner).await?;
    let found = entries::statement(&mut transaction, owner, before.unwrap_or(i64::MAX), size + 1).await;
    let mut lines = found?;
    transaction.commit().await?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = lines.len() > size;
    lines.truncate(size);
    let next = lines.last().filter(|_| more).map(|line| line.id);
    Ok(Page { lines, next })
}
