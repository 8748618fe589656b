//! How messages with secrets of users are printed: without them.

use std::fmt;

use crate::generation::v1::{OwnKey, SetProviderKeyRequest};

/// Stands where a secret was.
const REDACTED: &str = "[REDACTED]";

impl fmt::Debug for OwnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnKey").field("key", &REDACTED).finish()
    }
}

impl fmt::Debug for SetProviderKeyRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetProviderKeyRequest")
            .field("provider", &self.provider)
            .field("key", &REDACTED)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::v1::{Job, StartGenerationResponse};

    #[test]
    fn a_key_of_a_user_is_not_printed_with_what_carries_it() {
        let own_key = Some(OwnKey { key: "sk-secret".to_owned() });
        let answer = StartGenerationResponse { job: Some(Job { own_key, ..Job::default() }) };
        let request = SetProviderKeyRequest { provider: "openai".to_owned(), key: "sk-secret".to_owned() };
        let shown = format!("{answer:?} {request:?}");
        assert!(!shown.contains("sk-secret") && shown.contains("openai"), "{shown}");
    }
}
