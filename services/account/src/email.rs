//! Mail addresses: as typed, and in the form that makes them unique.

use std::fmt;

/// A mail address. Never printed by `Debug`, so that it cannot reach a log by accident.
///
/// The full grammar is checked by the rule in the `.proto` file; this type keeps what the database relies on.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Email {
    typed: String,
    key: String,
}

impl Email {
    const MAX_CHARS: usize = 254;

    /// Reads an address, without regard to surrounding blanks; nothing for text that cannot be one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let typed = text.trim();
        let (local, domain) = typed.rsplit_once('@')?;
        let plain = !typed.chars().any(|c| c.is_control() || c.is_whitespace());
        let short = typed.chars().count() <= Self::MAX_CHARS;
        (plain && short && !local.is_empty() && !domain.is_empty())
            .then(|| Self { typed: typed.to_owned(), key: key_of(typed) })
    }

    /// The address as the person typed it, without surrounding blanks.
    pub(crate) fn typed(&self) -> &str {
        &self.typed
    }

    /// Lower case: two addresses are the same account exactly when their keys are equal.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// What precedes the `@` of the key.
    pub(crate) fn local_key(&self) -> &str {
        self.key.rsplit_once('@').map_or("", |(local, _)| local)
    }
}

/// The key of any text, whether or not it is an address.
pub(crate) fn key_of(text: &str) -> String {
    text.trim().to_lowercase()
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Email({} bytes)", self.typed.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_surrounding_blanks_do_not_make_another_address() {
        let typed = Email::parse(" Ada.Lovelace@Example.COM ").expect("an address");
        assert_eq!(typed.typed(), "Ada.Lovelace@Example.COM");
        assert_eq!(typed.key(), "ada.lovelace@example.com");
        assert_eq!(typed.local_key(), "ada.lovelace");
    }

    #[test]
    fn text_that_the_database_could_not_hold_is_no_address() {
        for text in ["", "@", "a@", "@b", "a b@c", "a\0@c", "nobody", &format!("{}@c", "a".repeat(253))] {
            assert_eq!(Email::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn debug_output_does_not_show_the_address() {
        let email = Email::parse("canary@example.com").expect("an address");
        assert!(!format!("{email:?}").contains("canary"));
    }
}
