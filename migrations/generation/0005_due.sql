-- What the sweeper looks at: generations with a slot, and the time at which an open one is overdue. Each sweep reads only
-- what it may have to change, however many wait; of ended generations there is nothing here.
create index generations_taken on generation.generations (state) where state in ('dispatched', 'running');
create index generations_due on generation.generations (
    (case when started_at is null then least(start_deadline, deadline) else deadline end)
) where state in ('queued', 'dispatched', 'running');
drop index generation.generations_open;
