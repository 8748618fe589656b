//! `generation.images`: delivered results, and uploads.

use imagioo_picture::Format;
use imagioo_types::{GenerationId, ImageId, UserId};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::broken;
use crate::generation::Image;

struct Row {
    id: Uuid,
    generation: Option<Uuid>,
    owner: Uuid,
    index: i32,
    object_key: String,
    format: String,
    width: i32,
    height: i32,
    size_bytes: i64,
    sha256: Vec<u8>,
    seed: Option<i64>,
    created_at: OffsetDateTime,
}

impl TryFrom<Row> for Image {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: ImageId::from_uuid(row.id),
            generation: row.generation.map(GenerationId::from_uuid),
            owner: UserId::from_uuid(row.owner),
            index: row.index,
            object_key: row.object_key,
            format: Format::parse(&row.format).ok_or_else(|| broken(row.format))?,
            width: row.width,
            height: row.height,
            size_bytes: row.size_bytes,
            sha256: row.sha256,
            seed: row.seed,
            created_at: row.created_at,
        })
    }
}

/// A checked look-up of whole rows: what follows `from`, then its arguments.
macro_rules! select {
    ($rest:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"select id, generation, owner, index, object_key, format, width, height, size_bytes, sha256, seed,
                      created_at
               from generation.images "# + $rest,
            $($argument),+
        )
    };
}

/// The owner's image with this id.
pub(crate) async fn find_owned(
    conn: &mut PgConnection,
    owner: UserId,
    id: ImageId,
) -> Result<Option<Image>, sqlx::Error> {
    let row =
        select!(r#"where id = $1 and owner = $2"#, id.uuid(), owner.uuid(),).fetch_optional(conn).await?;
    row.map(Image::try_from).transpose()
}

/// The owner's images older than `before`, newest first.
pub(crate) async fn list(
    conn: &mut PgConnection,
    owner: UserId,
    before: Option<ImageId>,
    limit: i64,
) -> Result<Vec<Image>, sqlx::Error> {
    let rows = select!(
        r#"where owner = $1 and ($2::uuid is null or id < $2)
           order by id desc limit $3"#,
        owner.uuid(),
        before.map(ImageId::uuid),
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Image::try_from).collect()
}

/// The images of these generations, in order.
pub(crate) async fn list_of(
    conn: &mut PgConnection,
    generations: &[Uuid],
) -> Result<Vec<Image>, sqlx::Error> {
    let rows = select!(r#"where generation = any($1) order by generation, index"#, generations,)
        .fetch_all(conn)
        .await?;
    rows.into_iter().map(Image::try_from).collect()
}

/// Keeps an upload, unless its owner has the same file already; answers the kept image.
pub(crate) async fn insert_upload(conn: &mut PgConnection, image: &Image) -> Result<Image, sqlx::Error> {
    sqlx::query!(
        r#"insert into generation.images
               (id, generation, owner, index, object_key, format, width, height, size_bytes, sha256, created_at, origin)
           values ($1, null, $2, 0, $3, $4, $5, $6, $7, $8, $9, 'upload')
           on conflict (owner, sha256) where origin = 'upload' do nothing"#,
        image.id.uuid(),
        image.owner.uuid(),
        image.object_key,
        image.format.as_str(),
        image.width,
        image.height,
        image.size_bytes,
        image.sha256,
        image.created_at,
    )
    .execute(&mut *conn)
    .await?;
    let kept = find_upload(conn, image.owner, &image.sha256).await?;
    kept.ok_or(sqlx::Error::RowNotFound)
}

/// The owner's image of the file with this hash: the first that was made, else the upload.
pub(crate) async fn find_file(
    conn: &mut PgConnection,
    owner: UserId,
    sha256: &[u8],
) -> Result<Option<Image>, sqlx::Error> {
    let row = select!(
        r#"where owner = $1 and sha256 = $2 order by generation is null, id limit 1"#,
        owner.uuid(),
        sha256
    )
    .fetch_optional(conn)
    .await?;
    row.map(Image::try_from).transpose()
}

/// The owner's upload of the file with this hash.
async fn find_upload(
    conn: &mut PgConnection,
    owner: UserId,
    sha256: &[u8],
) -> Result<Option<Image>, sqlx::Error> {
    let row = select!(r#"where owner = $1 and sha256 = $2 and origin = 'upload'"#, owner.uuid(), sha256)
        .fetch_optional(conn)
        .await?;
    row.map(Image::try_from).transpose()
}

/// Which of these object keys an image names.
pub(crate) async fn named_keys(conn: &mut PgConnection, keys: &[String]) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!("select object_key from generation.images where object_key = any($1)", keys)
        .fetch_all(conn)
        .await
}
