-- The generation: one request for images, its state, its lease and its outcome.
create table generation.generations (
    id uuid primary key,
    owner uuid not null,
    -- The caller's idempotency key; the generation's own id when the caller gave none.
    request_id text not null,
    body_hash bytea not null check (octet_length(body_hash) = 32),
    -- 'void' is a tombstone: billing was told that this id never existed, so it never may.
    state text not null check (
        state in ('queued', 'dispatched', 'running', 'succeeded', 'failed', 'cancelled', 'void')
    ),
    -- Grows with every change that a watcher should see.
    version bigint not null default 1 check (version > 0),
    model text not null,
    operation text not null,
    settings jsonb not null,
    count integer not null check (count between 1 and 100),
    prompt text not null,
    -- The recorded decision; nothing but an allow is ever stored.
    screening text not null check (screening like 'allow:%' or state = 'void'),
    deployment text not null,
    catalogue_version text not null,
    price bigint not null check (price >= 0),
    charge bigint check (charge between 0 and price),
    attempt integer not null default 1 check (attempt > 0),
    -- The fence: zero before the first start, one more with every takeover.
    epoch bigint not null default 0 check (epoch >= 0),
    worker text,
    lease_until timestamptz,
    not_before timestamptz,
    dispatched_at timestamptz,
    -- A generation that has not started by then fails; one that has not ended by `deadline` fails.
    start_deadline timestamptz not null,
    deadline timestamptz not null,
    cancel_requested_at timestamptz,
    failure jsonb,
    created_at timestamptz not null,
    started_at timestamptz,
    ended_at timestamptz,
    constraint generations_request unique (owner, request_id),
    constraint generations_lease check ((state = 'running') = (lease_until is not null)),
    constraint generations_end check (
        (state in ('succeeded', 'failed', 'cancelled')) = (ended_at is not null and charge is not null)
    ),
    constraint generations_free_unless_delivered check (state = 'succeeded' or coalesce(charge, 0) = 0)
);

-- A user's history, newest first: ids grow with time.
create index generations_history on generation.generations (owner, id desc) where state <> 'void';
-- What the sweeper looks at; ended generations are not in it.
create index generations_open on generation.generations (state, deadline)
    where state in ('queued', 'dispatched', 'running');

alter table generation.generations enable row level security;
create policy system on generation.generations to imagioo_generation using (true) with check (true);
create policy own on generation.generations for select to imagioo_generation_user
    using (owner = generation.current_owner() and state <> 'void');
grant select, insert, update on generation.generations to imagioo_generation;
grant select on generation.generations to imagioo_generation_user;

-- A provider call of an attempt: the intent before it is made, the provider's id once it is accepted.
create table generation.calls (
    generation uuid not null references generation.generations (id) on delete cascade,
    attempt integer not null check (attempt > 0),
    call integer not null check (call >= 0),
    epoch bigint not null check (epoch > 0),
    task_id text not null,
    recorded_at timestamptz not null default generation.clock_now(),
    primary key (generation, attempt, call)
);
grant select, insert, update, delete on generation.calls to imagioo_generation;

-- A delivered image: the object exists and was verified before this row did.
create table generation.images (
    id uuid primary key,
    generation uuid not null references generation.generations (id) on delete cascade,
    owner uuid not null,
    index integer not null check (index >= 0),
    object_key text not null unique,
    format text not null check (format in ('png', 'jpeg', 'webp')),
    width integer not null check (width > 0),
    height integer not null check (height > 0),
    size_bytes bigint not null check (size_bytes > 0),
    sha256 bytea not null check (octet_length(sha256) = 32),
    seed bigint,
    created_at timestamptz not null,
    constraint images_place unique (generation, index)
);
create index images_history on generation.images (owner, id desc);

alter table generation.images enable row level security;
create policy system on generation.images to imagioo_generation using (true) with check (true);
create policy own on generation.images for select to imagioo_generation_user
    using (owner = generation.current_owner());
grant select, insert, delete on generation.images to imagioo_generation;
grant select on generation.images to imagioo_generation_user;
