//! gRPC handlers: each decodes, calls one function, encodes.

pub(crate) mod admin;
pub(crate) mod convert;
pub(crate) mod dead_letter;
pub(crate) mod decode;
mod feed;
pub(crate) mod generation;
pub(crate) mod image;
mod json;
pub(crate) mod lease;
pub(crate) mod model;
pub(crate) mod preset;
pub(crate) mod provider_key;
pub(crate) mod resolution;
mod watch;
pub(crate) mod webhook;
