-- The schema of the account owner, its clock, and who may enter.
create schema if not exists account;
grant usage on schema account to imagioo_account, imagioo_account_user, imagioo_test;

-- Every statement asks clock_now(), never now(). Only the test role can move it.
create table account.clock (
    only_row boolean primary key default true check (only_row),
    shift interval not null default '0'
);
insert into account.clock default values;
grant select on account.clock to imagioo_account, imagioo_account_user;
grant select, update on account.clock to imagioo_test;

-- In plpgsql, whose plan is kept for the session: as an SQL function it would be planned anew in every statement.
create function account.clock_now() returns timestamptz
    language plpgsql stable
    as $$
begin
    return clock_timestamp() + (select shift from account.clock);
end
$$;

-- The user whose request is being served; null outside a user's request, which matches no row.
create function account.current_owner() returns uuid
    language sql stable
    return nullif(current_setting('imagioo.owner', true), '')::uuid;
