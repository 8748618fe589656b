//! Wallets and everything that moves with them: read as snapshots, changed by one statement.

use imagioo_types::{Credits, UserId};
use sqlx::PgConnection;
use sqlx::types::Uuid;
use time::OffsetDateTime;

use super::rows::{BucketRow, EntryRow, HoldRow, PartRow, WalletRow, WriteOffRow};
use crate::ledger::{Posting, Wallet};

/// Which wallets to load, and which of their holds, buckets and write-offs beside the live ones.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) owners: Vec<Uuid>,
    pub(crate) generations: Vec<Uuid>,
    pub(crate) generation_owners: Vec<Uuid>,
    pub(crate) request_ids: Vec<String>,
    pub(crate) request_owners: Vec<Uuid>,
    pub(crate) natural_keys: Vec<String>,
}

/// Wallets as of the instant `now` of the database's clock.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) now: OffsetDateTime,
    pub(crate) wallets: Vec<Wallet>,
}

struct SnapshotRow {
    now: OffsetDateTime,
    owner: UserId,
    version: i64,
    available: Credits,
    reserved: Credits,
    debt: Credits,
    frozen: bool,
    live_buckets: Option<Vec<BucketRow>>,
    granted_buckets: Option<Vec<BucketRow>>,
    holds: Option<Vec<HoldRow>>,
    parts: Option<Vec<PartRow>>,
    write_offs: Option<Vec<WriteOffRow>>,
}

impl SnapshotRow {
    fn read(self) -> Result<Wallet, sqlx::Error> {
        let parts = self.parts.unwrap_or_default();
        let buckets =
            self.live_buckets.into_iter().chain(self.granted_buckets).flatten().map(BucketRow::read);
        let holds = self.holds.unwrap_or_default().into_iter().map(|hold| hold.read(&parts));
        Ok(Wallet {
            owner: self.owner,
            version: self.version,
            available: self.available,
            reserved: self.reserved,
            debt: self.debt,
            frozen: self.frozen,
            buckets: buckets.collect::<Result<_, _>>()?,
            holds: holds.collect::<Result<_, _>>()?,
            write_offs: self.write_offs.iter().flatten().map(WriteOffRow::read).collect(),
        })
    }
}

/// The wallets of `asked.owners`, all in one snapshot of the database; an owner without a wallet has an empty one.
///
/// `offset 0` keeps each look-up a probe of an index, once per row asked for, and never a join with the whole table.
pub(crate) async fn load(connection: &mut PgConnection, asked: &Asked) -> Result<Snapshot, sqlx::Error> {
    let rows = sqlx::query_as!(
        SnapshotRow,
        r#"
        with found_holds as materialized (
            select distinct on (found.id) found.* from (
                select h.* from unnest($2::uuid[], $3::uuid[]) as n (owner, id)
                cross join lateral (select * from billing.holds where id = n.id offset 0) h
                where h.owner = n.owner
                union all
                select h.* from unnest($4::uuid[], $5::text[]) as n (owner, request_id)
                cross join lateral (
                    select * from billing.holds where owner = n.owner and request_id = n.request_id offset 0
                ) h
            ) found order by found.id
        ), holds as (
            select h.owner, array_agg((h.id, h.owner, h.request_id, h.body_hash, h.amount, h.captured,
                h.state, h.created_at, h.resolve_after, h.resolved_at)::billing.hold_row) as list
            from found_holds h group by h.owner
        ), parts as (
            select h.owner, array_agg((e.posting, e.bucket, e.amount)::billing.part_row order by e.line) as list
            from found_holds h
            cross join lateral (
                select * from billing.entries where posting = h.id and account = 'reserved' offset 0
            ) e
            where h.state = 'open' group by h.owner
        ), granted as (
            select b.owner, array_agg((b.id, b.owner, b.natural_key, b.source, b.promotional, b.granted,
                b.remaining, b.reserved, b.granted_at, b.expires_at)::billing.bucket_row) as list
            from unnest($6::text[]) as n (natural_key)
            cross join lateral (select * from billing.buckets where natural_key = n.natural_key offset 0) b
            where not b.live group by b.owner
        ), write_offs as (
            select w.owner, array_agg((w.generation, w.owner, w.amount)::billing.write_off_row) as list
            from unnest($2::uuid[], $3::uuid[]) as n (owner, id)
            cross join lateral (select * from billing.write_offs where generation = n.id offset 0) w
            where w.owner = n.owner group by w.owner
        )
        select (select billing.clock_now()) as "now!", a.owner as "owner!: UserId",
            coalesce(w.version, 0) as "version!", coalesce(w.available, 0) as "available!: Credits",
            coalesce(w.reserved, 0) as "reserved!: Credits", coalesce(w.debt, 0) as "debt!: Credits",
            coalesce(w.frozen, false) as "frozen!",
            live.list as "live_buckets: Vec<BucketRow>", granted.list as "granted_buckets: Vec<BucketRow>",
            holds.list as "holds: Vec<HoldRow>", parts.list as "parts: Vec<PartRow>",
            write_offs.list as "write_offs: Vec<WriteOffRow>"
        from unnest($1::uuid[]) as a (owner)
        left join lateral (select * from billing.wallets where owner = a.owner offset 0) w on true
        left join lateral (
            select array_agg((b.id, b.owner, b.natural_key, b.source, b.promotional, b.granted,
                b.remaining, b.reserved, b.granted_at, b.expires_at)::billing.bucket_row) as list
            from billing.buckets b where b.owner = a.owner and b.live
        ) live on true
        left join granted on granted.owner = a.owner
        left join holds on holds.owner = a.owner
        left join parts on parts.owner = a.owner
        left join write_offs on write_offs.owner = a.owner
        "#,
        &asked.owners,
        &asked.generation_owners,
        &asked.generations,
        &asked.request_owners,
        &asked.request_ids,
        &asked.natural_keys,
    )
    .fetch_all(connection)
    .await?;
    let now = rows.first().ok_or(sqlx::Error::RowNotFound)?.now;
    let wallets = rows.into_iter().map(SnapshotRow::read).collect::<Result<_, _>>()?;
    Ok(Snapshot { now, wallets })
}

/// Changes of wallets as rows.
#[derive(Debug)]
pub(crate) struct Changes {
    posted_at: OffsetDateTime,
    wallets: Vec<WalletRow>,
    buckets: Vec<BucketRow>,
    holds: Vec<HoldRow>,
    resolved_holds: Vec<HoldRow>,
    entries: Vec<EntryRow>,
    write_offs: Vec<WriteOffRow>,
}

impl Changes {
    /// No changes yet, to be written at this instant of the database's clock.
    pub(crate) const fn at(posted_at: OffsetDateTime) -> Self {
        Self {
            posted_at,
            wallets: Vec::new(),
            buckets: Vec::new(),
            holds: Vec::new(),
            resolved_holds: Vec::new(),
            entries: Vec::new(),
            write_offs: Vec::new(),
        }
    }

    /// Whether there is nothing to write.
    pub(crate) const fn is_empty(&self) -> bool {
        self.wallets.is_empty()
    }

    /// Adds what makes `before` into `after`. Wallets are added in the order of their owners.
    pub(crate) fn add(&mut self, before: &Wallet, after: &Wallet, postings: &[Posting]) {
        let owner = after.owner;
        self.wallets.push(WalletRow::new(after));
        for bucket in &after.buckets {
            if !before.buckets.contains(bucket) {
                self.buckets.push(BucketRow::new(owner, bucket));
            }
        }
        for hold in &after.holds {
            match before.holds.iter().find(|earlier| earlier.generation == hold.generation) {
                None => self.holds.push(HoldRow::new(owner, hold)),
                Some(earlier) if earlier == hold => {}
                Some(_) => self.resolved_holds.push(HoldRow::new(owner, hold)),
            }
        }
        let new_write_offs = after.write_offs.iter().filter(|entry| !before.write_offs.contains(entry));
        self.write_offs.extend(new_write_offs.map(|entry| WriteOffRow::new(owner, *entry)));
        self.entries.extend(postings.iter().flat_map(|posting| EntryRow::of(owner, posting)));
    }
}

/// Writes the changes of every wallet whose version is still the expected one, and tells their owners.
/// Nothing of the other owners' changes is written. Locks are taken in the order of owners.
///
/// Known rows are found through the conflict with their key, never through a join, whatever the planner believes about
/// the size of a table.
pub(crate) async fn apply(
    connection: &mut PgConnection,
    changes: &Changes,
) -> Result<Vec<UserId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        with moved as materialized (
            insert into billing.wallets as w (owner, available, reserved, debt, version)
            select n.owner, n.available, n.reserved, n.debt, n.version + 1 from unnest($1::billing.wallet_row[]) n
            on conflict (owner) do update set available = excluded.available, reserved = excluded.reserved,
                debt = excluded.debt, version = excluded.version
            where w.version = excluded.version - 1
            returning w.owner
        ), changed_buckets as (
            insert into billing.buckets (id, owner, natural_key, source, promotional, granted, remaining, reserved,
                granted_at, expires_at)
            select n.* from unnest($2::billing.bucket_row[]) n join moved on moved.owner = n.owner
            on conflict (id) do update set remaining = excluded.remaining, reserved = excluded.reserved
        ), new_holds as (
            insert into billing.holds (id, owner, request_id, body_hash, amount, captured, state, created_at,
                resolve_after, resolved_at)
            select n.* from unnest($3::billing.hold_row[]) n join moved on moved.owner = n.owner
        ), resolved_holds as (
            insert into billing.holds (id, owner, request_id, body_hash, amount, captured, state, created_at,
                resolve_after, resolved_at)
            select n.* from unnest($4::billing.hold_row[]) n join moved on moved.owner = n.owner
            on conflict (id) do update set captured = excluded.captured, state = excluded.state,
                resolved_at = excluded.resolved_at
        ), new_entries as (
            insert into billing.entries (posting, line, owner, account, bucket, amount, kind, generation, source,
                effective_at, posted_at)
            select n.posting, n.line, n.owner, n.account, n.bucket, n.amount, n.kind, n.generation, n.source,
                n.effective_at, $7
            from unnest($5::billing.entry_row[]) with ordinality
                as n (posting, line, owner, account, bucket, amount, kind, generation, source, effective_at, place)
            join moved on moved.owner = n.owner
            order by n.place
        ), new_write_offs as (
            insert into billing.write_offs (generation, owner, amount, written_at)
            select n.*, $7 from unnest($6::billing.write_off_row[]) n join moved on moved.owner = n.owner
        )
        select owner as "owner!: UserId" from moved
        "#,
        &changes.wallets as _,
        &changes.buckets as _,
        &changes.holds as _,
        &changes.resolved_holds as _,
        &changes.entries as _,
        &changes.write_offs as _,
        changes.posted_at,
    )
    .fetch_all(connection)
    .await
}
