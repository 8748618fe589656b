-- The deny list: what unexpired access tokens must be refused although their signature is right.

create sequence account.revocations_sequence;
create table account.revocations (
    sequence bigint primary key,        -- in the order of commits, see below
    owner uuid not null references account.users,
    kind text not null check (kind in ('session', 'api_key', 'user')),
    subject uuid not null,
    revoked_at timestamptz not null default account.clock_now(),
    expires_at timestamptz not null     -- when the last token it contradicts has run out
);
create index revocations_by_expiry on account.revocations (expires_at);
grant usage on sequence account.revocations_sequence to imagioo_account, imagioo_account_user;
grant select, insert, delete on account.revocations to imagioo_account;
grant insert on account.revocations to imagioo_account_user;
alter table account.revocations enable row level security;
create policy system on account.revocations to imagioo_account using (true) with check (true);
create policy own on account.revocations to imagioo_account_user using (owner = account.current_owner());

-- Readers ask for what follows the last sequence they saw. A plain identity column would let a slow transaction commit
-- a smaller number after a larger one was read, and that revocation would never be seen. So the number is drawn under
-- a lock that lasts until the commit is visible. Whoever stalls while holding it is cut off by the server.
create function account.number_revocation() returns trigger
    language plpgsql
    as $$
begin
    perform set_config('idle_in_transaction_session_timeout', '5s', true);
    perform pg_advisory_xact_lock(hashtextextended('account.revocations', 0));
    new.sequence := nextval('account.revocations_sequence');
    return new;
end
$$;
create trigger number_revocation before insert on account.revocations
    for each row execute function account.number_revocation();
