//! Item 30: one query counts every broken law, and finds each of them.

use std::time::{Duration, Instant};

use imagioo_types::{Credits, UserId};
use sqlx::AssertSqlSafe;

use crate::app::App;

/// A way to break one law, and the way back. The triggers are off meanwhile.
const BREAKS: [(&str, &str); 11] = [
    (
        "update billing.wallets set available = available + 1",
        "update billing.wallets set available = available - 1",
    ),
    (
        "update billing.wallets set reserved = reserved + 1",
        "update billing.wallets set reserved = reserved - 1",
    ),
    ("update billing.wallets set debt = debt + 1", "update billing.wallets set debt = debt - 1"),
    (
        "update billing.buckets set remaining = remaining - 1",
        "update billing.buckets set remaining = remaining + 1",
    ),
    (
        "update billing.buckets set remaining = remaining - 1, reserved = reserved + 1",
        "update billing.buckets set remaining = remaining + 1, reserved = reserved - 1",
    ),
    (
        "update billing.holds set amount = amount + 1 where state = 'open'",
        "update billing.holds set amount = amount - 1 where state = 'open'",
    ),
    (
        "update billing.holds set captured = captured - 1 where state = 'captured'",
        "update billing.holds set captured = captured + 1 where state = 'captured'",
    ),
    (
        "update billing.write_offs set amount = amount + 1",
        "update billing.write_offs set amount = amount - 1",
    ),
    (
        "update billing.entries set amount = amount + 1 where account = 'spent' and kind = 'adjust'",
        "update billing.entries set amount = amount - 1 where account = 'spent' and kind = 'adjust'",
    ),
    (
        "update billing.entries set amount = amount - 1 where account like 'issuance:%'",
        "update billing.entries set amount = amount + 1 where account like 'issuance:%'",
    ),
    (
        "update billing.entries set bucket = generation where kind = 'hold' and account = 'reserved'",
        "update billing.entries set bucket = (select id from billing.buckets) where kind = 'hold' and account = 'reserved'",
    ),
];

#[tokio::test]
async fn b30_each_broken_law_is_found() {
    let app = App::start().await;
    let user = UserId::generate();
    app.grant(user, "pack", 30).await;
    let captured = app.hold(user, "captured", 5).await.expect("held");
    app.capture(user, captured, 3).await.expect("captured");
    app.hold(user, "open", 5).await.expect("held");
    let stray = imagioo_billing::ledger::WriteOff {
        generation: imagioo_types::GenerationId::generate(),
        amount: Credits::new(4),
    };
    app.bookkeeper.write_off(user, stray).await.expect("written off");
    app.conserves().await;

    let owner = app.owner();
    for table in ["holds", "entries", "write_offs"] {
        let sql = AssertSqlSafe(format!("alter table billing.{table} disable trigger user"));
        sqlx::raw_sql(sql).execute(&owner).await.expect("triggers off");
    }
    for (break_it, mend_it) in BREAKS {
        sqlx::raw_sql(break_it).execute(&owner).await.expect(break_it);
        let found = imagioo_billing::check(&app.pool).await.expect("check").violations;
        assert!(found > 0, "{break_it}");
        sqlx::raw_sql(mend_it).execute(&owner).await.expect(mend_it);
        app.conserves().await;
    }
}

/// A thousand people with fifty captured holds each.
const MANY: &str = "
    insert into billing.wallets (owner, available, reserved, debt, version)
        select md5('u' || u)::uuid, 950, 0, 0, 51 from generate_series(1, 1000) u;
    insert into billing.buckets (id, owner, natural_key, source, promotional, granted, remaining, reserved, granted_at)
        select md5('b' || u)::uuid, md5('u' || u)::uuid, 'pack ' || u, 'purchase', false, 1000, 950, 0, now()
        from generate_series(1, 1000) u;
    insert into billing.holds (id, owner, request_id, body_hash, amount, captured, state, created_at, resolve_after, resolved_at)
        select md5('h' || u || ' ' || h)::uuid, md5('u' || u)::uuid, h::text, decode(repeat('07', 32), 'hex'), 1, 1,
            'captured', now(), now(), now()
        from generate_series(1, 1000) u, generate_series(1, 50) h;
    insert into billing.entries (posting, line, owner, account, bucket, amount, kind, generation, source, effective_at, posted_at)
        select md5('b' || u)::uuid, line, md5('u' || u)::uuid, account, case line when 0 then md5('b' || u)::uuid end,
            amount, 'grant', null, 'purchase', now(), now()
        from generate_series(1, 1000) u,
            (values (0, 'available', 1000), (1, 'issuance:purchase', -1000)) as l (line, account, amount);
    insert into billing.entries (posting, line, owner, account, bucket, amount, kind, generation, source, effective_at, posted_at)
        select md5(kind || u || ' ' || h)::uuid, line, md5('u' || u)::uuid, account,
            case when account <> 'spent' then md5('b' || u)::uuid end, amount, kind, md5('h' || u || ' ' || h)::uuid, null,
            now(), now()
        from generate_series(1, 1000) u, generate_series(1, 50) h,
            (values (0, 'available', -1, 'hold'), (1, 'reserved', 1, 'hold'),
                (0, 'reserved', -1, 'capture'), (1, 'spent', 1, 'capture')) as l (line, account, amount, kind);
    analyze billing.entries, billing.holds, billing.buckets, billing.wallets;";

#[tokio::test]
async fn b30_two_hundred_thousand_entries_are_checked_within_five_seconds() {
    let app = App::start().await;
    sqlx::raw_sql(MANY).execute(&app.owner()).await.expect("many entries");
    // Whatever else the machine does only adds to it.
    let mut took = Vec::new();
    while took.iter().all(|took| *took >= Duration::from_secs(5)) {
        assert!(took.len() < 10, "{took:?}");
        let begun = Instant::now();
        app.conserves().await;
        took.push(begun.elapsed());
    }
}
