-- Outgoing webhooks: who receives events, and what became of sending each of them.
create table generation.webhook_endpoints (
    id uuid primary key,
    owner uuid not null,
    -- The caller's idempotency key; the endpoint's own id when the caller gave none.
    request_id text not null,
    body_hash bytea not null check (octet_length(body_hash) = 32),
    url text not null,
    description text not null,
    -- Types of events, such as `generation.succeeded`.
    events text[] not null check (cardinality(events) > 0),
    enabled boolean not null default true,
    disable_reason text check (disable_reason in ('owner', 'gone', 'failing')),
    disabled_at timestamptz,
    -- Since the last attempt that arrived: the time of the first one that did not, and how many did not.
    failing_since timestamptz,
    failures integer not null default 0 check (failures >= 0),
    -- Until then the previous secret signs, too.
    old_secret_until timestamptz,
    created_at timestamptz not null default generation.clock_now(),
    updated_at timestamptz not null default generation.clock_now(),
    constraint webhook_endpoints_request unique (owner, request_id),
    constraint webhook_endpoints_disabled check (
        enabled = (disable_reason is null) and enabled = (disabled_at is null)
    ),
    constraint webhook_endpoints_failing check ((failures = 0) = (failing_since is null))
);
-- A user's endpoints, newest first; also what every outcome looks up.
create index webhook_endpoints_history on generation.webhook_endpoints (owner, id desc);
alter table generation.webhook_endpoints enable row level security;
create policy system on generation.webhook_endpoints to imagioo_generation using (true) with check (true);
create policy own on generation.webhook_endpoints for select to imagioo_generation_user
    using (owner = generation.current_owner());
grant select, insert, update, delete on generation.webhook_endpoints to imagioo_generation;
grant select on generation.webhook_endpoints to imagioo_generation_user;

-- Sealed with the service's key. A request of a user never sees them.
create table generation.webhook_secrets (
    endpoint uuid not null references generation.webhook_endpoints (id) on delete cascade,
    -- The current one, or the one before it.
    current boolean not null,
    sealed bytea not null,
    primary key (endpoint, current)
);
create index webhook_secrets_old on generation.webhook_secrets (endpoint) where not current;
alter table generation.webhook_secrets enable row level security;
create policy system on generation.webhook_secrets to imagioo_generation using (true) with check (true);
grant select, insert, update, delete on generation.webhook_secrets to imagioo_generation;

-- One event for one endpoint, written in the commit that makes the event true.
create table generation.webhook_deliveries (
    endpoint uuid not null references generation.webhook_endpoints (id) on delete cascade,
    event uuid not null,
    owner uuid not null,
    type text not null,
    -- What it is about: a generation, or an endpoint.
    generation uuid references generation.generations (id) on delete cascade,
    about uuid references generation.webhook_endpoints (id) on delete cascade,
    state text not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
    attempts integer not null default 0 check (attempts >= 0),
    -- When it is sent next. While a replica is sending it, the time at which that replica is taken for dead.
    due_at timestamptz default generation.clock_now(),
    -- The replica's attempt that is under way.
    claim uuid,
    -- When it was first meant to be sent, or replayed: the time allowed for it counts from here.
    since timestamptz not null default generation.clock_now(),
    created_at timestamptz not null default generation.clock_now(),
    ended_at timestamptz,
    primary key (endpoint, event),
    constraint webhook_deliveries_subject check (num_nonnulls(generation, about) = 1),
    constraint webhook_deliveries_end check (
        (state = 'pending') = (due_at is not null) and (state = 'pending') = (ended_at is null)
        and (state = 'pending' or claim is null)
    ),
    -- An event of a generation happens once.
    constraint webhook_deliveries_once unique (generation, endpoint, type)
);
create index webhook_deliveries_due on generation.webhook_deliveries (endpoint, due_at) where state = 'pending';
create index webhook_deliveries_claimed on generation.webhook_deliveries (endpoint) where claim is not null;
create index webhook_deliveries_about on generation.webhook_deliveries (about) where about is not null;
create index webhook_deliveries_tests on generation.webhook_deliveries (endpoint)
    where state = 'pending' and type = 'webhook.test';
create index webhook_deliveries_ended on generation.webhook_deliveries (ended_at) where ended_at is not null;
alter table generation.webhook_deliveries enable row level security;
create policy system on generation.webhook_deliveries to imagioo_generation using (true) with check (true);
create policy own on generation.webhook_deliveries for select to imagioo_generation_user
    using (owner = generation.current_owner());
grant select, insert, update, delete on generation.webhook_deliveries to imagioo_generation;
grant select on generation.webhook_deliveries to imagioo_generation_user;

create table generation.webhook_attempts (
    endpoint uuid not null,
    event uuid not null,
    number integer not null check (number > 0),
    owner uuid not null,
    started_at timestamptz not null,
    duration_ms integer not null check (duration_ms >= 0),
    -- The status of the answer, if one came; why it does not count as received, if it does not.
    status integer,
    error text,
    primary key (endpoint, event, number),
    foreign key (endpoint, event) references generation.webhook_deliveries (endpoint, event) on delete cascade
);
alter table generation.webhook_attempts enable row level security;
create policy system on generation.webhook_attempts to imagioo_generation using (true) with check (true);
create policy own on generation.webhook_attempts for select to imagioo_generation_user
    using (owner = generation.current_owner());
grant select, insert, delete on generation.webhook_attempts to imagioo_generation;
grant select on generation.webhook_attempts to imagioo_generation_user;
