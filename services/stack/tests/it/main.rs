//! The whole system as separate processes on real servers, as `make up` runs it.

mod house;
mod program;
mod replicas;
