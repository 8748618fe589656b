//! The gateway against a real PostgreSQL, over real connections, with scripted neighbours.

mod cancel;
mod catalogue;
mod collector;
mod deadlines;
mod edge;
mod finish;
mod growth;
mod harness;
mod holds;
mod idempotency;
mod isolation;
mod leases;
mod lifecycle;
mod openai;
mod outlook;
mod pictures;
mod presets;
mod reading;
mod recovery;
mod refusals;
mod routing;
mod screening;
mod slots;
mod storm;
mod watching;
mod webhooks;
