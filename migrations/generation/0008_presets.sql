-- Presets: settings and words under a name. A version never changes, and a name once used keeps counting its versions, so
-- that what a generation recorded always means the same.
create table generation.presets (
    id uuid primary key,
    -- The only one who may use it; null when it is shared with everybody.
    owner uuid,
    slug text not null check (slug ~ '^[a-z][a-z0-9-]{0,62}$'),
    -- The newest version.
    version integer not null check (version > 0),
    deleted_at timestamptz
);
create unique index presets_own on generation.presets (owner, slug) where owner is not null;
create unique index presets_shared on generation.presets (slug) where owner is null;

alter table generation.presets enable row level security;
create policy system on generation.presets to imagioo_generation using (true) with check (true);
create policy own on generation.presets for select to imagioo_generation_user
    using (owner is null or owner = generation.current_owner());
grant select, insert, update, delete on generation.presets to imagioo_generation;
grant select on generation.presets to imagioo_generation_user;

create table generation.preset_versions (
    preset uuid not null references generation.presets (id) on delete cascade,
    version integer not null check (version > 0),
    -- As of the preset, beside the row, so that its policy needs no other table.
    owner uuid,
    title text not null,
    description text not null,
    model text,
    operation text,
    settings jsonb not null,
    template text not null,
    negative_prompt text not null,
    -- Credits for every image on top of the model's price.
    surcharge bigint not null check (surcharge >= 0),
    created_at timestamptz not null,
    primary key (preset, version)
);

alter table generation.preset_versions enable row level security;
create policy system on generation.preset_versions to imagioo_generation using (true) with check (true);
create policy own on generation.preset_versions for select to imagioo_generation_user
    using (owner is null or owner = generation.current_owner());
-- No update: versions do not change. They go with their preset, when its owner is erased.
grant select, insert, delete on generation.preset_versions to imagioo_generation;
grant select on generation.preset_versions to imagioo_generation_user;

-- The version that a generation was made with, by its name.
alter table generation.generations add column preset text;
