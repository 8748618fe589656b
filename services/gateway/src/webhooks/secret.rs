//! The secret that an endpoint and we share: `whsec_` and 32 random bytes in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imagioo_seal::{Binding, SealError, Sealer};
use imagioo_types::WebhookEndpointId;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

const MARK: &str = "whsec_";
const BYTES: usize = 32;
const PURPOSE: &str = "webhook secret";

/// A secret, in clear.
#[derive(Debug)]
pub(crate) struct WebhookSecret(SecretSlice<u8>);

impl WebhookSecret {
    /// A new secret.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`].
    pub(crate) fn generate() -> Result<Self, SealError> {
        let mut bytes = vec![0_u8; BYTES];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| SealError::NoRandomness)?;
        Ok(Self(bytes.into()))
    }

    /// As the owner is shown it.
    pub(crate) fn text(&self) -> SecretString {
        format!("{MARK}{}", STANDARD.encode(self.key())).into()
    }

    /// What signs.
    pub(super) fn key(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// What is stored.
    pub(crate) fn seal(&self, sealer: &Sealer, endpoint: WebhookEndpointId) -> Result<Vec<u8>, SealError> {
        sealer.seal(binding(endpoint.uuid().as_bytes()), self.key())
    }

    /// The stored secret of an endpoint.
    ///
    /// # Errors
    /// [`SealError`] when its key is gone, or it is not this endpoint's.
    pub(crate) fn open(
        sealer: &Sealer,
        endpoint: WebhookEndpointId,
        sealed: &[u8],
    ) -> Result<Self, SealError> {
        sealer.open(binding(endpoint.uuid().as_bytes()), sealed).map(Self)
    }
}

fn binding(endpoint: &[u8; 16]) -> Binding<'_> {
    Binding { purpose: PURPOSE, subject: endpoint }
}

#[cfg(test)]
impl WebhookSecret {
    /// A secret as its owner has it.
    pub(super) fn parse(text: &str) -> Self {
        Self(STANDARD.decode(text.strip_prefix(MARK).expect("the mark")).expect("base64").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_the_size_and_form_that_receivers_expect_and_does_not_print() {
        let secret = WebhookSecret::generate().expect("random");
        let text = secret.text();
        assert_eq!(text.expose_secret().len(), MARK.len() + 44);
        assert_eq!(WebhookSecret::parse(text.expose_secret()).key(), secret.key());
        let shown = format!("{secret:?} {text:?}");
        assert!(!shown.contains(text.expose_secret().trim_start_matches(MARK)), "{shown}");
    }
}
