//! Starts, stops, configures and observes a process.
//!
//! A service's `main` is one call of [`start`]. It reads the [`settings`], installs [`telemetry`] and the
//! process's cryptography, and hands the service a [`Boot`]; the service ends when its [`Shutdown`] says so.
//!
//! Two sections of every configuration belong to this crate and never reach a service's own `Config`:
//! `[telemetry]` ([`telemetry::TelemetryConfig`]) and `[shutdown]` ([`shutdown::ShutdownConfig`]).

pub mod crypto;
pub mod database;
pub mod follow;
pub mod http;
#[cfg(feature = "kill-points")]
mod kill_points;
pub mod net;
pub mod ops;
pub mod postgres;
pub mod settings;
pub mod shutdown;
mod start;
pub mod telemetry;

pub use settings::{ConfigError, Settings};
pub use shutdown::Shutdown;
pub use start::{Boot, start, start_owner, start_with};
