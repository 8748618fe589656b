-- A schema of the shape that every owner's has.
create schema if not exists billing;
grant usage on schema billing to imagioo_billing, imagioo_test;

create table billing.clock (shift interval not null default '0');
insert into billing.clock default values;
grant select on billing.clock to imagioo_billing;
grant select, update on billing.clock to imagioo_test;

create function billing.clock_now() returns timestamptz
    language sql stable
    return clock_timestamp() + (select shift from billing.clock);

create table billing.notes (id bigint generated always as identity primary key);
grant select, insert on billing.notes to imagioo_billing;
