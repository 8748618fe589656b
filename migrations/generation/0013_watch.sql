-- How long generations ran where they succeeded at the first attempt: the last few of each deployment, for estimates.
create table generation.run_times (
    id bigint generated always as identity primary key,
    deployment text not null,
    seconds double precision not null check (seconds >= 0)
);
create index run_times_last on generation.run_times (deployment, id desc);
grant select, insert, delete on generation.run_times to imagioo_generation;

-- What a watcher of everything reads: its owner's open generations, and those that ended since it looked last.
create index generations_taken_by on generation.generations (owner, state) where state in ('dispatched', 'running');
create index generations_ended on generation.generations (owner, ended_at) where ended_at is not null;
drop index generation.generations_taken;
