//! Foreign words made harmless.

/// Most characters that are kept.
const LENGTH: usize = 64;

/// The beginning of a foreign word, as far as it is made of what identifiers are made of: letters and digits of ASCII, and
/// `_`, `-`, `/`, `.`; at most 64 characters. Fit for logs, rows and answers, whoever wrote it.
#[must_use]
pub fn tame(text: &str) -> String {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '.');
    text.trim().chars().take_while(allowed).take(LENGTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_break_a_line_ends_a_word() {
        assert_eq!(tame(" hate/threatening\r\nlevel=error"), "hate/threatening");
        assert_eq!(tame("a secret prompt"), "a");
        assert_eq!(tame("\u{1b}[31m"), "");
        assert_eq!(tame(&"x".repeat(100)).len(), LENGTH);
    }
}
