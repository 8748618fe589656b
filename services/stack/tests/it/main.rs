//! The whole system as separate processes on real servers, as `make up` runs it.

mod canary;
mod collector;
mod house;
mod operators;
mod program;
mod replicas;
mod trace;
