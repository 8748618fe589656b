//! gRPC between imagioo's processes: errors, identities, servers and clients.
//!
//! - [`Code`] and [`RpcError`]: one table of outcomes for gRPC and HTTP.
//! - [`AccessVerifier`]: who the user is. [`ServiceKeys`]: which service is calling.
//! - [`Server`] and [`connect`]: the two ends of a call, with both checks, deadlines and trace context built in.

pub mod access;
mod allow;
mod auth;
mod caller;
mod code;
mod connect;
mod door;
mod error;
mod incoming;
pub mod keys;
pub mod page;
mod patience;
mod reflection;
mod revocations;
mod server;
mod service_token;
mod trace;
mod validate;
mod verifier;
mod web;

pub use auth::InternalAuth;
pub use caller::{Caller, bearer, bearer_token, caller, on_behalf_of, service};
pub use code::Code;
pub use connect::{Channel, ConnectError, connect, plain_endpoint};
pub use door::Door;
pub use error::{DOMAIN, RpcError};
pub use incoming::Incoming;
pub use keys::{IdentityConfig, KeyError, ServiceKeys};
pub use revocations::{Revocation, Revocations, Subject};
pub use server::{ServeError, Server};
pub use service_token::SERVICE_HEADER;
pub use trace::TraceLayer;
pub use validate::validated;
pub use verifier::{AccessVerifier, Effect};
pub use web::speaks_grpc;
