//! Saving presets: the first version, the next one, and the end of a preset.

use imagioo_rpc::{Code, RpcError};
use imagioo_runtime::database::begin;
use sqlx::PgConnection;

use crate::app::App;
use crate::db::presets::{self, Head};
use crate::error::Error;
use crate::preset::{Content, Preset, Shelf};
use crate::presets::check;

/// Most presets of one user; names of deleted ones count, since they keep their versions.
const MOST: i64 = 1_000;
/// Most versions of one preset.
const MOST_VERSIONS: i32 = 10_000;

/// Makes a preset. The same again finds it, so that a lost answer does no harm.
pub(crate) async fn create(app: &App, shelf: Shelf, slug: &str, content: Content) -> Result<Preset, Error> {
    check::check(app, &content)?;
    let mut tx = begin(&app.pool).await?;
    if let Some(owner) = shelf.owner() {
        // One at a time for each user, so that the count below stays true.
        presets::lock_owner(&mut tx, owner).await?;
    }
    let preset = match presets::lock(&mut tx, shelf, slug).await? {
        Some(head) if head.deleted => next_version(&mut tx, shelf, slug, &head, &content).await?,
        Some(head) => {
            let newest = newest(&mut tx, shelf, slug).await?;
            if newest.content != content {
                return Err(taken(slug).into());
            }
            tracing::debug!(preset = %head.id, "preset made again with the same content");
            newest
        }
        None => {
            within_quota(&mut tx, shelf).await?;
            if !presets::insert(&mut tx, shelf, slug).await? {
                return Err(taken(slug).into());
            }
            let head = presets::lock(&mut tx, shelf, slug).await?.ok_or(sqlx::Error::RowNotFound)?;
            presets::insert_version(&mut tx, head.id, 1, &content).await?;
            newest(&mut tx, shelf, slug).await?
        }
    };
    tx.commit().await?;
    Ok(preset)
}

/// Makes the next version of a preset that is still as `etag` says; an empty one fits all.
pub(crate) async fn update(
    app: &App,
    shelf: Shelf,
    slug: &str,
    (etag, content): (&str, Content),
) -> Result<Preset, Error> {
    check::check(app, &content)?;
    let mut tx = begin(&app.pool).await?;
    let head = existing(&mut tx, shelf, slug).await?;
    let before = newest(&mut tx, shelf, slug).await?;
    if before.content == content {
        return Ok(before);
    }
    unchanged(&head, etag, "preset.etag")?;
    let preset = next_version(&mut tx, shelf, slug, &head, &content).await?;
    tx.commit().await?;
    Ok(preset)
}

/// Deletes a preset that is still as `etag` says; an empty one fits all.
pub(crate) async fn delete(app: &App, shelf: Shelf, slug: &str, etag: &str) -> Result<(), Error> {
    let mut tx = begin(&app.pool).await?;
    let head = existing(&mut tx, shelf, slug).await?;
    unchanged(&head, etag, "etag")?;
    presets::delete(&mut tx, head.id).await?;
    tx.commit().await?;
    Ok(())
}

/// What stands for a version in an update.
pub(crate) fn etag(version: i32) -> String {
    format!("v{version}")
}

async fn existing(conn: &mut PgConnection, shelf: Shelf, slug: &str) -> Result<Head, Error> {
    let head = presets::lock(conn, shelf, slug).await?.filter(|head| !head.deleted);
    head.ok_or_else(|| RpcError::not_found("preset").into())
}

async fn newest(conn: &mut PgConnection, shelf: Shelf, slug: &str) -> Result<Preset, Error> {
    Ok(presets::find(conn, shelf, slug, None).await?.ok_or(sqlx::Error::RowNotFound)?)
}

async fn next_version(
    conn: &mut PgConnection,
    shelf: Shelf,
    slug: &str,
    head: &Head,
    content: &Content,
) -> Result<Preset, Error> {
    if head.version >= MOST_VERSIONS {
        return Err(RpcError::new(
            Code::QuotaExceeded,
            format!("a preset has at most {MOST_VERSIONS} versions: make another one"),
        )
        .into());
    }
    presets::insert_version(conn, head.id, head.version + 1, content).await?;
    presets::advance(conn, head.id, head.version + 1).await?;
    newest(conn, shelf, slug).await
}

async fn within_quota(conn: &mut PgConnection, shelf: Shelf) -> Result<(), Error> {
    let Some(owner) = shelf.owner() else { return Ok(()) };
    if presets::count(conn, owner).await? < MOST {
        return Ok(());
    }
    Err(RpcError::new(
        Code::QuotaExceeded,
        format!("you have {MOST} presets, deleted ones included: update one, or use the name of a deleted one again"),
    )
    .into())
}

fn taken(slug: &str) -> RpcError {
    RpcError::new(Code::NameTaken, "there is a preset of this name")
        .field("preset_id", format!("`{slug}` is in use: choose another, or update that preset"))
}

fn unchanged(head: &Head, etag: &str, field: &'static str) -> Result<(), RpcError> {
    if etag.is_empty() || etag == self::etag(head.version) {
        return Ok(());
    }
    let now = self::etag(head.version);
    Err(RpcError::new(Code::EtagMismatch, "the preset was changed meanwhile: read it again, then change it")
        .field(field, format!("is {now} now")))
}
