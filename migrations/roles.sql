-- Roles of every owner. Run once per server by a superuser before the migrations; safe to repeat.
--
-- For each owner (account, billing, generation):
--   imagioo_<owner>_migrator  owns the schema and runs its migrations
--   imagioo_<owner>           what the service connects as: reads and writes what its batches need
--   imagioo_<owner>_user      what the service becomes for one user's request: sees that user's rows only
-- imagioo_test may move the clocks of the schemas; production servers leave it without a password.
do $$
declare
    owner text;
begin
    foreach owner in array array['account', 'billing', 'generation'] loop
        if not exists (select from pg_roles where rolname = format('imagioo_%s_migrator', owner)) then
            execute format('create role imagioo_%s_migrator login', owner);
        end if;
        if not exists (select from pg_roles where rolname = format('imagioo_%s', owner)) then
            execute format('create role imagioo_%s login', owner);
        end if;
        if not exists (select from pg_roles where rolname = format('imagioo_%s_user', owner)) then
            execute format('create role imagioo_%s_user nologin', owner);
        end if;
        execute format('grant imagioo_%s_user to imagioo_%s', owner, owner);
        execute format('grant create on database %I to imagioo_%s_migrator', current_database(), owner);
    end loop;
    if not exists (select from pg_roles where rolname = 'imagioo_test') then
        create role imagioo_test login;
    end if;
end
$$;
