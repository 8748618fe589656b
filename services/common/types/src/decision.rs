//! The recorded form of a screening decision.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Whether a recorded decision allows what it is about. It says who allowed it, by which version or id, and when:
/// `allow:lists=841529adb0a7,http=mod_1;2026-03-01T12:00:00Z`; or that nobody was asked: `allow:off`. Nothing else allows.
#[must_use]
pub fn allows(decision: &str) -> bool {
    match decision.strip_prefix("allow:") {
        Some("off") => true,
        Some(rest) => rest.split_once(';').is_some_and(|(proofs, at)| {
            proofs.split(',').all(is_proof) && OffsetDateTime::parse(at, &Rfc3339).is_ok()
        }),
        None => false,
    }
}

/// A screen and what proves its decision, where the screen gives its decisions names.
fn is_proof(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || "_-/.+".contains(c);
    text.split_once('=').is_some_and(|(screen, proof)| {
        let named = !screen.is_empty() && screen.chars().all(|c| c.is_ascii_lowercase());
        named && proof.chars().all(letter)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allow_names_who_decided_by_what_and_when_and_anything_else_is_none() {
        for decision in [
            "allow:off",
            "allow:lists=841529adb0a7;2026-03-01T12:00:00Z",
            "allow:lists=841529adb0a7,http=mod_1+no-text;2026-03-01T12:00:00.25Z",
            "allow:moderations=;2026-03-01T12:00:00Z",
        ] {
            assert!(allows(decision), "{decision}");
        }
        for decision in [
            "",
            "allow",
            "allow:",
            "allow:OFF",
            "allow:off;2026-03-01T12:00:00Z",
            "allow:lists",
            "allow:lists=841529adb0a7",
            "allow:=1;2026-03-01T12:00:00Z",
            "allow:lists=1,http;2026-03-01T12:00:00Z",
            "allow:lists=1;yesterday",
            "allow:lists=1;2026-03-01T12:00:00Z\n",
            "allow:lists=a b;2026-03-01T12:00:00Z",
            "deny:lists=1;2026-03-01T12:00:00Z",
            " allow:off",
        ] {
            assert!(!allows(decision), "{decision}");
        }
    }
}
