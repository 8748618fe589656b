-- Messages that wait for the broker's confirmation; written in the transaction whose effect they announce.
create table account.outbox (
    id bigint generated always as identity primary key,
    message_id uuid not null unique,
    name text not null,
    body bytea not null,
    trace text,
    created_at timestamptz not null default account.clock_now(),
    claimed_until timestamptz
);
grant select, insert, update, delete on account.outbox to imagioo_account;
