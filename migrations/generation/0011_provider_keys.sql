-- Keys that users bring along for model providers, sealed with the service's key: at most one for each provider. A request
-- of a user sees everything but the sealed key.
create table generation.provider_keys (
    -- New with every key that is set, so that what is said about one is never held against the next.
    id uuid primary key,
    owner uuid not null,
    provider text not null check (provider <> ''),
    sealed bytea not null,
    -- Its last characters.
    hint text not null check (char_length(hint) <= 4),
    -- The provider did not take it.
    rejected_at timestamptz,
    reject_reason text check (reject_reason in ('refused', 'exhausted')),
    created_at timestamptz not null default generation.clock_now(),
    updated_at timestamptz not null default generation.clock_now(),
    constraint provider_keys_once unique (owner, provider),
    constraint provider_keys_rejected check ((rejected_at is null) = (reject_reason is null))
);
alter table generation.provider_keys enable row level security;
create policy system on generation.provider_keys to imagioo_generation using (true) with check (true);
create policy own on generation.provider_keys for select to imagioo_generation_user
    using (owner = generation.current_owner());
grant select, insert, update, delete on generation.provider_keys to imagioo_generation;
grant select (id, owner, provider, hint, rejected_at, reject_reason, created_at, updated_at)
    on generation.provider_keys to imagioo_generation_user;

-- The key that a worker was given last for a generation that runs on its owner's; that it does so says its route.
alter table generation.generations add column provider_key uuid;
