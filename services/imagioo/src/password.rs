//! Passwords and other secrets: asked without echo, or read from standard input; never an argument.

use std::io::{self, Read as _};

use secrecy::SecretString;

use crate::failure::Failure;

/// More than any secret has; what is longer is not one.
const MOST_BYTES: u64 = 4096;
const NO_TERMINAL: &str = "without a terminal, pipe the password in with `--password-stdin`";
const NO_TERMINAL_FOR_KEY: &str = "without a terminal, pipe the key in with `--key-stdin`";

/// Asks for the password of an account that exists.
///
/// # Errors
/// [`Failure::Usage`] without a terminal, [`Failure::Interrupted`].
pub(crate) fn ask() -> Result<SecretString, Failure> {
    prompt("Password: ")
}

/// Asks for a new password twice, because nobody sees what is typed.
///
/// # Errors
/// As [`ask`], and [`Failure::Usage`] when the two differ.
pub(crate) fn ask_new() -> Result<SecretString, Failure> {
    use secrecy::ExposeSecret as _;
    let first = prompt("New password (at least 8 characters): ")?;
    let second = prompt("The same again: ")?;
    if first.expose_secret() != second.expose_secret() {
        return Err(Failure::usage("the two passwords differ", "try again"));
    }
    Ok(first)
}

/// Asks for the key of an account.
///
/// # Errors
/// As [`ask`].
pub(crate) fn ask_key(account: &str) -> Result<SecretString, Failure> {
    ask_for(&format!("Key of {account}: "), "key", NO_TERMINAL_FOR_KEY)
}

/// Reads a secret from standard input, without its final line break.
///
/// # Errors
/// [`Failure::Usage`] when there is none, [`Failure::Input`].
pub(crate) async fn read_piped(what: &'static str) -> Result<SecretString, Failure> {
    let read = tokio::task::spawn_blocking(|| {
        let mut text = String::new();
        io::stdin().lock().take(MOST_BYTES).read_to_string(&mut text).map(|_| text)
    });
    let text = read.await.map_err(|_| Failure::Broken)?.map_err(|error| Failure::Input(what, error))?;
    let secret = without_line_break(&text);
    if secret.is_empty() {
        return Err(Failure::usage(
            format!("no {what} came on standard input"),
            "pipe it in, as in `pass show imagioo | imagioo …`",
        ));
    }
    Ok(secret.into())
}

fn without_line_break(text: &str) -> &str {
    let line = text.strip_suffix('\n').unwrap_or(text);
    line.strip_suffix('\r').unwrap_or(line)
}

fn prompt(text: &str) -> Result<SecretString, Failure> {
    ask_for(text, "password", NO_TERMINAL)
}

/// Asks for `what`; the hint says how to give it where nobody can be asked.
fn ask_for(text: &str, what: &str, hint: &'static str) -> Result<SecretString, Failure> {
    match rpassword::prompt_password(text) {
        Ok(password) => Ok(password.into()),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            Err(Failure::Interrupted { resume: None })
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(Failure::usage(format!("no {what} was typed"), hint))
        }
        Err(_) => Err(Failure::usage(format!("there is no terminal to ask for the {what} on"), hint)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_final_line_break_is_no_part_of_a_piped_password() {
        assert_eq!(without_line_break(" pass word \n"), " pass word ");
        assert_eq!(without_line_break("secret\r\n"), "secret");
        assert_eq!(without_line_break("two\n\n"), "two\n");
        assert_eq!(without_line_break("bare"), "bare");
    }
}
