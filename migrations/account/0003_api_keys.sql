-- Long-lived credentials of programs.

create table account.api_keys (
    id uuid primary key,                -- public: part of the secret's text, used to find the row
    owner uuid not null references account.users,
    display_name text not null check (length(display_name) between 1 and 100),
    secret_hash bytea not null check (length(secret_hash) = 32),    -- SHA-256 of the whole secret
    created_at timestamptz not null default account.clock_now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz            -- to the minute
);
create index api_keys_by_owner on account.api_keys (owner, id desc);
grant select, insert, update on account.api_keys to imagioo_account;
grant insert (id, owner, display_name, secret_hash, expires_at), update (revoked_at)
    on account.api_keys to imagioo_account_user;
grant select (id, owner, display_name, created_at, expires_at, revoked_at, last_used_at)
    on account.api_keys to imagioo_account_user;
alter table account.api_keys enable row level security;
create policy system on account.api_keys to imagioo_account using (true) with check (true);
create policy own on account.api_keys to imagioo_account_user using (owner = account.current_owner());
