//! How callers are told that their words were blocked, or could not be screened.

use std::time::Duration;

use imagioo_rpc::{Code, RpcError};

use super::verdict::{Block, Trouble};

/// When to try again where the screen does not say.
const USUAL_WAIT: Duration = Duration::from_secs(5);
/// Longest wait that a caller is asked for.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Prompts are what goes in: `ContentPolicy.stage` is `input` or `output`, whoever refused.
pub(crate) const STAGE: &str = "input";

/// The words are not allowed.
pub(super) fn blocked(screen: &'static str, block: &Block) -> RpcError {
    let message =
        "content screening does not allow this text: change it and create again; nothing was charged";
    let categories = block.categories_text();
    let about = if categories.is_empty() { String::new() } else { format!(" ({categories})") };
    let error = RpcError::new(Code::ContentPolicy, message)
        .detail("stage", STAGE)
        .detail("categories", categories)
        .detail("screen", screen);
    block.fields.iter().fold(error, |error, field| {
        error.field(*field, format!("holds content that is not allowed here{about}: rephrase it"))
    })
}

/// Nobody can say whether they are.
pub(super) fn unavailable(screen: &'static str, trouble: Trouble) -> RpcError {
    let wait = trouble.retry_after.unwrap_or(USUAL_WAIT).clamp(Duration::from_secs(1), LONGEST_WAIT);
    RpcError::new(
        Code::Unavailable,
        "the text could not be screened, so nothing was started or charged: try again",
    )
    .retry_after(wait)
    .detail("stage", STAGE)
    .detail("screen", screen)
    .caused_by(trouble)
}

#[cfg(test)]
mod tests {
    use super::super::verdict::{NEGATIVE, Severity};
    use super::*;

    #[test]
    fn a_block_names_its_fields_and_what_to_do() {
        let block = Block {
            severity: Severity::Flag,
            categories: ["hate", "violence"].map(str::to_owned).into(),
            fields: ["prompt", NEGATIVE].into(),
        };
        let error = blocked("lists", &block);
        assert_eq!(error.code(), Code::ContentPolicy);
        let fields: Vec<_> = error.violations().iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["prompt", "settings.negative_prompt"]);
        assert!(error.violations()[0].1.contains("(hate,violence)"), "{error}");
        assert_eq!(
            (error.details()["stage"].as_str(), error.details()["screen"].as_str()),
            ("input", "lists")
        );
    }

    #[test]
    fn the_wish_of_the_other_side_is_passed_on_within_reason() {
        let waits = |retry_after| unavailable("http", Trouble { retry_after, ..Trouble::new("x") }).delay();
        assert_eq!(waits(None), Some(USUAL_WAIT));
        assert_eq!(waits(Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
        assert_eq!(waits(Some(Duration::ZERO)), Some(Duration::from_secs(1)));
        assert_eq!(waits(Some(Duration::from_secs(86_400))), Some(LONGEST_WAIT));
    }
}
