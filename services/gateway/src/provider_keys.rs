//! Own keys: users bring keys for model providers along, pay the provider themselves, and here for the service alone.

pub(crate) mod giving;
pub(crate) mod manage;
pub(crate) mod using;
pub(crate) mod verdict;
