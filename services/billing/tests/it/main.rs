//! The billing service against a real PostgreSQL. Tests are named for the item of the assurance list they prove.

mod app;
mod buckets;
mod conservation;
mod entries;
mod holds;
mod model;
mod model_tests;
mod peers;
mod service;
mod sweeps;
