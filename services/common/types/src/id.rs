//! Typed identifiers: a UUIDv7 with a prefix that says what it names.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// A text that is not the name of the expected kind of resource. The text stays out of it: it may be anything, and
/// errors are logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a name of the form `{expected}`")]
pub struct InvalidName {
    /// The form that was expected, such as `users/usr_…`.
    pub expected: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $collection:literal) => {
        $(#[$doc])*
        ///
        /// Shown as the prefix and 32 hexadecimal digits; sorts by creation time (RFC 9562, version 7).
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
        #[sqlx(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier, larger than every earlier one of this process.
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// The identifier with this UUID.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID inside.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// The resource name that the API shows.
            #[must_use]
            pub fn name(self) -> String {
                format!(concat!($collection, "/{}"), self)
            }

            /// Reads a resource name.
            ///
            /// # Errors
            /// [`InvalidName`] for anything that [`Self::name`] would not have written.
            pub fn from_name(name: &str) -> Result<Self, InvalidName> {
                name.strip_prefix(concat!($collection, "/"))
                    .and_then(|id| id.parse().ok())
                    .ok_or(Self::INVALID)
            }

            const INVALID: InvalidName = InvalidName { expected: concat!($collection, "/", $prefix, "_…") };
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                text.strip_prefix(concat!($prefix, "_"))
                    .filter(|hex| hex.len() == 32 && hex.bytes().all(is_lower_hex))
                    .and_then(|hex| Uuid::try_parse(hex).ok())
                    .map(Self)
                    .ok_or(Self::INVALID)
            }
        }
    };
}

const fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

id!(
    /// A person with an account.
    UserId, "usr", "users"
);
id!(
    /// A signed-in session of a person.
    SessionId, "ses", "sessions"
);
id!(
    /// A long-lived credential for programs.
    ApiKeyId, "key", "apiKeys"
);
id!(
    /// One request for images; also the id of its hold in billing.
    GenerationId, "gen", "generations"
);
id!(
    /// One stored result.
    ImageId, "img", "images"
);
id!(
    /// An address that receives a user's events.
    WebhookEndpointId, "whe", "webhookEndpoints"
);
id!(
    /// Something that happened and that webhooks tell of.
    EventId, "evt", "events"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_as_the_same_identifier() {
        let id = GenerationId::generate();
        assert_eq!(GenerationId::from_name(&id.name()), Ok(id));
    }

    #[test]
    fn a_name_of_another_kind_is_refused() {
        let user = UserId::generate();
        assert!(GenerationId::from_name(&user.name()).is_err());
        assert!(GenerationId::from_name("generations/gen_xyz").is_err());
        assert!(GenerationId::from_name("").is_err());
    }

    #[test]
    fn an_identifier_has_one_spelling() {
        let upper = UserId::generate().to_string().to_uppercase();
        assert!(upper.parse::<UserId>().is_err());
    }

    #[test]
    fn later_identifiers_are_larger() {
        let earlier = ImageId::generate();
        assert!(ImageId::generate() > earlier);
    }
}
