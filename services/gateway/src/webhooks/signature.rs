//! Standard Webhooks signatures: HMAC-SHA256 over `id.timestamp.body`.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imagioo_types::EventId;
use time::OffsetDateTime;

use super::secret::WebhookSecret;

/// The three headers of a signed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signed {
    /// `webhook-id`: the same for every attempt.
    pub(super) id: String,
    /// `webhook-timestamp`: seconds since 1970, of this attempt.
    pub(super) timestamp: String,
    /// `webhook-signature`: one signature for each secret, the current one first.
    pub(super) signatures: String,
}

/// Signs a body for every live secret.
pub(super) fn sign(event: EventId, at: OffsetDateTime, body: &[u8], secrets: &[WebhookSecret]) -> Signed {
    sign_as(event.to_string(), at, body, secrets)
}

fn sign_as(id: String, at: OffsetDateTime, body: &[u8], secrets: &[WebhookSecret]) -> Signed {
    let timestamp = at.unix_timestamp().to_string();
    let content = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    let signature = |secret: &WebhookSecret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.key());
        format!("v1,{}", STANDARD.encode(hmac::sign(&key, &content)))
    };
    let signatures = secrets.iter().map(signature).collect::<Vec<_>>().join(" ");
    Signed { id, timestamp, signatures }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const PUBLISHED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn published_secret() -> WebhookSecret {
        WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    }

    fn signed(body: &[u8], secrets: &[WebhookSecret]) -> Signed {
        let at = OffsetDateTime::from_unix_timestamp(1_614_265_330).expect("a time");
        sign_as("msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned(), at, body, secrets)
    }

    #[test]
    fn the_published_vector_of_standard_webhooks_comes_out() {
        let signed = signed(BODY, &[published_secret()]);
        assert_eq!(signed.timestamp, "1614265330");
        assert_eq!(signed.signatures, PUBLISHED);
    }

    #[test]
    fn another_body_or_secret_gives_another_signature() {
        assert_ne!(signed(br#"{"test": 2432232315}"#, &[published_secret()]).signatures, PUBLISHED);
        let other = WebhookSecret::generate().expect("random");
        assert_ne!(signed(BODY, &[other]).signatures, PUBLISHED);
    }

    #[test]
    fn two_secrets_sign_side_by_side() {
        let new = WebhookSecret::generate().expect("random");
        let both = signed(BODY, &[new, published_secret()]).signatures;
        let parts: Vec<_> = both.split(' ').collect();
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[1], PUBLISHED);
    }
}
