//! The whole system as processes on one machine: PostgreSQL, RabbitMQ, Redis, an S3 store and the four services.
//!
//! `make up` runs it for people (the program of this crate), fault tests and the benchmark run it for themselves.
//! Everything is a child of the process that holds the [`Stack`] and ends with it; what ends by itself is started
//! again. Data stays in the folder.
//!
//! # Code map
//! `stack` puts it together, `part` watches over one process, `database`, `broker` and `service` are kinds of them (the
//! others are in `imagioo-servers`), `configs` is what the services are told, `ports` where they listen, `folder`
//! where everything lies and whose it is, `state` what other processes may read about it. `user` is a person at its
//! doors, for tests and the benchmark.

mod broker;
mod configs;
mod database;
mod folder;
mod leftover;
mod options;
mod part;
mod ports;
mod service;
mod stack;
mod state;
mod user;

pub use folder::Folder;
pub use leftover::end_leftovers;
pub use options::{Amend, Options};
pub use part::Condition;
pub use stack::Stack;
pub use state::{PartState, Phase, State};
pub use user::{User, ended};
