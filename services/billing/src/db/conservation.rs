//! The laws of the ledger, counted over the whole schema in one snapshot.

use sqlx::PgConnection;

/// How many postings, wallets, buckets, holds and write-offs break a law; 0 at every instant, not only at rest.
///
/// The laws: every posting sums to zero; a wallet's figures are the sums of its entries, of its buckets and of its open
/// holds; a bucket's figures are the sums of its entries and it never holds more than was granted; a hold's posting
/// reserved its amount and its capture spent what it says; a write-off is in the books; and over everybody,
/// issuance = available + reserved + spent + expired + clawback + adjustment − debt.
pub(crate) async fn count_violations(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        with by_posting as (
            select posting, sum(amount) as total from billing.entries group by posting
        ), by_owner as (
            select owner, coalesce(sum(amount) filter (where account = 'available'), 0) as available,
                coalesce(sum(amount) filter (where account = 'reserved'), 0) as reserved,
                -coalesce(sum(amount) filter (where account = 'debt'), 0) as debt
            from billing.entries group by owner
        ), by_bucket as (
            select bucket, coalesce(sum(amount) filter (where account = 'available'), 0) as remaining,
                coalesce(sum(amount) filter (where account = 'reserved'), 0) as reserved
            from billing.entries where bucket is not null group by bucket
        ), by_hold as (
            select generation, coalesce(sum(amount) filter (where kind = 'hold' and account = 'reserved'), 0) as held,
                coalesce(sum(amount) filter (where account = 'reserved'), 0) as still_held,
                coalesce(sum(amount) filter (where kind = 'capture' and account = 'spent'), 0) as captured,
                -coalesce(sum(amount) filter (where account = 'adjustment'), 0) as written_off
            from billing.entries where generation is not null group by generation
        ), buckets_of as (
            select owner, sum(remaining) as remaining, sum(reserved) as reserved
            from billing.buckets group by owner
        ), holds_of as (
            select owner, sum(amount) as amount from billing.holds where state = 'open' group by owner
        ), broken as (
            select count(*) as count from by_posting where total <> 0
            union all
            select count(*) from billing.wallets w full join by_owner e on e.owner = w.owner
            where (coalesce(w.available, 0), coalesce(w.reserved, 0), coalesce(w.debt, 0))
                <> (coalesce(e.available, 0), coalesce(e.reserved, 0), coalesce(e.debt, 0))
            union all
            select count(*) from billing.wallets w left join buckets_of b on b.owner = w.owner
                left join holds_of h on h.owner = w.owner
            where (w.available, w.reserved, w.reserved)
                <> (coalesce(b.remaining, 0), coalesce(b.reserved, 0), coalesce(h.amount, 0))
            union all
            select count(*) from billing.buckets b full join by_bucket e on e.bucket = b.id
            where (coalesce(b.remaining, 0), coalesce(b.reserved, 0))
                <> (coalesce(e.remaining, 0), coalesce(e.reserved, 0)) or b.remaining + b.reserved > b.granted
            union all
            select count(*) from billing.holds h left join by_hold e on e.generation = h.id
            where (h.amount, h.captured, case h.state when 'open' then h.amount else 0 end)
                <> (coalesce(e.held, 0), coalesce(e.captured, 0), coalesce(e.still_held, 0))
            union all
            select count(*) from billing.write_offs w full join by_hold e on e.generation = w.generation
            where coalesce(w.amount, 0) <> coalesce(e.written_off, 0)
            union all
            select count(*) from (
                select -coalesce(sum(amount) filter (where account like 'issuance:%'), 0) as issued,
                    coalesce(sum(amount) filter (
                        where account in ('spent', 'expired', 'clawback', 'adjustment')), 0) as gone
                from billing.entries
            ) e, (select coalesce(sum(available + reserved - debt), 0) as owned from billing.wallets) w
            where e.issued <> w.owned + e.gone
        )
        select sum(count)::bigint as "violations!" from broken
        "#
    )
    .fetch_one(connection)
    .await
}
