//! What lies beneath an error, as one line.

use std::error::Error as StdError;
use std::fmt;

use tonic::Status;

/// An error with everything beneath it, on one line.
pub(super) struct Chain<'a, E>(pub(super) &'a E);

impl<E: StdError + 'static> fmt::Display for Chain<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            write!(f, ": {error}")?;
            next = error.source();
        }
        Ok(())
    }
}

/// Only the deepest cause: the layers above a broken connection repeat that it is one.
pub(super) struct Innermost<'a>(pub(super) &'a Status);

impl fmt::Display for Innermost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut deepest: &(dyn StdError + 'static) = self.0;
        while let Some(error) = deepest.source() {
            deepest = error;
        }
        write!(f, "{deepest}")
    }
}
