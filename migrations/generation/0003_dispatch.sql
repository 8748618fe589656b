-- Whose turn is next: one row per user and queue, one narrow row per waiting generation, and the outbox.
create table generation.dispatch_users (
    owner uuid not null,
    queue text not null,
    -- Share of the queue relative to other users, and most generations dispatched or running at once.
    weight double precision not null check (weight > 0),
    cap integer not null check (cap > 0),
    queued integer not null check (queued >= 0),
    in_flight integer not null check (in_flight >= 0),
    -- Virtual time: grows by 1 / weight with every dispatch; the least is served first.
    vtime double precision not null,
    -- How many of the generations of the last insert were dispatched at once.
    granted integer not null default 0,
    primary key (owner, queue)
);
create index dispatch_users_turn on generation.dispatch_users (queue, vtime) where queued > 0;
create index dispatch_users_busy on generation.dispatch_users (queue) where queued > 0 or in_flight > 0;
alter table generation.dispatch_users enable row level security;
create policy system on generation.dispatch_users to imagioo_generation using (true) with check (true);
grant select, insert, update, delete on generation.dispatch_users to imagioo_generation;

create table generation.backlog (
    generation uuid primary key references generation.generations (id) on delete cascade,
    queue text not null,
    owner uuid not null,
    attempt integer not null,
    -- Not dispatched before this time; null means at once.
    not_before timestamptz
);
create index backlog_turn on generation.backlog (queue, owner, generation);
alter table generation.backlog enable row level security;
create policy system on generation.backlog to imagioo_generation using (true) with check (true);
grant select, insert, update, delete on generation.backlog to imagioo_generation;

create table generation.outbox (
    id bigint generated always as identity primary key,
    message_id uuid not null,
    name text not null,
    body bytea not null,
    trace text,
    created_at timestamptz not null default generation.clock_now(),
    -- A relay that took the row and died leaves it to the next one after this time.
    claimed_until timestamptz
);
grant select, insert, update, delete on generation.outbox to imagioo_generation;
