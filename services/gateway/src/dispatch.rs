//! Dispatch: whose turn is next, and what to do about turns that came to nothing.

mod budget;
pub(crate) mod collector;
pub(crate) mod depths;
pub(crate) mod dispatcher;
pub(crate) mod health;
pub(crate) mod lines;
pub(crate) mod offers;
pub(crate) mod pace;
pub(crate) mod sweeper;

/// A user's part of a busy deployment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Share {
    /// Relative weight against other users.
    pub(crate) weight: f64,
    /// Most generations dispatched or running at once.
    pub(crate) cap: i32,
}
