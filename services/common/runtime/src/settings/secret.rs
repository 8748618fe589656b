//! A secret without which a process must not start.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de};

/// A secret that is not empty. Reading a configuration that leaves it empty fails, so an unset secret stops
/// the process instead of weakening it.
#[derive(Debug, Clone)]
pub struct RequiredSecret(SecretString);

impl RequiredSecret {
    /// The secret inside, which does not print.
    #[must_use]
    pub fn into_inner(self) -> SecretString {
        self.0
    }
}

impl ExposeSecret<str> for RequiredSecret {
    fn expose_secret(&self) -> &str {
        self.0.expose_secret()
    }
}

impl<'de> Deserialize<'de> for RequiredSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let secret = SecretString::deserialize(deserializer)?;
        if secret.expose_secret().trim().is_empty() {
            return Err(de::Error::custom("the secret is empty: give a value, or a file that holds it"));
        }
        Ok(Self(secret))
    }
}
