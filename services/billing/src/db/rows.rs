//! Rows as PostgreSQL and the ledger exchange them: composite types, many in one array.

use imagioo_types::{Credits, GenerationId, UserId};
use sqlx::types::Uuid;
use time::OffsetDateTime;

use crate::ledger::{Bucket, BucketId, Hold, Kind, Part, Posting, Wallet, WriteOff};

/// The new figures of a wallet whose version is still `version`.
#[derive(Debug, sqlx::Type)]
#[sqlx(type_name = "billing.wallet_row")]
pub(crate) struct WalletRow {
    owner: UserId,
    version: i64,
    available: Credits,
    reserved: Credits,
    debt: Credits,
}

/// A whole bucket.
#[derive(Debug, sqlx::Type)]
#[sqlx(type_name = "billing.bucket_row")]
pub(crate) struct BucketRow {
    id: Uuid,
    owner: UserId,
    natural_key: String,
    source: String,
    promotional: bool,
    granted: Credits,
    remaining: Credits,
    reserved: Credits,
    granted_at: OffsetDateTime,
    expires_at: Option<OffsetDateTime>,
}

/// A whole hold, without its parts.
#[derive(Debug, sqlx::Type)]
#[sqlx(type_name = "billing.hold_row")]
pub(crate) struct HoldRow {
    id: GenerationId,
    owner: UserId,
    request_id: String,
    body_hash: Vec<u8>,
    amount: Credits,
    captured: Credits,
    state: String,
    created_at: OffsetDateTime,
    resolve_after: OffsetDateTime,
    resolved_at: Option<OffsetDateTime>,
}

/// The share of an open hold that one bucket gave.
#[derive(Debug, sqlx::Type)]
#[sqlx(type_name = "billing.part_row")]
pub(crate) struct PartRow {
    hold: GenerationId,
    bucket: Uuid,
    amount: Credits,
}

/// One entry of a posting.
#[derive(Debug, sqlx::Type)]
#[sqlx(type_name = "billing.entry_row")]
pub(crate) struct EntryRow {
    posting: Uuid,
    line: i32,
    owner: UserId,
    account: String,
    bucket: Option<Uuid>,
    amount: Credits,
    kind: String,
    generation: Option<GenerationId>,
    source: Option<String>,
    effective_at: OffsetDateTime,
}

/// A write-off.
#[derive(Debug, sqlx::Type)]
#[sqlx(type_name = "billing.write_off_row")]
pub(crate) struct WriteOffRow {
    generation: GenerationId,
    owner: UserId,
    amount: Credits,
}

/// A stored row that the ledger cannot have written.
#[derive(Debug, thiserror::Error)]
#[error("a row of the ledger cannot be read")]
pub(crate) struct UnreadableRow(#[source] Box<dyn std::error::Error + Send + Sync>);

impl UnreadableRow {
    fn because(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
        sqlx::Error::Decode(Box::new(Self(error.into())))
    }
}

impl BucketRow {
    pub(crate) fn new(owner: UserId, bucket: &Bucket) -> Self {
        Self {
            id: bucket.id.uuid(),
            owner,
            natural_key: bucket.natural_key.clone(),
            source: bucket.source.as_str().to_owned(),
            promotional: bucket.promotional,
            granted: bucket.granted,
            remaining: bucket.remaining,
            reserved: bucket.reserved,
            granted_at: bucket.granted_at,
            expires_at: bucket.expires_at,
        }
    }

    pub(crate) fn read(self) -> Result<Bucket, sqlx::Error> {
        Ok(Bucket {
            id: BucketId::from_uuid(self.id),
            natural_key: self.natural_key,
            source: self.source.parse().map_err(UnreadableRow::because)?,
            promotional: self.promotional,
            granted: self.granted,
            remaining: self.remaining,
            reserved: self.reserved,
            granted_at: self.granted_at,
            expires_at: self.expires_at,
        })
    }
}

impl HoldRow {
    pub(crate) fn new(owner: UserId, hold: &Hold) -> Self {
        Self {
            id: hold.generation,
            owner,
            request_id: hold.request_id.clone(),
            body_hash: hold.body_hash.to_vec(),
            amount: hold.amount,
            captured: hold.captured,
            state: hold.state.as_str().to_owned(),
            created_at: hold.created_at,
            resolve_after: hold.resolve_after,
            resolved_at: hold.resolved_at,
        }
    }

    /// The hold with those of `parts` that are its own.
    pub(crate) fn read(self, parts: &[PartRow]) -> Result<Hold, sqlx::Error> {
        Ok(Hold {
            generation: self.id,
            request_id: self.request_id,
            body_hash: self.body_hash.try_into().map_err(|_| UnreadableRow::because("hash length"))?,
            amount: self.amount,
            captured: self.captured,
            state: self.state.parse().map_err(UnreadableRow::because)?,
            created_at: self.created_at,
            resolve_after: self.resolve_after,
            resolved_at: self.resolved_at,
            parts: parts.iter().filter(|part| part.hold == self.id).map(PartRow::read).collect(),
        })
    }
}

impl PartRow {
    const fn read(&self) -> Part {
        Part { bucket: BucketId::from_uuid(self.bucket), amount: self.amount }
    }
}

impl WalletRow {
    pub(crate) const fn new(wallet: &Wallet) -> Self {
        Self {
            owner: wallet.owner,
            version: wallet.version,
            available: wallet.available,
            reserved: wallet.reserved,
            debt: wallet.debt,
        }
    }
}

impl WriteOffRow {
    pub(crate) const fn new(owner: UserId, write_off: WriteOff) -> Self {
        Self { generation: write_off.generation, owner, amount: write_off.amount }
    }

    pub(crate) const fn read(&self) -> WriteOff {
        WriteOff { generation: self.generation, amount: self.amount }
    }
}

impl EntryRow {
    /// The rows of one posting. The posting that makes a hold bears the hold's id.
    pub(crate) fn of(owner: UserId, posting: &Posting) -> impl Iterator<Item = Self> + '_ {
        let id = match (posting.kind, posting.generation) {
            (Kind::Hold, Some(generation)) => generation.uuid(),
            _ => Uuid::now_v7(),
        };
        (0..).zip(&posting.entries).map(move |(line, entry)| Self {
            posting: id,
            line,
            owner,
            account: entry.account.to_string(),
            bucket: entry.account.bucket().map(BucketId::uuid),
            amount: entry.amount,
            kind: posting.kind.as_str().to_owned(),
            generation: posting.generation,
            source: posting.source.map(|source| source.as_str().to_owned()),
            effective_at: posting.effective_at,
        })
    }
}
