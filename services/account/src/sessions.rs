//! Sessions: sign-in, refresh, sign-out.

use imagioo_rpc::Subject;
use imagioo_runtime::database::begin;
use imagioo_types::{Credential, SessionId, UserId};
use secrecy::SecretString;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::access::AccessToken;
use crate::app::App;
use crate::credential::RefreshToken;
use crate::db;
use crate::db::sessions::LiveSession;
use crate::db::users::StoredPassword;
use crate::deny_list;
use crate::email::Email;
use crate::errors::AccountError;
use crate::instruments;
use crate::password::Verdict;

/// A live session and the pair of tokens that its owner holds from now on.
pub(crate) struct SignedIn {
    pub(crate) session: SessionId,
    /// When the session ends unless it is refreshed.
    pub(crate) expires_at: OffsetDateTime,
    pub(crate) access: AccessToken,
    pub(crate) refresh: SecretString,
}

/// Opens a session for the right password.
///
/// An unknown address costs the same work and gets the same answer as a wrong password. A hash of an older cost is
/// replaced on the way.
///
/// # Errors
/// [`AccountError::TooManyAttempts`], also for the right password; [`AccountError::WrongCredentials`].
pub(crate) async fn sign_in(
    app: &App,
    email: &str,
    password: SecretString,
) -> Result<SignedIn, AccountError> {
    let mut connection = app.pool.acquire().await?;
    let address = app.throttle.admit(&mut connection, email).await.inspect_err(refused)?;
    let stored = match Email::parse(email) {
        Some(email) => db::users::password_of(&mut connection, &email).await?,
        None => None,
    };
    // Hashing may wait for its turn; nobody should wait for this connection meanwhile.
    drop(connection);
    let hash = stored.as_ref().map(|stored| stored.password_hash.clone());
    let verdict = app.hasher.verify(password.clone(), hash).await?;
    let (Some(stored), Verdict::Right { outdated }) = (stored, verdict) else {
        refused(&AccountError::WrongCredentials);
        return Err(AccountError::WrongCredentials);
    };
    if outdated {
        upgrade(app, &stored, password).await?;
    }
    let mut transaction = begin(&app.pool).await?;
    app.throttle.forget(&mut transaction, &address).await?;
    let signed_in = open(app, &mut transaction, stored.id).await?;
    transaction.commit().await?;
    instruments::sign_in("right");
    Ok(signed_in)
}

fn refused(error: &AccountError) {
    let outcome = match error {
        AccountError::TooManyAttempts { .. } => "delayed",
        AccountError::WrongCredentials => "wrong",
        _ => return,
    };
    instruments::sign_in(outcome);
}

async fn upgrade(app: &App, stored: &StoredPassword, password: SecretString) -> Result<(), AccountError> {
    let hash = app.hasher.hash(password).await?;
    let mut connection = app.pool.acquire().await?;
    db::users::replace_password(&mut connection, stored, &hash).await?;
    tracing::info!(user = %stored.id, "password hash upgraded");
    Ok(())
}

/// Opens a session in the caller's transaction.
///
/// # Errors
/// [`AccountError::Database`], [`AccountError::Random`], [`AccountError::Sign`].
pub(crate) async fn open(
    app: &App,
    connection: &mut PgConnection,
    user: UserId,
) -> Result<SignedIn, AccountError> {
    let (token, text) = RefreshToken::first(SessionId::generate())?;
    let session = db::sessions::insert(connection, user, &token, &app.sessions).await?;
    signed_in(app, &session, text)
}

/// Exchanges a refresh token for the next pair. Each works once: a spent one ends its session, because either its owner
/// or a thief holds the newer one and nobody can tell which.
///
/// # Errors
/// [`AccountError::SessionOver`], whatever the reason.
pub(crate) async fn refresh(app: &App, presented: &str) -> Result<SignedIn, AccountError> {
    let spent = RefreshToken::parse(presented).ok_or(AccountError::SessionOver)?;
    let (next, text) = spent.next()?;
    let mut connection = app.pool.acquire().await?;
    if let Some(session) = db::sessions::refresh(&mut connection, &spent, &next, &app.sessions).await? {
        return signed_in(app, &session, text);
    }
    drop(connection);
    end_if_reused(app, &spent).await?;
    Err(AccountError::SessionOver)
}

async fn end_if_reused(app: &App, token: &RefreshToken) -> Result<(), AccountError> {
    let mut transaction = begin(&app.pool).await?;
    let Some(owner) = db::sessions::end_reused(&mut transaction, token).await? else { return Ok(()) };
    deny_list::add(app, &mut transaction, owner, Subject::Session(token.session)).await?;
    transaction.commit().await?;
    app.revoked.notify_one();
    instruments::token_reused();
    tracing::warn!(user = %owner, session = %token.session, "refresh token used twice, session ended");
    Ok(())
}

/// Ends the session of a refresh token, be it the newest or an older one. Repeating it changes nothing.
///
/// # Errors
/// [`AccountError::SessionOver`] for a token of no session on record.
pub(crate) async fn sign_out(app: &App, presented: &str) -> Result<(), AccountError> {
    let token = RefreshToken::parse(presented).ok_or(AccountError::SessionOver)?;
    let mut transaction = begin(&app.pool).await?;
    let Some(owner) = db::sessions::end_signed_out(&mut transaction, &token).await? else {
        let known = db::sessions::exists(&mut transaction, &token).await?;
        return if known { Ok(()) } else { Err(AccountError::SessionOver) };
    };
    deny_list::add(app, &mut transaction, owner, Subject::Session(token.session)).await?;
    transaction.commit().await?;
    app.revoked.notify_one();
    Ok(())
}

fn signed_in(app: &App, session: &LiveSession, refresh: SecretString) -> Result<SignedIn, AccountError> {
    let credential = Credential::Session(session.id);
    let access = app.issuer.issue(session.owner, credential, session.remaining)?;
    Ok(SignedIn { session: session.id, expires_at: session.expires_at, access, refresh })
}
