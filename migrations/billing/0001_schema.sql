-- The schema of the billing owner, its clock, and who may enter.
create schema if not exists billing;
grant usage on schema billing to imagioo_billing, imagioo_billing_user, imagioo_test;

-- Every statement asks clock_now(), never now(). Only the test role can move it.
create table billing.clock (
    only_row boolean primary key default true check (only_row),
    shift interval not null default '0'
);
insert into billing.clock default values;
grant select on billing.clock to imagioo_billing, imagioo_billing_user;
grant select, update on billing.clock to imagioo_test;

-- In plpgsql, whose plan is kept for the session: as an SQL function it would be planned anew in every statement.
create function billing.clock_now() returns timestamptz
    language plpgsql stable
    as $$
begin
    return clock_timestamp() + (select shift from billing.clock);
end
$$;

-- The user whose request is being served; null outside a user's request, which matches no row.
create function billing.current_owner() returns uuid
    language sql stable
    return nullif(current_setting('imagioo.owner', true), '')::uuid;
