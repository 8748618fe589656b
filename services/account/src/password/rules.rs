//! Which passwords are accepted: any characters, long enough, not a guess that everybody tries first.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::email::Email;

const MIN_CHARS: usize = 8;
const MAX_CHARS: usize = 256;

/// Passwords that attackers try first, in lower case, one per line.
static COMMON: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("../../data/common_passwords.txt").lines().collect());

/// Why a password is refused at sign-up (ASVS 5.0, 6.2.1 to 6.2.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WeakPassword {
    /// Under 8 characters.
    #[error("the password is too short: choose at least {MIN_CHARS} characters")]
    TooShort,
    /// Over 256 characters.
    #[error("the password is too long: choose at most {MAX_CHARS} characters")]
    TooLong,
    /// On the list of common passwords, or one character repeated.
    #[error("this password is one of the first that others would try: choose another one")]
    Common,
    /// The address it is for, or the part before the `@`.
    #[error("the password is your e-mail address: choose another one")]
    Address,
}

/// Whether a new password is good enough for the account of `email`. Characters are Unicode scalar values.
///
/// # Errors
/// [`WeakPassword`] says which rule it breaks.
pub(crate) fn check(password: &str, email: &Email) -> Result<(), WeakPassword> {
    let chars = password.chars().count();
    if chars < MIN_CHARS {
        return Err(WeakPassword::TooShort);
    }
    if chars > MAX_CHARS {
        return Err(WeakPassword::TooLong);
    }
    let lower = password.to_lowercase();
    if lower == email.key() || lower == email.local_key() {
        return Err(WeakPassword::Address);
    }
    if COMMON.contains(lower.as_str()) || is_one_character(&lower) {
        return Err(WeakPassword::Common);
    }
    Ok(())
}

fn is_one_character(text: &str) -> bool {
    let mut chars = text.chars();
    let first = chars.next();
    chars.all(|c| Some(c) == first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(password: &str) -> Result<(), WeakPassword> {
        check(password, &Email::parse("Ada.Lovelace@example.com").expect("an address"))
    }

    #[test]
    fn s55_length_is_counted_in_characters_and_composition_is_free() {
        assert_eq!(verdict("sevench"), Err(WeakPassword::TooShort));
        assert_eq!(verdict("äöüßäöü"), Err(WeakPassword::TooShort), "7 characters, 14 bytes");
        for accepted in [
            "eightchr",
            &"correct horse ".repeat(5)[..64],
            &"Tr0ub4dor&3 ".repeat(11)[..128],
            "пароль с пробелами",
            "🦊🐙🦉🐝🦋🐢🦀🐬",
            "  leading and trailing  ",
            "nul \0 inside",
            "\t\t\t\ttabs too",
        ] {
            assert_eq!(verdict(accepted), Ok(()), "{accepted:?}");
        }
        assert_eq!(verdict(&"é".repeat(255)[..]), Err(WeakPassword::Common), "one character repeated");
        assert_eq!(verdict(&"xy".repeat(128)), Ok(()));
        assert_eq!(verdict(&"xyz".repeat(86)), Err(WeakPassword::TooLong));
    }

    #[test]
    fn s55_every_listed_password_is_refused_in_any_case() {
        assert!(COMMON.len() > 3_000, "{} entries", COMMON.len());
        for listed in COMMON.iter() {
            assert_eq!(verdict(listed), Err(WeakPassword::Common), "{listed}");
            assert_eq!(verdict(&listed.to_uppercase()), Err(WeakPassword::Common), "{listed}");
        }
    }

    #[test]
    fn s55_the_address_and_its_local_part_are_no_passwords() {
        assert_eq!(verdict("ada.lovelace@EXAMPLE.com"), Err(WeakPassword::Address));
        assert_eq!(verdict("ADA.lovelace"), Err(WeakPassword::Address));
        assert_eq!(verdict("ada.lovelace 1815"), Ok(()));
    }

    #[test]
    fn the_list_is_in_the_form_that_is_compared() {
        let mut previous = "";
        for line in include_str!("../../data/common_passwords.txt").lines() {
            assert!(line.chars().count() >= MIN_CHARS && line == line.to_lowercase(), "{line}");
            assert!(previous < line, "sorted, without repeats: {line}");
            previous = line;
        }
    }
}
