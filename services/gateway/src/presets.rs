//! The use cases of presets: save, read, delete, and use in a request.

pub(crate) mod check;
pub(crate) mod fill;
pub(crate) mod read;
pub(crate) mod save;
pub(crate) mod using;
