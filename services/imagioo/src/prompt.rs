//! The text an image is made from: an argument, or standard input.

use std::io::{self, Read as _};

use crate::failure::Failure;

/// More than the longest prompt that the API takes.
const MOST_BYTES: u64 = 256 * 1024;

/// The prompt that the argument is or, for `-`, that standard input has, without blanks at its end.
///
/// # Errors
/// [`Failure::Input`].
pub(crate) async fn read(argument: &str) -> Result<String, Failure> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let read = tokio::task::spawn_blocking(|| {
        let mut text = String::new();
        io::stdin().lock().take(MOST_BYTES).read_to_string(&mut text).map(|_| text)
    });
    let text = read.await.map_err(|_| Failure::Broken)?.map_err(|error| Failure::Input("prompt", error))?;
    Ok(text.trim_end().to_owned())
}
