//! `generation.presets` and `generation.preset_versions`: names, and what each version says.

use imagioo_picture::{Operation, Settings};
use imagioo_types::{Credits, UserId, Wording};
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::broken;
use crate::preset::{Content, Preset, Shelf};

/// A preset without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) id: Uuid,
    /// The newest version.
    pub(crate) version: i32,
    pub(crate) deleted: bool,
}

/// Which presets are listed; what is absent is not asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) shared: Option<bool>,
    pub(crate) model: Option<String>,
    pub(crate) operation: Option<Operation>,
    /// A part of name, title or description.
    pub(crate) query: Option<String>,
}

/// Where a list goes on: after this preset.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub(crate) struct Place {
    pub(crate) shared: bool,
    pub(crate) slug: String,
}

struct Row {
    owner: Option<Uuid>,
    slug: String,
    deleted_at: Option<OffsetDateTime>,
    version: i32,
    title: String,
    description: String,
    model: Option<String>,
    operation: Option<String>,
    settings: Json<Settings>,
    template: String,
    negative_prompt: String,
    surcharge: i64,
    created_at: OffsetDateTime,
}

impl TryFrom<Row> for Preset {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let operation = |name: String| Operation::parse(&name).ok_or_else(|| broken(name));
        Ok(Self {
            shared: row.owner.is_none(),
            slug: row.slug,
            version: row.version,
            content: Content {
                title: row.title,
                description: row.description,
                model: row.model,
                operation: row.operation.map(operation).transpose()?,
                settings: row.settings.0,
                words: Wording::from_texts(row.template, row.negative_prompt).map_err(broken)?,
                surcharge: Credits::new(row.surcharge),
            },
            created_at: row.created_at,
            deleted_at: row.deleted_at,
        })
    }
}

/// A checked look-up of whole versions: what follows the join, then its arguments.
macro_rules! select {
    ($rest:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"select p.owner, p.slug, p.deleted_at, v.version, v.title, v.description, v.model, v.operation,
                      v.settings as "settings: Json<Settings>", v.template, v.negative_prompt, v.surcharge, v.created_at
               from generation.presets p join generation.preset_versions v on v.preset = p.id "# + $rest,
            $($argument),+
        )
    };
}

fn owner_of(shelf: Shelf) -> Option<Uuid> {
    shelf.owner().map(UserId::uuid)
}

/// A version of the preset with this name, the newest when none is named; a deleted preset, too.
pub(crate) async fn find(
    conn: &mut PgConnection,
    shelf: Shelf,
    slug: &str,
    version: Option<i32>,
) -> Result<Option<Preset>, sqlx::Error> {
    let row = select!(
        r#"where p.owner is not distinct from $1 and p.slug = $2 and v.version = coalesce($3, p.version)"#,
        owner_of(shelf),
        slug,
        version,
    )
    .fetch_optional(conn)
    .await?;
    row.map(Preset::try_from).transpose()
}

/// The newest versions of a user's presets, if one is named, and of the shared ones.
pub(crate) async fn list(
    conn: &mut PgConnection,
    owner: Option<UserId>,
    filter: &Filter,
    (after, limit): (Option<Place>, i64),
) -> Result<Vec<Preset>, sqlx::Error> {
    let (after_shared, after_slug) = after.map(|place| (place.shared, place.slug)).unzip();
    let rows = select!(
        r#"where v.version = p.version and p.deleted_at is null and (p.owner = $1 or p.owner is null)
             and ($2::bool is null or (p.owner is null) = $2)
             and ($3::text is null or v.model = $3)
             and ($4::text is null or v.operation = $4)
             and ($5::text is null
                  or position(lower($5) in lower(concat_ws(' ', p.slug, v.title, v.description))) > 0)
             and ($6::bool is null or (p.owner is null, p.slug) > ($6, $7))
           order by p.owner is null, p.slug
           limit $8"#,
        owner.map(UserId::uuid),
        filter.shared,
        filter.model.as_deref(),
        filter.operation.map(Operation::as_str),
        filter.query.as_deref(),
        after_shared,
        after_slug,
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Preset::try_from).collect()
}

/// The preset with this name, kept from others until the transaction ends.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    shelf: Shelf,
    slug: &str,
) -> Result<Option<Head>, sqlx::Error> {
    sqlx::query_as!(
        Head,
        r#"select id, version, deleted_at is not null as "deleted!" from generation.presets
           where owner is not distinct from $1 and slug = $2 for update"#,
        owner_of(shelf),
        slug,
    )
    .fetch_optional(conn)
    .await
}

/// Keeps others from making presets for this user until the transaction ends.
pub(crate) async fn lock_owner(conn: &mut PgConnection, owner: UserId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('generation.presets ' || $1::text, 0))",
        owner.uuid().to_string()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes a name; false when somebody else just did. Its first version is to follow in the same transaction.
pub(crate) async fn insert(conn: &mut PgConnection, shelf: Shelf, slug: &str) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "insert into generation.presets (id, owner, slug, version) values ($1, $2, $3, 1) on conflict do nothing",
        Uuid::now_v7(),
        owner_of(shelf),
        slug,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes a version.
pub(crate) async fn insert_version(
    conn: &mut PgConnection,
    preset: Uuid,
    version: i32,
    content: &Content,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"insert into generation.preset_versions (
               preset, version, owner, title, description, model, operation, settings, template, negative_prompt,
               surcharge, created_at
           )
           select id, $2, owner, $3, $4, $5, $6, $7, $8, $9, $10, generation.clock_now()
           from generation.presets where id = $1"#,
        preset,
        version,
        content.title,
        content.description,
        content.model.as_deref(),
        content.operation.map(Operation::as_str),
        serde_json::to_value(&content.settings).map_err(broken)?,
        content.words.prompt_text(),
        content.words.negative_text(),
        content.surcharge.get(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes a version the newest one, of a deleted preset, too, which then is none any more.
pub(crate) async fn advance(conn: &mut PgConnection, preset: Uuid, version: i32) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update generation.presets set version = $2, deleted_at = null where id = $1",
        preset,
        version
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Marks a preset as deleted.
pub(crate) async fn delete(conn: &mut PgConnection, preset: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("update generation.presets set deleted_at = generation.clock_now() where id = $1", preset)
        .execute(conn)
        .await?;
    Ok(())
}

/// Presets of a user, deleted ones included.
pub(crate) async fn count(conn: &mut PgConnection, owner: UserId) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from generation.presets where owner = $1"#,
        owner.uuid()
    )
    .fetch_one(conn)
    .await
}
