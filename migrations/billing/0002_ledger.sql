-- The ledger: wallets, the buckets that grants fill, holds on them, and the append-only entries that explain every figure.

-- One row per owner. Writers compare `version` and raise it; the figures are sums of the owner's entries, kept for speed.
create table billing.wallets (
    owner uuid primary key,
    available bigint not null check (available >= 0),
    reserved bigint not null check (reserved >= 0),
    debt bigint not null check (debt >= 0),
    frozen boolean not null default false,
    version bigint not null check (version > 0)
) with (fillfactor = 50);

-- One row per grant. `natural_key` names the granted thing, such as `registration:usr_…`, and makes the grant happen once.
-- An index names `live`, never `remaining` or `reserved`, so that spending stays a heap-only update. No other index may
-- serve a question for `live` alone.
create table billing.buckets (
    id uuid primary key,
    owner uuid not null references billing.wallets,
    natural_key text not null check (length(natural_key) between 1 and 200),
    source text not null check (source ~ '^[a-z_]{1,40}$'),
    promotional boolean not null,
    granted bigint not null check (granted > 0),
    remaining bigint not null check (remaining >= 0),
    reserved bigint not null check (reserved >= 0),
    granted_at timestamptz not null,
    expires_at timestamptz,
    live boolean not null generated always as (remaining > 0 or reserved > 0) stored,
    constraint buckets_natural_key_key unique (natural_key),
    check (remaining <= granted - reserved),
    check (expires_at > granted_at)
) with (fillfactor = 70);
create index buckets_live on billing.buckets (owner) where live;
create index buckets_to_expire on billing.buckets (expires_at) where live and expires_at is not null;

-- Credits set aside for a generation; the id is the generation's. `request_id` is the caller's idempotency key.
create table billing.holds (
    id uuid constraint holds_pkey primary key,
    owner uuid not null references billing.wallets,
    request_id text not null check (length(request_id) between 1 and 100),
    body_hash bytea not null check (length(body_hash) = 32),
    amount bigint not null check (amount >= 0),
    captured bigint not null,
    state text not null check (state in ('open', 'captured', 'released')),
    created_at timestamptz not null,
    resolve_after timestamptz not null,
    resolved_at timestamptz,
    unique (owner, request_id),
    check (captured between 0 and amount),
    check (state = 'captured' or captured = 0),
    check ((state = 'open') = (resolved_at is null))
);
create index holds_to_resolve on billing.holds (resolve_after) where state = 'open';

-- Double entry. Rows of one `posting` sum to zero; `line` counts them from 0. Positive amounts flow into the account.
-- The posting that makes a hold bears the hold's id: its `reserved` lines say, in burn order, which buckets were taken from.
-- `effective_at` is when it happened (the expiry of expired credits), `posted_at` when it was written.
create table billing.entries (
    id bigint generated always as identity,
    posting uuid not null,
    line integer not null check (line >= 0),
    owner uuid not null,
    account text not null check (
        account in ('available', 'reserved', 'debt', 'spent', 'expired', 'clawback', 'adjustment')
        or account ~ '^issuance:[a-z_]{1,40}$'
    ),
    bucket uuid,
    amount bigint not null check (amount <> 0),
    kind text not null check (kind in ('grant', 'hold', 'capture', 'release', 'expire', 'adjust')),
    generation uuid,
    source text,
    effective_at timestamptz not null,
    posted_at timestamptz not null,
    primary key (posting, line),
    check ((account in ('available', 'reserved')) = (bucket is not null)),
    check (kind not in ('hold', 'capture', 'release') or generation is not null)
);
-- The head of each line of a statement: where a posting touches an account of its owner, that comes first.
create unique index entries_statement on billing.entries (owner, id)
    where line = 0 and account in ('available', 'reserved', 'debt');

-- Delivered images that no hold paid for: the charge went to the account `adjustment`, once per generation.
create table billing.write_offs (
    generation uuid primary key,
    owner uuid not null references billing.wallets,
    amount bigint not null check (amount > 0),
    written_at timestamptz not null
);

-- Nobody changes what is settled, the owner of the tables included.
create function billing.refuse_change() returns trigger
    language plpgsql
    as $$
begin
    raise exception '% on %.% is refused: it records what happened', tg_op, tg_table_schema, tg_table_name
        using errcode = 'restrict_violation';
end
$$;
create trigger entries_are_append_only before update or delete or truncate on billing.entries
    for each statement execute function billing.refuse_change();
create trigger write_offs_are_append_only before update or delete or truncate on billing.write_offs
    for each statement execute function billing.refuse_change();
create trigger resolved_holds_stay before update on billing.holds
    for each row when (old.state <> 'open') execute function billing.refuse_change();

create function billing.refuse_unbalanced() returns trigger
    language plpgsql
    as $$
declare
    unbalanced uuid;
begin
    select posting into unbalanced from inserted group by posting having sum(amount) <> 0 limit 1;
    if found then
        raise exception 'posting % does not sum to zero', unbalanced
            using errcode = 'check_violation', constraint = 'entries_balance';
    end if;
    return null;
end
$$;
create trigger entries_balance after insert on billing.entries
    referencing new table as inserted
    for each statement execute function billing.refuse_unbalanced();

-- Rows as the service reads and writes them, many at a time. A new release that needs another shape adds a type of its own.
create type billing.wallet_row as (
    owner uuid, version bigint, available bigint, reserved bigint, debt bigint
);
create type billing.bucket_row as (
    id uuid, owner uuid, natural_key text, source text, promotional boolean,
    granted bigint, remaining bigint, reserved bigint, granted_at timestamptz, expires_at timestamptz
);
create type billing.hold_row as (
    id uuid, owner uuid, request_id text, body_hash bytea, amount bigint,
    captured bigint, state text, created_at timestamptz, resolve_after timestamptz, resolved_at timestamptz
);
create type billing.part_row as (
    hold uuid, bucket uuid, amount bigint
);
create type billing.entry_row as (
    posting uuid, line integer, owner uuid, account text, bucket uuid, amount bigint,
    kind text, generation uuid, source text, effective_at timestamptz
);
create type billing.write_off_row as (
    generation uuid, owner uuid, amount bigint
);

grant select, insert on billing.wallets, billing.buckets, billing.holds, billing.entries, billing.write_offs
    to imagioo_billing;
grant update (available, reserved, debt, frozen, version) on billing.wallets to imagioo_billing;
grant update (remaining, reserved) on billing.buckets to imagioo_billing;
grant update (captured, state, resolve_after, resolved_at) on billing.holds to imagioo_billing;
grant select on billing.wallets, billing.buckets, billing.entries to imagioo_billing_user;

do $$
declare
    tab text;
begin
    foreach tab in array array['wallets', 'buckets', 'holds', 'entries', 'write_offs'] loop
        execute format('alter table billing.%I enable row level security', tab);
        execute format('create policy system on billing.%I to imagioo_billing using (true) with check (true)', tab);
        execute format('create policy own on billing.%I to imagioo_billing_user using (owner = billing.current_owner())', tab);
    end loop;
end
$$;
