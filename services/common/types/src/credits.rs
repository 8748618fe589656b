//! Credits: the unit in which images are paid, never mixed with money.

use std::fmt;

/// A count of credits. Arithmetic is checked; there are no fractions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct Credits(i64);

/// A sum of credits that does not fit 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("credits overflow")]
pub struct CreditsOverflow;

impl Credits {
    /// No credits.
    pub const ZERO: Self = Self(0);

    /// This many credits.
    #[must_use]
    pub const fn new(count: i64) -> Self {
        Self(count)
    }

    /// The count.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The sum.
    ///
    /// # Errors
    /// [`CreditsOverflow`] when it does not fit.
    #[expect(clippy::should_implement_trait, reason = "the trait's sum cannot fail")]
    pub fn add(self, other: Self) -> Result<Self, CreditsOverflow> {
        self.0.checked_add(other.0).map(Self).ok_or(CreditsOverflow)
    }

    /// The difference, which may be negative.
    ///
    /// # Errors
    /// [`CreditsOverflow`] when it does not fit.
    pub fn subtract(self, other: Self) -> Result<Self, CreditsOverflow> {
        self.0.checked_sub(other.0).map(Self).ok_or(CreditsOverflow)
    }

    /// The product with a count of things.
    ///
    /// # Errors
    /// [`CreditsOverflow`] when it does not fit.
    pub fn times(self, count: i64) -> Result<Self, CreditsOverflow> {
        self.0.checked_mul(count).map(Self).ok_or(CreditsOverflow)
    }

    /// The other sign.
    ///
    /// # Errors
    /// [`CreditsOverflow`] for the one value without a counterpart.
    pub fn negate(self) -> Result<Self, CreditsOverflow> {
        self.0.checked_neg().map(Self).ok_or(CreditsOverflow)
    }
}

impl fmt::Display for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_never_wraps() {
        assert_eq!(Credits::new(i64::MAX).add(Credits::new(1)), Err(CreditsOverflow));
        assert_eq!(Credits::new(i64::MIN).negate(), Err(CreditsOverflow));
        assert_eq!(Credits::new(i64::MAX).times(2), Err(CreditsOverflow));
        assert_eq!(Credits::new(3).subtract(Credits::new(5)), Ok(Credits::new(-2)));
    }
}
