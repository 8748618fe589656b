//! What a person has now.

use imagioo_runtime::database::begin_as;
use imagioo_types::UserId;
use sqlx::PgPool;

use crate::USER_ROLE;
use crate::db::balance::{self, Balance};

/// The balance of `owner`; nothing for somebody who never had a grant.
pub(crate) async fn get(pool: &PgPool, owner: UserId) -> Result<Option<Balance>, sqlx::Error> {
    let mut transaction = begin_as(pool, USER_ROLE, owner).await?;
    let found = balance::get(&mut transaction, owner).await?;
    transaction.commit().await?;
    Ok(found)
}
