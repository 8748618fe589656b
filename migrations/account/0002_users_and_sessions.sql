-- People, their sessions, and the failed sign-ins that slow the next ones down.

create table account.users (
    id uuid primary key,
    email text not null,                -- as typed, without surrounding blanks
    email_key text not null unique,     -- lower case: what makes an address unique
    password_hash text not null,        -- PHC string, argon2id
    email_verified boolean not null default false,
    created_at timestamptz not null default account.clock_now(),
    check (length(email) between 3 and 254)
);
grant select, insert, update (password_hash) on account.users to imagioo_account;
grant select (id, email, email_verified, created_at) on account.users to imagioo_account_user;
alter table account.users enable row level security;
create policy system on account.users to imagioo_account using (true) with check (true);
create policy own on account.users to imagioo_account_user using (id = account.current_owner());

-- A refresh token is `imr_<session>_<family>_<secret>`. The family stays the same for the life of the session, the
-- secret changes with every refresh: the right family with an old secret proves that a spent token came back.
create table account.sessions (
    id uuid primary key,
    owner uuid not null references account.users,
    family_hash bytea not null check (length(family_hash) = 32),    -- SHA-256
    secret_hash bytea not null check (length(secret_hash) = 32),    -- SHA-256
    created_at timestamptz not null default account.clock_now(),
    expires_at timestamptz not null,    -- idle limit, moved by each refresh; the moment of the end once ended
    absolute_expires_at timestamptz not null,
    ended_at timestamptz,
    end_cause text check (end_cause in ('signed_out', 'token_reused')),
    check (expires_at <= absolute_expires_at),
    check ((ended_at is null) = (end_cause is null))
);
create index sessions_by_owner on account.sessions (owner, id);
create index sessions_by_end on account.sessions (expires_at);
grant select, insert, update, delete on account.sessions to imagioo_account;
alter table account.sessions enable row level security;
create policy system on account.sessions to imagioo_account using (true) with check (true);
create policy own on account.sessions to imagioo_account_user using (owner = account.current_owner());

-- Counted per address, known or not, under a keyed hash: the table does not say who has an account.
create table account.sign_in_attempts (
    address_hash bytea primary key check (length(address_hash) = 32),
    attempts integer not null check (attempts > 0),     -- since the last success
    last_at timestamptz not null,
    blocked_until timestamptz not null
);
create index sign_in_attempts_by_age on account.sign_in_attempts (last_at);
grant select, insert, update, delete on account.sign_in_attempts to imagioo_account;
