-- The trace of the call that created a generation (W3C `traceparent`): what waits in the backlog goes on in it.
alter table generation.generations add column trace text;
