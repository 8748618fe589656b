//! The use cases of generations: create, read, watch, cancel for users; start, renew, record, finish for workers.

pub(crate) mod again;
pub(crate) mod cancel;
pub(crate) mod create;
pub(crate) mod finish;
pub(crate) mod inputs;
pub(crate) mod leases;
pub(crate) mod outcome;
pub(crate) mod outlook;
pub(crate) mod read;
pub(crate) mod resolve;
pub(crate) mod route;
pub(crate) mod watch;
pub(crate) mod watch_all;
