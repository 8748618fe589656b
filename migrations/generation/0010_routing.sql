-- Every catalogue that ever priced a generation, as it was written.
create table generation.catalogues (
    version text primary key,
    content text not null,
    loaded_at timestamptz not null default generation.clock_now()
);
grant select, insert on generation.catalogues to imagioo_generation;

-- The deployments a generation may go on at, in order, each with the price of one image there; empty when there is none
-- but its own.
alter table generation.generations add column route jsonb not null default '[]';

-- How a deployment is doing, as all replicas together see it. No row: nothing was ever wrong.
create table generation.deployment_health (
    deployment text primary key,
    -- Calls in a row that failed by the provider's fault.
    failures integer not null default 0 check (failures >= 0),
    -- How often it was shut in a row without a success.
    trips integer not null default 0 check (trips >= 0),
    -- Shut until then; afterwards one call tries, until a success opens it.
    shut_until timestamptz,
    -- Left alone until then, as the provider wished.
    paused_until timestamptz,
    reason text not null default ''
);
grant select, insert, update, delete on generation.deployment_health to imagioo_generation;
