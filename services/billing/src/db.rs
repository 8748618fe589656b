//! The tables of the billing schema: one checked statement a function, no transaction of their own.

pub(crate) mod balance;
pub(crate) mod buckets;
pub(crate) mod conservation;
mod constraint;
pub(crate) mod entries;
pub(crate) mod holds;
mod rows;
pub(crate) mod wallets;

pub(crate) use constraint::refusal;
