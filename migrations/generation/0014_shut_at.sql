-- When a deployment was shut last: calls that were sent before say nothing about how it is doing since.
alter table generation.deployment_health add column shut_at timestamptz;
