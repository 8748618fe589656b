//! Own keys for providers, of which the server tells everything but the key.

use imagioo_proto::generation::v1 as wire;
use serde::Serialize;

use super::{text, word};
use crate::when;

/// A key without the key.
#[derive(Debug, Serialize)]
pub(crate) struct ProviderKeyAnswer {
    name: String,
    provider: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reject_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reject_time: Option<String>,
    create_time: Option<String>,
    update_time: Option<String>,
}

/// A provider that takes keys of users.
#[derive(Debug, Serialize)]
pub(crate) struct OwnKeyProviderAnswer {
    provider: String,
    price: i64,
}

/// The state of a key as a word.
pub(crate) fn key_state(key: &wire::ProviderKey) -> String {
    word(key.state().as_str_name(), "PROVIDER_KEY_STATE_")
}

impl From<&wire::ProviderKey> for ProviderKeyAnswer {
    fn from(key: &wire::ProviderKey) -> Self {
        Self {
            name: key.name.clone(),
            provider: key.provider.clone(),
            hint: text(&key.hint),
            state: key_state(key),
            reject_reason: text(&key.reject_reason),
            reject_time: when::exact(key.reject_time.as_ref()),
            create_time: when::exact(key.create_time.as_ref()),
            update_time: when::exact(key.update_time.as_ref()),
        }
    }
}

impl From<&wire::OwnKeyProvider> for OwnKeyProviderAnswer {
    fn from(offer: &wire::OwnKeyProvider) -> Self {
        Self { provider: offer.provider.clone(), price: offer.price }
    }
}
