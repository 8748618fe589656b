//! Passwords: which ones are accepted, and how they are stored.

mod hasher;
mod rules;

pub(crate) use hasher::{HashError, Hasher, LEAST, MOST, Verdict};
pub(crate) use rules::{WeakPassword, check};
