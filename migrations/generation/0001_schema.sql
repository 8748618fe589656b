-- The schema of the generation owner, its clock, and who may enter.
create schema if not exists generation;
grant usage on schema generation to imagioo_generation, imagioo_generation_user, imagioo_test;

-- Every statement asks clock_now(), never now(). Only the test role can move it.
create table generation.clock (
    only_row boolean primary key default true check (only_row),
    shift interval not null default '0'
);
insert into generation.clock default values;
grant select on generation.clock to imagioo_generation, imagioo_generation_user;
grant select, update on generation.clock to imagioo_test;

-- In plpgsql, whose plan is kept for the session: as an SQL function it would be planned anew in every statement.
create function generation.clock_now() returns timestamptz
    language plpgsql stable
    as $$
begin
    return clock_timestamp() + (select shift from generation.clock);
end
$$;

-- The user whose request is being served; null outside a user's request, which matches no row.
create function generation.current_owner() returns uuid
    language sql stable
    return nullif(current_setting('imagioo.owner', true), '')::uuid;
