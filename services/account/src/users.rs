//! People: sign-up, and what a person sees of their account.

use fail::fail_point;
use imagioo_proto::account::v1::AccountVerified;
use imagioo_queue::Message;
use imagioo_runtime::database::{begin, begin_as};
use imagioo_types::UserId;
use prost_types::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use crate::app::{App, USER_ROLE};
use crate::db;
use crate::db::users::UserRow;
use crate::email::Email;
use crate::errors::AccountError;
use crate::instruments;
use crate::password;
use crate::sessions::{self, SignedIn};

/// Creates an account and signs it in.
///
/// The address counts as the person's own until there is mail to prove it: `AccountVerified` is announced at once, while
/// `email_verified` of the account stays false. For the same reason the answer tells whether an address has an account,
/// which only a mailed answer could hide; sign-in does not tell.
///
/// # Errors
/// [`AccountError::EmailInvalid`], [`AccountError::WeakPassword`], [`AccountError::EmailTaken`].
pub(crate) async fn sign_up(
    app: &App,
    email: &str,
    password: SecretString,
) -> Result<(UserRow, SignedIn), AccountError> {
    let email = Email::parse(email).ok_or(AccountError::EmailInvalid)?;
    password::check(password.expose_secret(), &email)?;
    let hash = app.hasher.hash(password).await?;
    let mut transaction = begin(&app.pool).await?;
    let user = db::users::insert(&mut transaction, UserId::generate(), &email, &hash)
        .await?
        .ok_or(AccountError::EmailTaken)?;
    let signed_in = sessions::open(app, &mut transaction, user.id).await?;
    db::outbox::insert(&mut transaction, &Message::of(&verified(&user))).await?;
    fail_point!("account.sign_up.before_commit");
    transaction.commit().await?;
    fail_point!("account.sign_up.after_commit");
    app.outbox.notify_one();
    instruments::signed_up();
    tracing::info!(user = %user.id, "account created");
    Ok((user, signed_in))
}

/// The account of the caller.
///
/// # Errors
/// [`AccountError::NoSuchUser`] when it was deleted meanwhile.
pub(crate) async fn get_me(app: &App, user: UserId) -> Result<UserRow, AccountError> {
    let mut transaction = begin_as(&app.pool, USER_ROLE, user).await?;
    let row = db::users::get(&mut transaction, user).await?;
    transaction.commit().await?;
    row.ok_or(AccountError::NoSuchUser)
}

fn verified(user: &UserRow) -> AccountVerified {
    let at = user.created_at;
    let verify_time =
        Timestamp { seconds: at.unix_timestamp(), nanos: i32::try_from(at.nanosecond()).unwrap_or(0) };
    AccountVerified { user: user.id.name(), verify_time: Some(verify_time) }
}
